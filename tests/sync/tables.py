"""A table that tests write, and a client of it that must end as it is."""

from typing import Any

import httpx

from roost.sync.offsets import end_of
from tests.sync.follower import Follower
from tests.sync.test_oracle import shown, truth

TABLE = "create table t (id int primary key, v text, n int default 0);"
ROWS = "insert into t select g, 'v' || g, g from generate_series(1, 9) g;"


async def catch_up(connection: Any, follower: Follower) -> None:
    tick = await connection.fetchval("select journal.make_tick()")
    await follower.catch_up(end_of(tick))


async def check(connection: Any, follower: Follower, table: str = "t") -> None:
    await catch_up(connection, follower)
    assert shown(follower.rows) == await truth(connection, (table, "", "*"))


async def place(connection: Any, table: str = "t") -> str:
    return f"{await connection.fetchval('select current_schema')}.{table}"


async def followed(connection: Any, client: httpx.AsyncClient, ddl: str = TABLE) -> Follower:
    await connection.execute(ddl + ROWS)
    follower = Follower(client, {"table": await place(connection)})
    await catch_up(connection, follower)
    return follower
