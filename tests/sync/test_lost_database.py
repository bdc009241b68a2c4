"""A database that is lost while somebody waits for an answer out of it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig
from roost.journal.install import install_sql
from roost.sync import install as shapes
from roost.sync.hub import Hub
from roost.sync.request import read_request
from roost.sync.standalone import Standalone, StandaloneConfig
from tests.sync.follower import Follower

WAITING = "select pid from pg_stat_activity where wait_event_type = 'Lock'"
WAITING += " and datname = current_database()"


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(install_sql() + ";" + shapes.install_sql())
    await connection.execute("create table t (id int primary key); insert into t values (1)")
    yield connection
    await connection.close()


@pytest.fixture
async def worker(scratch_database: str, connection: Any) -> AsyncIterator[Standalone]:
    del connection  # it makes the table
    worker = Standalone(StandaloneConfig(DatabaseConfig(scratch_database)))
    await worker.open()
    yield worker
    await worker.close()


@pytest.fixture
async def client(worker: Standalone) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(worker)
    async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
        yield client


async def test_who_asked_is_told_to_come_again(connection: Any, client: httpx.AsyncClient) -> None:
    await Follower(client, {"table": "t"}).catch_up()
    await connection.execute("begin; lock table t in access exclusive mode")
    asked = {"table": "t", "offset": "-1", "where": "id > 0"}
    asking = asyncio.create_task(client.get("/v1/shape", params=asked))
    async with asyncio.timeout(30):
        while (pid := await connection.fetchval(WAITING)) is None:  # noqa: ASYNC110 -- another process waits
            await asyncio.sleep(0.01)
    await connection.execute("select pg_terminate_backend($1)", pid)
    answer = await asking
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    await connection.execute("commit")
    assert (await client.get("/v1/shape", params=asked)).status_code == 200


async def test_a_stream_of_events_ends(
    worker: Standalone, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(client, {"table": "t"})
    await follower.catch_up()
    query = f"table=t&offset={follower.offset}&handle={follower.handle}&live=true&live_sse=true"
    answer = await worker.sync.answer(read_request(query.encode(), None))
    assert answer.events is not None

    async def lose(*_: object) -> None:
        raise asyncpg.ConnectionDoesNotExistError

    monkeypatch.setattr(Hub, "advance", lose)
    assert [event async for event in answer.events] == []
