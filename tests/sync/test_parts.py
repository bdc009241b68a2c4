"""The later parts of a large snapshot, asked for while they are being written."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig
from roost.journal.install import install_sql
from roost.sync import install as shapes
from roost.sync.options import SyncOptions
from roost.sync.standalone import Standalone, StandaloneConfig
from roost.sync.store import Store
from tests.sync.follower import Follower

ROWS = 200
CONNECTIONS = 4


@pytest.fixture
async def client(scratch_database: str) -> AsyncIterator[httpx.AsyncClient]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(install_sql())
    await connection.execute(shapes.install_sql())
    await connection.execute("create table t (id int primary key)")
    await connection.execute(f"insert into t select generate_series(1, {ROWS})")
    await connection.close()
    options = SyncOptions(chunk_bytes=1_000, look_every=0.0, long_poll=10.0)
    config = StandaloneConfig(DatabaseConfig(scratch_database, CONNECTIONS), options)
    application = Standalone(config)
    await application.open()
    transport = httpx.ASGITransport(application)
    async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
        yield client
    await application.close()


async def test_a_part_that_is_written_while_it_is_looked_for_is_given(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, late = Store.chunk, []

    async def look_too_early(self: Store, handle: str, number: int) -> bytes | None:
        if number in late:
            return await look(self, handle, number)
        late.append(number)
        async with asyncio.timeout(30):
            while (found := await self.find(handle)) is None or found.chunks is None:  # noqa: ASYNC110 -- another process may write them
                await asyncio.sleep(0.01)
        return None

    monkeypatch.setattr(Store, "chunk", look_too_early)
    follower = Follower(client, {"table": "t"})
    await follower.catch_up()
    assert (follower.refetches, len(follower.rows)) == (0, ROWS)
    assert len(late) > 2


async def test_more_shapes_are_begun_at_once_than_there_are_connections(
    client: httpx.AsyncClient,
) -> None:
    shapes = 5 * CONNECTIONS
    short = [Follower(client, {"table": "t", "where": f"id <= {n}"}) for n in range(shapes)]
    long = [Follower(client, {"table": "t", "where": f"id > {n}"}) for n in range(shapes)]
    await asyncio.gather(*(follower.catch_up() for follower in [*short, *long]))
    for n, (few, many) in enumerate(zip(short, long, strict=True)):
        assert (len(few.rows), len(many.rows)) == (n, ROWS - n)
