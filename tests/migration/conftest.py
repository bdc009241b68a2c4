"""Users with workspaces, and the routes of migrations, tasks and environments over their rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import pytest

from roost.db.pool import Database
from roost.db.roles import OWNER_ROLE
from roost.db.sealing import SecretBox
from roost.environments.routes import EnvironmentRoutes
from roost.migration.routes import MigrationRoutes
from roost.migration.service import Migrations
from roost.tasks.routes import TaskRoutes
from tests.migration.bench import Bench
from tests.support.house import House
from tests.support.schema import as_role, pool_config

DUMP_LIMIT = 64 * 1024 * 1024


@asynccontextmanager
async def open_bench(roost_database: str) -> AsyncIterator[Bench]:
    """A server with the routes that show what was migrated, and ways to look behind it."""
    database = await Database.connect(pool_config(roost_database))
    watcher = await asyncpg.connect(roost_database)
    owner = await asyncpg.connect(as_role(roost_database, OWNER_ROLE))
    house = House(database)
    box = SecretBox(["a key that is only for tests"])
    migrations = Migrations(database, box, house.ticks.announce)
    house.mount(
        [
            *MigrationRoutes(house.kit, box, DUMP_LIMIT).endpoints(),
            *TaskRoutes(house.kit, alike=True).endpoints(),
            *EnvironmentRoutes(house.kit, box).endpoints(),
        ]
    )
    yield Bench(house, migrations, box, watcher, owner)
    await owner.close()
    await watcher.close()
    await database.close()


@pytest.fixture
async def bench(roost_database: str) -> AsyncIterator[Bench]:
    """The same, for one test."""
    async with open_bench(roost_database) as bench:
        yield bench
