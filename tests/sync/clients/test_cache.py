"""With a cache between, many readers cost the server what one does."""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from roost.db.embedded import Endpoint
from tests.support.postgres import empty_database
from tests.sync.clients.cache import caching
from tests.sync.clients.engine import Engine


async def caught_up(client: httpx.AsyncClient, table: str) -> dict[str, Any]:
    """Read a shape to its end; gives the parameters of the live request after that."""
    given = {"table": table, "offset": "-1"}
    first = await client.get("/v1/shape", params=given)
    given |= {
        "offset": first.headers["electric-offset"],
        "handle": first.headers["electric-handle"],
    }
    answer = await client.get("/v1/shape", params=given)
    assert "electric-up-to-date" in answer.headers
    return given | {"offset": answer.headers["electric-offset"], "live": "true", "cursor": "1"}


@pytest.fixture(scope="module")
def brief(postgres: Endpoint) -> Iterator[Engine]:
    """A server whose answers are fresh for a second only."""
    options = ("--max-age", "1", "--stale-age", "3")
    with empty_database(postgres) as url, Engine.over(url, *options) as engine:
        yield engine


async def in_progress(client: httpx.AsyncClient, readers: int) -> None:
    """Wait until so many requests are waiting in the cache."""
    async with asyncio.timeout(60):
        while True:
            status = (await client.get("/readers")).text
            [writing] = re.findall(r"Writing: (\d+)", status)
            if int(writing) > readers:
                return
            await asyncio.sleep(0.05)


async def read_together(engine: Engine, readers: int) -> None:
    table = await asyncio.to_thread(engine.table, "id int primary key, title text")
    limits = httpx.Limits(max_connections=None)
    with caching(engine.url) as cache:
        async with cache.client(limits=limits) as client:
            live = await caught_up(client, table)
            asking = [
                asyncio.create_task(client.get("/v1/shape", params=live)) for _ in range(readers)
            ]
            await in_progress(client, readers)
            await asyncio.to_thread(engine.run, f"insert into {table} values (7, 'seven')")
            answers = await asyncio.gather(*asking)
        assert {answer.status_code for answer in answers} == {200}
        assert all('"seven"' in answer.text for answer in answers)
        assert len({answer.headers["electric-offset"] for answer in answers}) == 1
        assert len(cache.let_through("live=true")) == 1


async def test_one_live_request_reaches_the_server_for_a_hundred_readers(brief: Engine) -> None:
    await read_together(brief, 100)


@pytest.mark.long
async def test_one_live_request_reaches_the_server_for_a_thousand_readers(brief: Engine) -> None:
    await read_together(brief, 1000)


async def until(client: httpx.AsyncClient, given: dict[str, Any], status: str) -> httpx.Response:
    """Ask again until the cache says this of its answer."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.get("/v1/shape", params=given)
            if answer.headers["x-proxy-cache"] == status:
                return answer
            await asyncio.sleep(0.05)


async def test_an_answer_that_has_grown_old_is_revalidated(brief: Engine) -> None:
    table = await asyncio.to_thread(brief.table, "id int primary key, title text")
    with caching(brief.url) as cache:
        async with cache.client() as client:
            live = await caught_up(client, table)
            part = {"table": table, "offset": "0_0", "handle": live["handle"]}
            known = await until(client, part, "HIT")
            again = await until(client, part, "REVALIDATED")
        assert again.content == known.content
        assert "304" in cache.let_through("offset=0_0")


async def test_any_origin_may_read_what_was_kept_for_another(brief: Engine) -> None:
    table = await asyncio.to_thread(brief.table, "id int primary key, title text")
    given = {"table": table, "offset": "-1"}
    with caching(brief.url) as cache:
        async with cache.client() as client:
            await client.get("/v1/shape", params=given, headers={"origin": "http://a.test"})
            kept = await client.get("/v1/shape", params=given, headers={"origin": "http://b.test"})
    assert kept.headers["x-proxy-cache"] == "HIT"
    assert kept.headers["access-control-allow-origin"] == "*"


async def test_what_is_kept_is_given_out_while_the_server_is_away(brief: Engine) -> None:
    table = await asyncio.to_thread(brief.table, "id int primary key, title text")
    with caching(brief.url) as cache:
        async with cache.client() as client:
            live = await caught_up(client, table)
            part = {"table": table, "offset": "0_0", "handle": live["handle"]}
            brief.kill()
            try:
                stale = await until(client, part, "STALE")
            finally:
                await asyncio.to_thread(brief.start)
    assert stale.status_code == 200
    assert "up-to-date" in stale.text
