"""What happens over a long time: clients that were away, old changes dropped, tables rebuilt."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.journal.test_retention import age
from tests.sync.follower import Follower
from tests.sync.tables import catch_up, check, followed, place

pytestmark = pytest.mark.asyncio(loop_scope="module")
PARTED = (
    "create table t (id int primary key, v text, n int default 0) partition by range (id);"
    "create table one partition of t for values from (0) to (100);"
)


async def begun_again(connection: Any, follower: Follower) -> None:
    """Follow until the server has said to begin anew."""
    async with asyncio.timeout(60):
        while not follower.refetches:
            await catch_up(connection, follower)
    await check(connection, follower)


async def test_a_prepared_transaction_comes_when_it_is_committed(
    connection: Any, client: httpx.AsyncClient, database: str, schema: str
) -> None:
    follower = await followed(connection, client)
    name = f"{schema}_p"
    await connection.execute(
        "begin; insert into t values (50, 'prepared'); update t set v = 'p' where id = 1;"
        f" prepare transaction '{name}'"
    )
    await connection.execute("insert into t values (51, 'meanwhile')")
    await check(connection, follower)
    second = Follower(client, {"table": await place(connection), "where": "id > 0"})
    await catch_up(connection, second)
    other = await asyncpg.connect(database, server_settings={"search_path": schema})
    await other.execute(f"commit prepared '{name}'")
    await other.close()
    await check(connection, follower)
    await check(connection, second)
    assert follower.refetches == second.refetches == 0


async def test_a_partition_that_is_attached_brings_its_rows(
    connection: Any, client: httpx.AsyncClient
) -> None:
    follower = await followed(connection, client, PARTED)
    await connection.execute(
        "create table two (n int default 0, v text, id int primary key);"
        "insert into two (id, v) values (150, 'was here before');"
        "alter table t attach partition two for values from (100) to (200)"
    )
    await begun_again(connection, follower)
    await connection.execute(
        "insert into t values (151, 'after'); update t set v = 'x' where id in (1, 150)"
    )
    await check(connection, follower)


async def test_a_partition_that_is_detached_takes_its_rows_away(
    connection: Any, client: httpx.AsyncClient
) -> None:
    more = "create table two partition of t for values from (100) to (200);"
    follower = await followed(connection, client, PARTED + more)
    await connection.execute("insert into t values (150, 'goes')")
    await check(connection, follower)
    await connection.execute("alter table t detach partition two")
    await begun_again(connection, follower)
    await connection.execute("update two set v = 'nobody follows it'; insert into t values (60)")
    await check(connection, follower)


async def test_computed_columns_are_followed(connection: Any, client: httpx.AsyncClient) -> None:
    version = await connection.fetchval("show server_version_num")
    more = ", half int generated always as (n / 2) virtual" if int(version) >= 180000 else ""
    follower = await followed(
        connection,
        client,
        "create table t (id int primary key, v text, n int default 0,"
        f" twice int generated always as (n * 2) stored{more});",
    )
    columns = {"id", "v", "n", "twice"}
    assert all(columns <= set(row) for row in follower.rows.values())
    await connection.execute("update t set n = 40 where id = 3; insert into t values (70, 'x', 8)")
    await catch_up(connection, follower)
    found = {row["id"]: row["twice"] for row in follower.rows.values()}
    assert (found["3"], found["70"]) == ("80", "16")


async def test_who_was_away_longer_than_is_kept_begins_again(
    connection: Any, client: httpx.AsyncClient
) -> None:
    away = await followed(connection, client)
    recent = Follower(client, {"table": await place(connection), "where": "id > 0"})
    await connection.execute("insert into t values (30, 'old')")
    await connection.execute("select journal.make_tick()")
    await age(connection, 200)
    await connection.execute("insert into t values (31, 'new')")
    await catch_up(connection, recent)
    await connection.execute("select journal.drop_older(90)")
    await connection.execute("insert into t values (32, 'newer')")
    await begun_again(connection, away)
    assert {row["id"] for row in away.rows.values()} >= {"30", "31", "32"}
    await check(connection, recent)
    assert (away.refetches, recent.refetches) == (1, 0)
