"""What workers keep for each other in Redis: a real one, which may be away."""

import asyncio
import random
from typing import Any

import pytest

from roost.app import Application
from tests.cache.conftest import TASKS, Person, Workers
from tests.cache.test_coherence import kept, settled, until
from tests.support.redis_server import RedisServer

_SEED = random.randrange(1 << 32)


@pytest.fixture
async def pair(workers: Workers, redis: RedisServer) -> tuple[Application, ...]:
    """Two workers that know which database they are on."""
    for _ in range(2):
        application = await workers.start(ROOST_REDIS_URL=redis.url)
        shared = application.cache._shared
        assert shared is not None
        # For a machine on which Redis, too, has to wait for its turn.
        shared._redis._time_limit = 20.0
    return tuple(workers.applications)


def values(redis: RedisServer) -> list[str]:
    with redis.client() as client:
        found: Any = client.keys("roost:cache:*")
    return list(found)


async def given(person: Person, redis: RedisServer, path: str = TASKS) -> Any:
    """Have worker 0 read and share; gives its answer."""
    await settled(*person.workers.applications)
    before = set(values(redis))
    answer = await kept(person, 0, path)
    await until(lambda: set(values(redis)) > before or values(redis))
    return answer


async def test_what_one_worker_has_read_another_shows(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    first = await given(person, redis)
    misses = pair[1].cache.counts["miss"]
    second = await person.ask(1, "GET", TASKS, "0")
    assert (pair[1].cache.counts["shared"], pair[1].cache.counts["miss"]) == (1, misses)
    assert (second.content, second.headers["etag"]) == (first.content, first.headers["etag"])
    assert second.headers["content-type"] == first.headers["content-type"]
    assert await kept(person, 1), "and keeps it for itself"
    [name] = values(redis)
    with redis.client() as client:
        lives: Any = client.ttl(name)
    assert 0 < lives <= 600
    assert str(person.workspace) not in name


async def test_what_was_touched_since_is_not_shown(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    await given(person, redis)
    await workers.beside.execute("update tasks set title = 'new'")
    await settled(*pair)
    assert await person.titles(1, "0") == ["new"]
    assert pair[1].cache.counts["shared"] == 0


async def test_a_worker_is_shown_its_own_commit_before_anybody_has_heard_of_it(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    await given(person, redis)
    listener = pair[1].cache._listener
    hears = listener._hear
    held = asyncio.Event()

    async def hear_later(newest: int) -> None:
        await held.wait()
        await hears(newest)

    listener._hear = hear_later  # type: ignore[method-assign]  # the listener is held up
    await person.make(1, "mine")
    assert sorted(await person.titles(1, "0")) == ["mine", "old"]
    held.set()
    assert pair[1].cache.counts["shared"] == 0


async def test_another_s_values_are_not_mine(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    one, other = [await workers.person(f"p{number}@example.test") for number in range(2)]
    await one.make(0, "one's")
    await given(one, redis)
    assert await other.titles(1, "0") == []
    assert pair[1].cache.counts["shared"] == 0


async def test_a_value_that_cannot_be_read_is_none(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    await given(person, redis)
    with redis.client() as client:
        for spoilt in ("", "x", "\x00" * 8 + "something else"):
            client.set(values(redis)[0], spoilt)
            pair[1].cache._drop(None, None)
            assert await person.titles(1, "0") == ["a task"]
    assert pair[1].cache.counts["shared"] == 0


async def test_after_another_start_of_the_database_nothing_of_before_is_shown(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    await given(person, redis)
    shared = pair[1].cache._shared
    assert shared is not None
    shared._epoch = "another"
    assert await person.titles(1, "0") == ["a task"]
    shared._losses = -1
    assert await person.titles(1, "0") == ["a task"]
    assert pair[1].cache.counts["shared"] == 0


async def test_reads_go_on_while_redis_is_away(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "old")
    redis.kill()
    try:
        for worker in (0, 1, 0, 1):
            assert await person.titles(worker, "0") == ["old"]
    finally:
        redis.start()
    for application in pair:
        shared = application.cache._shared
        assert shared is not None
        shared._redis._ask_again = 0.0
    await workers.beside.execute("update tasks set title = 'new'")
    await given(person, redis)
    assert await person.titles(1, "0") == ["new"]


async def test_a_redis_that_hangs_holds_reads_up_for_a_moment_only(
    workers: Workers, redis: RedisServer, pair: tuple[Application, ...]
) -> None:
    person = await workers.person("p@example.test")
    await person.make(0, "a task")
    for application in pair:
        shared = application.cache._shared
        assert shared is not None
        shared._redis._time_limit = 0.05
    with redis.stopped():
        began = asyncio.get_running_loop().time()
        for number in range(20):
            path = f"{TASKS}?limit={number + 1}"
            assert (await person.ask(number % 2, "GET", path, "0")).status_code == 200
        assert asyncio.get_running_loop().time() - began < 10


async def test_stamps_are_never_good_for_what_was_touched_later(
    workers: Workers, pair: tuple[Application, ...]
) -> None:
    """Values are worth their stamp: compared with what the database has, by many at once."""
    people = [await workers.person(f"p{number}@example.test") for number in range(3)]
    chance = random.Random(_SEED)

    async def live(person: Person) -> None:
        made = (await person.make(0, "0", "0")).json()["data"]["id"]
        after = "0"
        for number in range(1, 30):
            if chance.random() < 0.5:
                answer = await person.ask(
                    chance.randrange(2), "PATCH", f"{TASKS}/{made}", after,
                    json={"title": str(number)},
                )  # fmt: skip
                after = answer.headers["roost-tick"]
                assert answer.status_code == 200
                title = str(number)
            else:
                pair[chance.randrange(2)].cache._drop(person.workspace, None)
                continue
            for worker in (1, 0):
                path = chance.choice([f"{TASKS}/{made}", f"{TASKS}?limit=1"])
                answer = await person.ask(worker, "GET", path, after)
                data = answer.json()["data"]
                shown = data[0] if isinstance(data, list) else data
                assert shown["title"] == title, f"seed {_SEED}"
                after = answer.headers["roost-tick"]

    await asyncio.gather(*map(live, people))
    assert sum(each.cache.counts["shared"] for each in pair) > 0
