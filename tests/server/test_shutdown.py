"""A stop lets requests under way come to their end."""

import asyncio
import signal

import asyncpg
import httpx

from tests.db.waiting import until
from tests.support.server import API, serving

WAITING = (
    "select count(*) from pg_stat_activity where usename = 'roost_owner'"
    " and datname = current_database() and wait_event_type = 'Lock'"
)


async def test_a_request_under_way_is_answered_and_new_ones_are_not_taken(
    owner_url: str, fresh_roost_database: str
) -> None:
    admin = await asyncpg.connect(fresh_roost_database)
    with serving("--database-url", owner_url) as server:
        headers = {"authorization": f"Bearer {server.token()}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
            made = await client.post(f"{API}/tasks", json={"title": "slow"})
            item = f"{API}/tasks/{made.json()['data']['id']}"
            transaction = admin.transaction()
            await transaction.start()
            await admin.execute("select from tasks for update")
            slow = asyncio.create_task(client.patch(item, json={"title": "done"}))
            await until(lambda: admin.fetchval(WAITING))
            server.process.send_signal(signal.SIGTERM)

            async def closed() -> bool:
                try:
                    await httpx.AsyncClient().get(f"{server.url}/healthz")
                except httpx.HTTPError:
                    return True
                return False

            await until(closed)
            assert not slow.done()
            await transaction.rollback()
            answer = await slow
            assert answer.status_code == 200, answer.text
            assert answer.json()["data"]["title"] == "done"
        assert await asyncio.to_thread(server.process.wait, 30) == 0
    assert await admin.fetchval("select title from tasks") == "done"
    await admin.close()


async def test_a_request_that_outlasts_the_stop_is_told_so(
    owner_url: str, fresh_roost_database: str
) -> None:
    admin = await asyncpg.connect(fresh_roost_database)
    with serving("--database-url", owner_url, extra={"ROOST_SHUTDOWN_SECONDS": "1"}) as server:
        headers = {"authorization": f"Bearer {server.token()}"}
        async with httpx.AsyncClient(base_url=server.url, headers=headers, timeout=60) as client:
            made = await client.post(f"{API}/tasks", json={"title": "slow"})
            item = f"{API}/tasks/{made.json()['data']['id']}"
            transaction = admin.transaction()
            await transaction.start()
            await admin.execute("select from tasks for update")
            slow = asyncio.create_task(client.patch(item, json={"title": "done"}))
            await until(lambda: admin.fetchval(WAITING))
            server.process.send_signal(signal.SIGTERM)
            answer = await slow
            assert (answer.status_code, answer.json()["code"]) == (503, "SERVER_STOPPING")
            assert "retry-after" in answer.headers
            await transaction.rollback()
    await admin.close()
