"""What is shown out of the cache is never older than the caller may be shown."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
import pytest

from roost.app import Application
from tests.cache.conftest import TASKS, Person, Workers
from tests.support.redis_server import RedisServer

_SEED = random.randrange(1 << 32)


async def until(condition: Callable[[], Any], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- what it asks about tells nobody
            await asyncio.sleep(0.005)


async def settled(*applications: Application) -> None:
    """Wait until the workers have heard of all that was committed."""
    for application in applications:
        await application.cache._listener.ticker.covering()
        await application.cache._listener.reached(application.cache._listener.ticker.latest)


async def kept(person: Person, worker: int, path: str = TASKS) -> Any:
    """Ask until the answer comes out of the cache; gives it."""
    cache = person.workers.applications[worker].cache
    async with asyncio.timeout(30):
        while True:
            hits = cache.counts["hit"]
            answer = await person.ask(worker, "GET", path, "0")
            if cache.counts["hit"] > hits:
                return answer


@pytest.mark.parametrize("common", [False, True], ids=["each for itself", "by Redis"])
@pytest.mark.parametrize("first", ["0", None])
async def test_whoever_writes_sees_it_on_every_worker(
    workers: Workers, redis: RedisServer, first: str | None, *, common: bool
) -> None:
    for _ in range(2):
        await workers.start(ROOST_REDIS_URL=redis.url if common else "")
    people = [await workers.person(f"p{number}@example.test") for number in range(4)]
    chance = random.Random(_SEED)

    async def live(person: Person) -> None:
        written: list[str] = []
        after = first
        for number in range(25):
            worker, other = chance.randrange(2), chance.randrange(2)
            if chance.random() < 0.5:
                answer = await person.make(worker, f"title {number}", after)
                written.append(f"title {number}")
                after = moved(answer, after)
            answer = await person.ask(other, "GET", TASKS, after, params={"limit": 100})
            seen = [task["title"] for task in answer.json()["data"]]
            assert sorted(seen) == sorted(written), f"seed {_SEED}"
            after = moved(answer, after)

    await asyncio.gather(*map(live, people))
    for worker in range(2):
        await kept(people[0], worker)


def moved(answer: httpx.Response, after: str | None) -> str | None:
    """The tick that a client goes on with which goes by ticks: never an earlier one."""
    if after is None:
        return None
    assert int(answer.headers["roost-tick"]) >= int(after)
    return answer.headers["roost-tick"]


async def test_without_the_header_a_lone_worker_is_behind_others_for_a_moment_at_most(
    workers: Workers,
) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    lags = []
    for number in range(5):
        await kept(person, 0)
        await workers.beside.execute("update tasks set title = $1", f"new {number}")
        began = time.monotonic()
        while await person.titles(0) != [f"new {number}"]:
            assert time.monotonic() - began < 30
            await asyncio.sleep(0.002)
        lags.append(time.monotonic() - began)
    assert sorted(lags)[2] < 2.0, lags


async def test_a_tick_that_was_seen_on_one_worker_is_seen_on_the_other(workers: Workers) -> None:
    await workers.start(alone=True)
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    for number in range(10):
        await kept(person, 1)
        await workers.beside.execute("update tasks set title = $1", f"new {number}")
        # Whether or not it has heard of it yet.
        if number % 2:
            await settled(workers.applications[0])
        else:
            workers.applications[0].cache.committed(person.workspace)
        answer = await person.ask(0, "GET", TASKS, "0")
        assert [task["title"] for task in answer.json()["data"]] == [f"new {number}"]
        assert await person.titles(1, answer.headers["roost-tick"]) == [f"new {number}"]


async def test_nothing_old_is_shown_while_the_database_is_not_listened_to(
    workers: Workers,
) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    await kept(person, 0)
    ticker = application.cache._listener.ticker
    losses = ticker.losses
    cut = (
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where usename = 'roost_app' and datname = current_database()"
    )
    async with asyncio.timeout(30):
        while ticker.losses == losses:
            await workers.beside.execute(cut)
            await asyncio.sleep(0.01)
    await workers.beside.execute("update tasks set title = 'new'")
    assert await person.titles(0) == ["new"]


async def test_nothing_is_kept_when_looks_at_the_database_have_stopped(workers: Workers) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    await kept(person, 0)
    ticker = application.cache._listener.ticker
    task = ticker._task
    assert task is not None
    task.cancel()
    await until(lambda: ticker.age > 1.0)
    await workers.beside.execute("update tasks set title = 'new'")
    assert await person.titles(0) == ["new"]
    assert application.cache.counts["off"] >= 1


async def test_many_who_ask_for_the_same_wait_for_one_statement(workers: Workers) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    await settled(application)
    cache = application.cache
    await person.ask(0, "GET", "/api/v1/users/me")
    async with workers.beside.transaction():
        await workers.beside.execute("lock table tasks in access exclusive mode")
        first = asyncio.create_task(person.titles(0))
        await until(lambda: statements(cache) == 1)
        others = [asyncio.create_task(person.titles(0)) for _ in range(20)]
        await until(lambda: statements(cache) + cache.counts["joined"] == 21)
        # Whoever asked first does not take it from the others.
        first.cancel()
    assert await asyncio.gather(*others) == [["a task"]] * 20
    # A second one where they had to be shown what is newer than the first may have seen.
    assert statements(cache) <= 2


def statements(cache: Any) -> int:
    """How many reads were made."""
    return int(cache.counts["miss"] + cache.counts["newer"])


async def test_what_was_touched_while_it_was_read_is_not_kept(workers: Workers) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    await settled(application)
    cache = application.cache
    async with workers.beside.transaction():
        await workers.beside.execute("lock table environments in access exclusive mode")
        slow = asyncio.create_task(person.ask(0, "GET", "/api/v1/environments"))
        await until(lambda: statements(cache) == 1)
        cache.committed(person.workspace)
        other = asyncio.create_task(person.ask(0, "GET", "/api/v1/environments"))
        await until(lambda: statements(cache) == 2)
    assert (await slow).status_code == (await other).status_code == 200
    assert len(cache.entries) == 1


async def test_another_workspace_s_writes_leave_mine_kept(workers: Workers) -> None:
    application = await workers.start(alone=True)
    mine, theirs = [await workers.person(f"p{number}@example.test") for number in range(2)]
    await mine.make(0, "mine")
    await settled(application)
    await kept(mine, 0)
    await theirs.make(0, "theirs")
    await settled(application)
    hits = application.cache.counts["hit"]
    # By ticks, for what else is written in the same server of PostgreSQL would call for a look.
    assert await mine.titles(0, "0") == ["mine"]
    assert application.cache.counts["hit"] == hits + 1
    assert await theirs.titles(0) == ["theirs"]


async def test_a_revoked_token_is_shown_nothing(workers: Workers) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "secret")
    await kept(person, 0)
    token = (await person.ask(0, "GET", "/api/v1/tokens")).json()["data"][0]["id"]
    gone = await person.ask(0, "DELETE", f"/api/v1/tokens/{token}")
    assert gone.status_code == 204, gone.text
    assert (await person.ask(0, "GET", TASKS)).status_code == 401


async def test_what_the_client_has_already_costs_no_statement(workers: Workers) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    task = (await person.make(0, "a task")).json()["data"]["id"]
    for path in (TASKS, f"{TASKS}/{task}", f"{TASKS}/{task}/messages", "/api/v1/environments"):
        answer = await kept(person, 0, path)
        hits = application.cache.counts["hit"]
        headers = {"if-none-match": answer.headers["etag"]}
        again = await person.ask(0, "GET", path, "0", headers=headers)
        assert (again.status_code, again.content) == (304, b"")
        assert application.cache.counts["hit"] == hits + 1
    # What If-Match goes by is the same as ever.
    answer = await kept(person, 0, f"{TASKS}/{task}")
    headers = {"if-match": answer.headers["etag"]}
    body = {"title": "another"}
    changed = await person.ask(0, "PATCH", f"{TASKS}/{task}", headers=headers, json=body)
    assert changed.status_code == 200, changed.text
    assert await person.titles(0) == ["another"]


async def test_the_past_is_not_kept(workers: Workers) -> None:
    application = await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    await settled(application)
    tick = application.cache._listener.applied
    for _ in range(3):
        answer = await person.ask(0, "GET", TASKS, params={"asOf": str(tick)})
        assert [task["title"] for task in answer.json()["data"]] == ["a task"]
    assert len(application.cache.entries) == 0


@pytest.mark.parametrize("after", ["", "x", "-1", "1.5", "9" * 19, "9" * 18])
async def test_a_tick_that_was_never_given_out_is_refused(workers: Workers, after: str) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    answer = await person.ask(0, "GET", TASKS, after)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")
    assert answer.json()["errors"][0]["field"] == "Roost-After-Tick"


async def test_a_change_with_a_bad_tick_is_not_made(workers: Workers) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    answer = await person.ask(0, "POST", TASKS, "soon", json={"title": "a task"})
    assert answer.status_code == 400
    assert await person.titles(0) == []


async def test_what_is_not_there_or_is_not_kept_has_a_tick_that_sees_it(workers: Workers) -> None:
    await workers.start(alone=True)
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    for number in range(5):
        made = await person.make(0, f"task {number}", "0")
        path = f"{TASKS}/{made.json()['data']['id']}"
        await kept(person, 1, path)
        await workers.beside.execute("update tasks set version = 2, title = 'new'")
        history = await person.ask(0, "GET", f"{path}/history", "0")
        assert history.status_code == 200, history.text
        shown = await person.ask(1, "GET", path, history.headers["roost-tick"])
        assert shown.json()["data"]["title"] == "new"
        await workers.beside.execute("delete from tasks")
        gone = await person.ask(0, "GET", path, "0")
        assert gone.status_code == 404
        later = await person.ask(1, "GET", path, gone.headers["roost-tick"])
        assert later.status_code == 404


async def test_a_change_by_a_tick_of_the_future_is_not_made(workers: Workers) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    answer = await person.ask(0, "POST", TASKS, "9" * 18, json={"title": "a task"})
    assert answer.status_code == 400
    assert (await person.ask(0, "GET", "/api/v1/users/me", "9" * 18)).status_code == 400
    assert await person.titles(0) == []


async def test_a_look_that_fails_is_a_read_of_the_database(workers: Workers) -> None:
    application = await workers.start()
    person = await workers.person("p@example.test")
    await person.make(0, "a task")

    @asynccontextmanager
    async def cut() -> AsyncIterator[Any]:
        raise asyncpg.InternalClientError
        yield

    application.cache._freshness._acquire = cut
    for _ in range(3):
        assert await person.titles(0) == ["a task"]


async def test_after_the_database_was_put_back_nothing_old_is_shown(workers: Workers) -> None:
    application = await workers.start()
    listener = application.cache._listener
    person = await workers.person("p@example.test")
    for number in range(6):
        await person.make(0, f"task {number}", "0")
    await kept(person, 0)
    last = listener.applied
    await workers.beside.execute("delete from journal.tick where id > 2")
    await workers.beside.execute("alter table journal.tick alter column id restart with 3")
    async with asyncio.timeout(30):
        while listener.applied >= last:
            await workers.beside.execute("update tasks set title = 'new'")
            await asyncio.sleep(0.01)
    await settled(application)
    assert set(await person.titles(0)) == {"new"}
    await workers.beside.execute("update tasks set title = 'newer'")
    assert set(await person.titles(0)) == {"newer"}


async def test_with_no_memory_for_it_nothing_is_kept(workers: Workers) -> None:
    application = await workers.start(alone=True, ROOST_CACHE_MB="0")
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    for _ in range(3):
        assert await person.titles(0, "0") == ["a task"]
    assert (application.cache.counts["hit"], len(application.cache.entries)) == (0, 0)


async def test_what_is_shown_to_me_alone_is_not_shown_to_others(workers: Workers) -> None:
    await workers.start(alone=True)
    person = await workers.person("p@example.test")
    await person.make(0, "mine")
    other = await workers.member(person, "q@example.test")
    await kept(person, 0, f"{TASKS}?createdBy=me")
    answer = await other.ask(0, "GET", f"{TASKS}?createdBy=me")
    assert answer.json()["data"] == []
    assert await other.titles(0) == ["mine"]
