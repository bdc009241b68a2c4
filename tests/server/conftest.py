"""A running server that tests share, and ways to have one of one's own."""

from collections.abc import Iterator

import httpx
import pytest

from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from tests.support.schema import _database, as_role
from tests.support.server import Server, serving


@pytest.fixture(scope="session")
def server(postgres: Endpoint, template: str) -> Iterator[Server]:
    """`roost serve` on a database of its own, for tests that leave it running."""
    del template
    with (
        _database(postgres) as url,
        serving("--database-url", as_role(url, OWNER_ROLE)) as server,
    ):
        yield server


@pytest.fixture(scope="session")
def token(server: Server) -> str:
    """A token of the server's owner, for everything."""
    return server.token()


@pytest.fixture
def anybody(server: Server) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with server.client() as client:
        yield client


@pytest.fixture
def owner(server: Server, token: str) -> Iterator[httpx.Client]:
    """A client of the owner's."""
    with server.client(token) as client:
        yield client


@pytest.fixture
def owner_url(fresh_roost_database: str) -> str:
    """The owner's URL of an empty database with the schema, for a server of the test's own."""
    return as_role(fresh_roost_database, OWNER_ROLE)
