"""The routes of executions, tasks and environments on a database of the test's own."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.sealing import SecretBox
from roost.environments.routes import EnvironmentRoutes
from roost.executions.routes import ExecutionRoutes
from roost.tasks.routes import TaskRoutes
from tests.support.house import House
from tests.support.schema import pool_config

BOX = SecretBox(["an-obviously-fake-key-for-tests"])


@pytest.fixture
async def house(roost_database: str) -> AsyncIterator[House]:
    """A server; `alice` owns a workspace with the members `carol` and `victor`, `bob` another."""
    database = await Database.connect(pool_config(roost_database))
    house = House(database)
    alice = house.people.add("alice")
    house.people.add("carol", role="member", workspace_id=alice.workspace_id)
    house.people.add("victor", role="viewer", workspace_id=alice.workspace_id)
    house.people.add("bob")
    house.mount(
        [
            *ExecutionRoutes(house.kit, BOX).endpoints(),
            *TaskRoutes(house.kit, alike=True).endpoints(),
            *EnvironmentRoutes(house.kit, BOX).endpoints(),
        ]
    )
    yield house
    await database.close()


@pytest.fixture
def alice(house: House) -> httpx.AsyncClient:
    """The owner of a workspace."""
    return house.client("alice")


@pytest.fixture
def bob(house: House) -> httpx.AsyncClient:
    """The owner of another workspace."""
    return house.client("bob")


@pytest.fixture
def carol(house: House) -> httpx.AsyncClient:
    """A member of alice's workspace."""
    return house.client("carol")


@pytest.fixture
async def superuser(roost_database: str) -> AsyncIterator[Any]:
    """A connection that sees every row."""
    connection = await asyncpg.connect(roost_database)
    yield connection
    await connection.close()


@pytest.fixture
async def own(fresh_roost_database: str) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    """Alice, and a connection that sees everything, in a database of the test's own."""
    database = await Database.connect(pool_config(fresh_roost_database))
    house = House(database)
    house.people.add("alice")
    house.mount(
        [
            *ExecutionRoutes(house.kit, BOX).endpoints(),
            *TaskRoutes(house.kit, alike=True).endpoints(),
        ]
    )
    connection = await asyncpg.connect(fresh_roost_database)
    yield house.client("alice"), connection
    await connection.close()
    await database.close()
