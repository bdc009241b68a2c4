"""Everything that has a history, over HTTP, on a database of the test's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.sealing import SecretBox
from roost.environments.past import ENVIRONMENT_KIND
from roost.environments.routes import EnvironmentRoutes
from roost.history.routes import HistoryRoutes
from roost.tasks.past import MESSAGE_KIND, TASK_KIND
from roost.tasks.routes import TaskRoutes
from tests.history.calls import World
from tests.support.house import House
from tests.support.schema import pool_config

KINDS = (ENVIRONMENT_KIND, TASK_KIND, MESSAGE_KIND)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[House]:
    """A server on a database; `alice` owns a workspace, `bob` another."""
    database = await Database.connect(pool_config(url))
    house = House(database)
    for name in ("alice", "bob"):
        house.people.add(name)
    box = SecretBox(["an-obviously-fake-key-for-tests"])
    house.mount(
        [
            *TaskRoutes(house.kit, alike=True).endpoints(),
            *EnvironmentRoutes(house.kit, box).endpoints(),
            *HistoryRoutes(house.kit, KINDS).endpoints(),
        ]
    )
    yield house
    await database.close()


@pytest.fixture
async def house(roost_database: str) -> AsyncIterator[House]:
    """A server; `alice` owns a workspace, `bob` another."""
    async with opened(roost_database) as house:
        yield house


@pytest.fixture
async def superuser(roost_database: str) -> AsyncIterator[Any]:
    """A connection that sees every row."""
    connection = await asyncpg.connect(roost_database)
    yield connection
    await connection.close()


@pytest.fixture
def alice(house: House) -> httpx.AsyncClient:
    """The owner of a workspace."""
    return house.client("alice")


@pytest.fixture
def bob(house: House) -> httpx.AsyncClient:
    """The owner of another."""
    return house.client("bob")


@pytest.fixture
def world(alice: httpx.AsyncClient, superuser: Any) -> World:
    """Alice's workspace, and ticks when she wants them."""
    return World(alice, superuser)
