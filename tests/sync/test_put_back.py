"""A database that was put back: whoever followed what is no more is told to begin again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig
from roost.journal import life
from roost.journal.install import install_sql
from roost.sync import install as shapes
from roost.sync.options import SyncOptions
from roost.sync.standalone import Standalone, StandaloneConfig
from tests.sync.follower import Follower
from tests.sync.test_traps import caught_up


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(install_sql())
    await connection.execute(shapes.install_sql())
    await connection.execute("create table t (id int primary key, v int)")
    await connection.execute("insert into t values (1, 0), (2, 0)")
    yield connection
    await connection.close()


@asynccontextmanager
async def serving(database: str) -> AsyncIterator[httpx.AsyncClient]:
    options = SyncOptions(look_every=0.0, long_poll=20.0)
    application = Standalone(StandaloneConfig(DatabaseConfig(database), options))
    await application.open()
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
        yield client
    await application.close()


async def write(connection: Any, times: int) -> int:
    """Change rows; gives the newest tick."""
    for number in range(times):
        await connection.execute("update t set v = v + 1 where id = $1", 1 + number % 2)
        tick = await connection.fetchval("select journal.make_tick()")
    return int(tick)


async def put_back(connection: Any, tick: int) -> None:
    """Have everything as it was at a tick, as from a backup; the shapes were there by then."""
    async with connection.transaction():
        await connection.execute("alter table t disable trigger user")
        await connection.execute("update t set v = 0")
        await connection.execute('alter table t enable always trigger "!journal"')
        await connection.execute('alter table t enable always trigger "!journal_truncate"')
        await connection.execute("delete from journal.journal")
        await connection.execute("delete from journal.tick where id > $1", tick)
        await connection.execute(f"alter table journal.tick alter id restart with {tick + 1}")


async def test_who_waits_for_changes_of_a_database_that_was_put_back_begins_again(
    connection: Any, scratch_database: str
) -> None:
    async with serving(scratch_database) as client:
        idle, live = Follower(client, {"table": "t"}), Follower(client, {"table": "t"})
        await caught_up(connection, idle)
        first = await write(connection, 2)
        await write(connection, 6)
        await caught_up(connection, idle)
        await caught_up(connection, live)
        waiting = asyncio.create_task(live.ask(live=True))
        await asyncio.sleep(0.1)
        await put_back(connection, first)
        async with asyncio.timeout(10):
            await waiting
        await write(connection, 9)
        for follower in (idle, live):
            await caught_up(connection, follower)
            assert follower.refetches >= 1
            assert {row["v"] for row in follower.rows.values()} == {"4", "5"}


async def test_who_comes_from_later_than_the_database_was_put_back_to_begins_again(
    connection: Any, scratch_database: str
) -> None:
    async with serving(scratch_database) as client:
        follower = Follower(client, {"table": "t"})
        await caught_up(connection, follower)
        first = await write(connection, 2)
        await write(connection, 6)
        await caught_up(connection, follower)
    await put_back(connection, first)
    async with serving(scratch_database) as client:
        follower.client = client
        async with asyncio.timeout(5):
            await caught_up(connection, follower)
        assert follower.refetches == 1
        assert {row["v"] for row in follower.rows.values()} == {"0"}


async def test_a_shape_of_another_life_of_the_database_is_over(
    connection: Any, scratch_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(scratch_database) as client:
        follower = Follower(client, {"table": "t"})
        await caught_up(connection, follower)
    async with serving(scratch_database) as client:
        follower.client = client
        await caught_up(connection, follower)
        assert follower.refetches == 0  # a restart loses nobody
    monkeypatch.setattr(life, "_LIFE", "select 'after a recovery'")
    async with serving(scratch_database) as client:
        follower.client = client
        await caught_up(connection, follower)
        assert follower.refetches == 1
