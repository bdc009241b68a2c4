"""Clients of the real routes in this process, and of a running server."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from roost.client import AsyncRoost, Roost
from tests.client.faults import Losing
from tests.executions.conftest import house, superuser
from tests.server.conftest import server, token
from tests.support.house import House
from tests.support.server import API, Server

__all__ = ["house", "server", "superuser", "token"]

URL = "http://roost.test"


@pytest.fixture
def losing(house: House) -> Losing:
    """The way to the routes; it loses what it is told to."""
    return Losing(httpx.ASGITransport(house.app))


@pytest.fixture
async def roost(losing: Losing) -> AsyncIterator[AsyncRoost]:
    """A client of alice's, who owns a workspace; it does not wait between two tries."""
    async with AsyncRoost(URL, "alice", transport=losing, jitter=lambda: 0.0) as client:
        yield client


@pytest.fixture
async def bob(house: House) -> AsyncIterator[AsyncRoost]:
    """A client of bob's, who owns another workspace."""
    async with AsyncRoost(URL, "bob", transport=httpx.ASGITransport(house.app)) as client:
        yield client


@pytest.fixture
def workspace(server: Server, token: str) -> str:
    """A workspace of the test's own on the running server."""
    with server.client(token) as client:
        made = client.post(f"{API}/workspaces", json={"name": "of one test"})
        assert made.status_code == 201, made.text
        return str(made.json()["data"]["id"])


@pytest.fixture
def plain(server: Server, token: str, workspace: str) -> Iterator[Roost]:
    """A client without asyncio, of the running server."""
    with Roost(server.url, token, workspace=workspace) as client:
        yield client


@pytest.fixture(params=[("executions:*",)])
def agent_token(request: pytest.FixtureRequest, server: Server, token: str, workspace: str) -> str:
    """A service token of an agent in that workspace; by default it has no right to spare."""
    with server.client(token) as client:
        fields = {"name": "agent", "kind": "service", "scopes": list(request.param)}
        headers = {"roost-workspace": workspace}
        made = client.post(f"{API}/tokens", json=fields, headers=headers)
        assert made.status_code == 201, made.text
        return str(made.json()["data"]["token"])
