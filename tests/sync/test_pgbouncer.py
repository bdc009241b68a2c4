"""`roost sync serve` through the real PgBouncer."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig, server_settings
from tests.db.test_pgbouncer import PGBOUNCER, bouncing, reach
from tests.support.server import run, serving
from tests.sync.follower import Follower
from tests.sync.tables import ROWS, TABLE, check

IGNORED = ", ".join(server_settings(DatabaseConfig("")))
"""What PgBouncer would have to let pass when it is not told of."""
pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason="no PgBouncer")


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(TABLE + ROWS)
    yield connection
    await connection.close()


@pytest.fixture
def directory(data_dir: Path) -> Path:
    return data_dir.parent / "pgbouncer"


@contextmanager
def through(directory: Path, database: str, *how: Any) -> Iterator[str]:
    """Run PgBouncer; gives the database's URL through it."""
    with bouncing(directory, database, *how) as port:
        yield f"postgresql://postgres@127.0.0.1:{port}{urlsplit(database).path}"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (("transaction", 3), "?pgbouncer=true"),
        (("session", 60), "?pgbouncer=true"),
        (("session", 60, IGNORED), ""),
    ],
)
async def test_followers_end_as_the_table_is(
    connection: Any, directory: Path, scratch_database: str, how: tuple[Any, ...], said: str
) -> None:
    with through(directory, scratch_database, *how) as url:
        await reach(url)
        options = ("--database-url", url + said, "--workers", "2", "--chunk-bytes", "2000")
        with serving(*options, command=("sync", "serve")) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                await connection.execute("insert into t select generate_series(10, 99)")
                whole = Follower(client, {"table": "t"})
                await check(connection, whole)
                parts = [Follower(client, {"table": "t", "where": f"id > {n}"}) for n in range(12)]
                for sql in ("update t set v = 'x' where id % 3 = 0", "delete from t where id < 5"):
                    await connection.execute(sql)
                    for follower in parts:
                        await follower.catch_up()
                    await check(connection, whole)
                assert whole.refetches == 0


@pytest.mark.usefixtures("connection")
async def test_no_statement_stays_with_its_connections(
    directory: Path, scratch_database: str
) -> None:
    with through(directory, scratch_database, "transaction", 4) as url:
        await reach(url)
        options = ("--database-url", url + "?pgbouncer=true", "--chunk-bytes", "2000")
        with serving(*options, command=("sync", "serve")) as server:
            async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
                shapes = [Follower(client, {"table": "t", "where": f"id > {n}"}) for n in range(30)]
                await asyncio.gather(*(follower.catch_up() for follower in shapes))
        assert await kept_statements(url, 4) == []


async def kept_statements(url: str, connections: int) -> list[str]:
    """Give what is prepared in as many of PgBouncer's connections, all at once."""
    clients = [await asyncpg.connect(url, statement_cache_size=0) for _ in range(connections)]
    for client in clients:
        await client.execute("begin")
    left = [
        row["statement"]
        for client in clients
        for row in await client.fetch("select statement from pg_prepared_statements")
    ]
    for client in clients:
        await client.close()
    return left


@pytest.mark.parametrize(
    ("how", "said", "told"),
    [
        (("session", 60), "", "add pgbouncer=true"),
        (("transaction", 9), "", "add pgbouncer=true"),
        (("transaction", 9, IGNORED), "", "add pgbouncer=true"),
        (("statement", 9), "?pgbouncer=true", "statement mode"),
        (("statement", 9, IGNORED), "", "statement mode"),
    ],
)
async def test_what_cannot_work_is_said_at_the_start(
    directory: Path, scratch_database: str, how: tuple[Any, ...], said: str, told: str
) -> None:
    with through(directory, scratch_database, *how) as url:
        await reach(url)
        done = run("sync", "serve", "--port", "0", "--database-url", url + said)
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert told in line
