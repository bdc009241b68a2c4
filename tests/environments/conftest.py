"""The routes of environments, and somebody with a workspace of their own."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.sealing import SecretBox
from roost.environments.routes import EnvironmentRoutes
from roost.web.principal import Principal
from tests.support.house import House
from tests.support.schema import pool_config


@pytest.fixture(scope="session")
def secret_box() -> SecretBox:
    """A box whose key is no secret."""
    return SecretBox(["an-obviously-fake-key-for-tests"])


@pytest.fixture
async def house(roost_database: str, secret_box: SecretBox) -> AsyncIterator[House]:
    """A server with the routes of environments."""
    database = await Database.connect(pool_config(roost_database))
    house = House(database)
    house.mount(EnvironmentRoutes(house.kit, secret_box).endpoints())
    yield house
    await database.close()


@pytest.fixture
def owner(house: House) -> Principal:
    """The owner of a workspace; their bearer string is `alice`."""
    return house.people.add("alice")


@pytest.fixture
def alice(house: House, owner: Principal) -> httpx.AsyncClient:
    """The client of `owner`."""
    del owner
    return house.client("alice")


@pytest.fixture
async def superuser(roost_database: str) -> AsyncIterator[Any]:
    """A connection that sees every row."""
    connection = await asyncpg.connect(roost_database)
    yield connection
    await connection.close()


def newcomer(house: House, **rights: Any) -> tuple[httpx.AsyncClient, Principal]:
    """Make somebody; gives their client, and who they are."""
    bearer = uuid4().hex
    principal = house.people.add(bearer, **rights)
    return house.client(bearer), principal
