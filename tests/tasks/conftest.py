"""The routes of tasks on a database of the test's own."""

from collections.abc import AsyncIterator

import httpx
import pytest

from roost.db.pool import Database
from roost.tasks.routes import TaskRoutes
from tests.support.house import House
from tests.support.schema import pool_config


@pytest.fixture
async def house(roost_database: str) -> AsyncIterator[House]:
    """A server with the routes of tasks; `alice` owns a workspace, `bob` another."""
    database = await Database.connect(pool_config(roost_database))
    house = House(database)
    house.people.add("alice")
    house.people.add("bob")
    house.mount(TaskRoutes(house.kit, alike=True).endpoints())
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
