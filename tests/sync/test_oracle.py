"""Whatever is written, every follower ends with what PostgreSQL itself would answer."""

import asyncio
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
import httpx
import pytest

from roost.sync.offsets import end_of
from tests.journal.workload import TABLES, Writer
from tests.support.server import Server, serving
from tests.sync.follower import Follower, Row

SEED = int(os.environ.get("ORACLE_SEED", random.randrange(1 << 32)))
# Table, condition, and columns.
SHAPES: list[tuple[str, str, str]] = [
    ("keyless", "", "*"),
    ("keyless", "n > 2", "*"),
    ("plain", "", "*"),
    ("plain", "n > 25", "*"),
    ("plain", "v is null or v like 'x%'", "id, v"),
    ("plain", "n % 3 = 0 and not (id between 10 and 30)", "*"),
    ("plain", "workspace_id = '00000000-0000-0000-0000-000000000001'", "id, n"),
    ("plain", "n in (1, 2, 3) or id = any('{5,6,7}'::int[])", "*"),
    ("keyed", "", "*"),
    ("keyed", "b = '' or length(b) > 20", "*"),
    ("child", "parent is not null", "*"),
    ("child", "parent > 30 and id < 40", "id, parent"),
    ("meddled", "n > 20", "*"),
    ("meddled", "", "*"),
    ("child", "parent in (select id from plain where n > 30)", "*"),
    ("child", "parent not in (select id from plain where v is null)", "id, parent"),
    ("keyed", "a in (select id from meddled where n > 5) or b = ''", "*"),
    ("plain", "id in (select parent from child where id in (select id from meddled))", "*"),
    ("plain", "(id, n) in (select id, n from meddled) and n < 40", "id, n"),
]


@contextmanager
def synced(url: str, port: int = 0, workers: int = 2) -> Iterator[Server]:
    options = ["--database-url", url, "--workers", str(workers), "--chunk-bytes", "2000"]
    with serving(*options, "--port", str(port), command=("sync", "serve")) as server:
        yield server


async def truth(connection: asyncpg.Connection, shape: tuple[str, str, str]) -> list[list[str]]:
    """The rows by PostgreSQL's own answer, each as its columns' output."""
    table, where, columns = shape
    listed = await texts(connection, table, columns)
    found = await connection.fetch(
        f"select array[{listed}] as row from {table} where {where or 'true'}"
    )
    return sorted([str(value) for value in row["row"]] for row in found)


async def texts(connection: asyncpg.Connection, table: str, columns: str) -> str:
    names = [name.strip() for name in columns.split(",")]
    if columns == "*":
        names = await connection.fetchval(
            "select array_agg(attname::text order by attnum) from pg_attribute"
            " where attrelid = $1::text::regclass and attnum > 0 and not attisdropped",
            table,
        )
    return ", ".join(f"format('%s', {name})" for name in names)


def shown(rows: dict[str, Row]) -> list[list[str]]:
    return sorted([value or "" for value in row.values()] for row in rows.values())


def followers(client: httpx.AsyncClient) -> list[Follower]:
    made = []
    for table, where, columns in SHAPES:
        given = {"table": table}
        if where:
            given["where"] = where
        if columns != "*":
            given["columns"] = columns
        made.append(Follower(client, given))
        if len(made) % 3 == 0:
            made[-1].parameters["replica"] = "full"
    return made


@pytest.fixture
async def tables(scratch_database: str) -> str:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(TABLES)
    # Of a table without a key the whole row is one: rows come and go.
    await connection.execute(
        "create table keyless (id int, n int);"
        "create function copied() returns trigger language plpgsql as $$ begin"
        " if tg_op = 'INSERT' then insert into keyless values (new.id, new.n);"
        " elsif tg_op = 'UPDATE' then update keyless set id = new.id, n = new.n where id = old.id;"
        " else delete from keyless where id = old.id; end if; return null; end $$;"
        "create trigger copied after insert or update or delete on plain"
        " for each row execute function copied()"
    )
    await connection.close()
    return scratch_database


async def written(url: str, seed: int, transactions: int) -> None:
    """Two writers at once, of every kind of transaction."""

    async def write(number: int) -> None:
        connection = await asyncpg.connect(url)
        try:
            writer = Writer(connection, seed + number)
            for _ in range(transactions // 2):
                await writer.transaction(0.05)
        finally:
            await connection.close()

    await asyncio.gather(write(1), write(2))


async def compare(connection: asyncpg.Connection, followed: list[Follower]) -> None:
    tick = await connection.fetchval("select journal.make_tick()")
    await asyncio.gather(*(each.catch_up(end_of(tick)) for each in followed))
    for shape, follower in zip(SHAPES, followed, strict=True):
        expected = await truth(connection, shape)
        assert shown(follower.rows) == expected, f"ORACLE_SEED={SEED} {shape}"


async def run(url: str, batches: int, transactions: int) -> None:
    chance = random.Random(SEED)
    connection = await asyncpg.connect(url)
    port, batch = 0, 0
    followed: list[Follower] = []
    while batch < batches:
        with synced(url, port) as server:
            port = httpx.URL(server.url).port or 0
            # A client of its own for each server: none goes on with a connection to a dead one.
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                followed = followed or followers(client)
                for each in followed:
                    each.client = client
                for _ in range(min(chance.randint(2, 4), batches - batch)):
                    await written(url, SEED + batch, transactions)
                    await compare(connection, followed)
                    batch += 1
            if chance.random() < 0.5:
                server.kill()
    assert not any(each.refetches for each in followed)
    counted = sum(each.changes for each in followed)
    assert counted > batches * transactions
    await connection.close()


async def test_followers_have_what_the_database_has_through_restarts(tables: str) -> None:
    await run(tables, batches=10, transactions=50)


@pytest.mark.long
async def test_followers_have_what_the_database_has_for_long(tables: str) -> None:
    await run(tables, batches=100, transactions=50)
