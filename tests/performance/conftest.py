"""The doctor's routes over HTTP, on a database of the test's own, and who makes trouble in it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.performance.routes import PerformanceRoutes
from tests.support.house import House
from tests.support.schema import as_role, pool_config


@pytest.fixture
async def house(fresh_roost_database: str) -> AsyncIterator[House]:
    """A server; `alice` owns a workspace, `mia` is a member, `reader` may read tasks only."""
    config = pool_config(fresh_roost_database)
    database = await Database.connect(config)
    house = House(database)
    house.people.add("alice")
    house.people.add("mia", role="member")
    house.people.add("reader", scopes=("tasks:read",))
    doctor = await Database.connect(
        replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE), max_connections=2)
    )
    house.mount(PerformanceRoutes(house.kit, doctor).endpoints())
    yield house
    await doctor.close()
    await database.close()


Ask = Callable[[str], Awaitable[Any]]


@pytest.fixture
def ask(house: House) -> Ask:
    """Ask the doctor a question as `alice`; gives `data`."""

    async def asked(question: str) -> Any:
        answer = await house.client("alice").get(f"/api/v1/performance/{question}")
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()["data"]

    return asked


Connect = Callable[[], Awaitable[Any]]


@pytest.fixture
async def connect(fresh_roost_database: str) -> AsyncIterator[Connect]:
    """Connect to the database as its superuser; closed when the test ends."""
    async with AsyncExitStack() as stack:

        async def connected() -> Any:
            connection = await asyncpg.connect(fresh_roost_database)
            stack.callback(connection.terminate)
            return connection

        yield connected
