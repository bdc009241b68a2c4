"""Whatever is written, every follower ends with what PostgreSQL itself would answer."""

import asyncio
import logging
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

_log = logging.getLogger(__name__)
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
    ("typed", "", "*"),
    ("typed", "small > 3 and truth is not true or feeling = 'glad'", "id, tree, texts, spans"),
    ("typed", "instant > '2024-02-28' and 9 = any(numbers)", "*"),
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


# Each type's values, made of a number; some are null.
TYPES = {
    "small": ("smallint", "k - 20"),
    "large": ("bigint", "k * 900719925474099"),
    "exact": ("numeric(20, 5)", "k / 7.0"),
    "single": ("real", "k / 7.0"),
    "double": ("float8", "case k when 3 then 'NaN' when 4 then '-infinity' else k / 7.0 end"),
    "truth": ("boolean", "k % 2 = 0"),
    "fixed": ("char(5)", "left(k::text, 5)"),
    "words": ("varchar(9)", "chr(96 + k % 26) || e'\\n\"\\\\,'"),
    "octets": ("bytea", "decode(lpad(to_hex(k), 4, '0'), 'hex')"),
    "code": ("uuid", "md5(k::text)::uuid"),
    "raw": ("json", "json_build_object('a', k, 'b', array[k, null])"),
    "tree": ("jsonb", "jsonb_build_object('b', k, 'a', array[k, null])"),
    "day": ("date", "date '2024-02-27' + k"),
    "clock": ("time", "time '00:00' + k * interval '61 s 7 us'"),
    "moment": ("timestamp", "timestamp '2024-02-27' + k * interval '1 h 3 us'"),
    "instant": ("timestamptz", "timestamptz '2024-02-27 00:00+05' + k * interval '1 h'"),
    "span": ("interval", "make_interval(months => k - 20, days => 5 - k, secs => k / 8.0 - 2)"),
    "host": ("inet", "('10.0.0.' || k % 250)::inet"),
    "part": ("int4range", "int4range(k, k + 3)"),
    "bits": ("varbit", "k::bit(6)"),
    "spot": ("point", "point(k, -k / 4.0)"),
    "numbers": ("int[]", "array[k, null, -k]"),
    "texts": ("text[]", "array[k::text, null, '', 'a,\"b']"),
    "spans": ("interval[]", "array[k * interval '1 day', null]"),
    "feeling": ("mood", "(array['sad', 'ok', 'glad'])[1 + k % 3]::mood"),
    "stay": ("stay", "row(k * interval '1 day', 'a, b')::stay"),
    "stays": ("stay[]", "array[row(k * interval '-1 s', null)::stay, null]"),
}
TYPED = "id int primary key, " + ", ".join(f"{name} {what[0]}" for name, what in TYPES.items())
NAMES = ", ".join(TYPES)
VALUES = ", ".join(
    f"(select case when (k + {number}) % 6 <> 0 then {what[1]} end from (select new.n) x (k))"
    for number, what in enumerate(TYPES.values())
)


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
        "create type mood as enum ('sad', 'ok', 'glad');"
        "create type stay as (length interval, note text);"
        f"create table typed ({TYPED});"
        "create function copied() returns trigger language plpgsql as $$ begin"
        " if tg_op = 'INSERT' then insert into keyless values (new.id, new.n);"
        f" insert into typed select new.id, {VALUES};"
        " elsif tg_op = 'UPDATE' then update keyless set id = new.id, n = new.n where id = old.id;"
        f" delete from typed where id = old.id; insert into typed select new.id, {VALUES}"
        f" on conflict (id) do update set ({NAMES}) = (select {VALUES});"
        " else delete from keyless where id = old.id; delete from typed where id = old.id;"
        " end if; return null; end $$;"
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


async def run(url: str, batches: int, transactions: int, mutations: int) -> None:
    chance = random.Random(SEED)
    connection = await asyncpg.connect(url, server_settings={"intervalstyle": "iso_8601"})
    port, batch = 0, 0
    followed: list[Follower] = []
    while batch < batches:
        with synced(url, port) as server:
            port = httpx.URL(server.url).port or 0
            # A client of its own for each server: none goes on with a connection to a dead one.
            # It lets go of idle connections before the server does, at which it would ask in vain.
            limits = httpx.Limits(max_connections=None, keepalive_expiry=1.0)
            async with httpx.AsyncClient(base_url=server.url, timeout=60, limits=limits) as client:
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
    written_rows = await connection.fetchval("select count(*) from journal.journal")
    _log.warning("%d rows changed; followers applied %d changes", written_rows, counted)
    assert counted > written_rows > mutations
    await connection.close()


async def test_followers_have_what_the_database_has_through_restarts(tables: str) -> None:
    await run(tables, batches=10, transactions=50, mutations=2_000)


@pytest.mark.long
async def test_followers_have_what_the_database_has_for_long(tables: str) -> None:
    await run(tables, batches=140, transactions=50, mutations=50_000)
