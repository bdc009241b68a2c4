"""What has misled readers of a journal before: each is told as it is."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import httpx
import pytest

from roost.sync.offsets import end_of
from tests.support.server import Server
from tests.sync.follower import Follower
from tests.sync.test_oracle import synced

TABLES = """
create table plain (id int primary key, v text, big text,
    twice int generated always as (id * 2) stored);
create table parted (id int, v text, primary key (id)) partition by range (id);
create table part_one partition of parted for values from (0) to (100);
create table part_two (v text, id int not null, primary key (id));
alter table parted attach partition part_two for values from (100) to (200);
insert into plain (id, v, big)
    select g, 'v' || g, repeat(md5(g::text), 400) from generate_series(1, 9) g;
insert into parted select g, 'p' from generate_series(95, 105) g;
"""


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(TABLES)
    yield connection
    await connection.close()


@pytest.fixture
def server(connection: Any, scratch_database: str) -> Iterator[Server]:
    del connection
    with synced(scratch_database) as server:
        yield server


@pytest.fixture
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=30) as client:
        yield client


async def caught_up(connection: Any, follower: Follower) -> list[list[str | None]]:
    tick = await connection.fetchval("select journal.make_tick()")
    await follower.catch_up(end_of(tick))
    return [[*row.values()] for row in follower.rows.values()]


async def test_every_kind_of_change_ends_as_the_table_is(
    connection: Any, client: httpx.AsyncClient
) -> None:
    tables = {"plain": "id::text, v, big, twice::text",
              "parted": "id::text, v"}  # fmt: skip
    followers = {table: Follower(client, {"table": table}) for table in tables}
    for follower in followers.values():
        await caught_up(connection, follower)
    await connection.execute(
        "set datestyle = 'German'; set extra_float_digits = -3; set bytea_output = 'escape'"
    )
    for sql in [
        "update plain set v = v || '.' where id < 5",
        "update plain set id = id + 100 where id > 7",
        "insert into plain (id) values (50)",
        "delete from plain where id = 1",
        "update parted set v = 'q' where id in (99, 100)",
        "update parted set id = 150 where id = 96",
        "insert into part_two values ('direct', 199)",
        "delete from part_one where id = 97",
    ]:
        await connection.execute(sql)
    for table, columns in tables.items():
        found = await caught_up(connection, followers[table])
        rows = await connection.fetch(f"select {columns} from {table}")
        assert sorted(map(repr, found)) == sorted(repr([*row]) for row in rows), table
        assert followers[table].refetches == 0
