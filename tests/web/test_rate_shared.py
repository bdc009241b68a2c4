"""Limits that workers share in Redis: a real server, ended and started while they count."""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost import errors
from roost.errors import ProblemError
from roost.redis import RedisAwayError, connect
from roost.redis.client import REST_SECONDS
from roost.web.rate import Limiter, Limits, buckets
from roost.web.rate.buckets import Policy
from roost.web.rate.shared import TAKE
from tests.support.redis_server import RedisServer, redis_server
from tests.web.test_rate import Time

PATIENT = 20.0
"""A time limit, in seconds, for where Redis is there but the machine is busy."""
HOUR = 3600


class Worker(Protocol):
    """Makes another worker's limits."""

    def __call__(self, *, time_limit: float = PATIENT) -> Limits: ...


@pytest.fixture(scope="module")
def standing() -> Iterator[RedisServer]:
    """A server that stays up."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(standing: RedisServer) -> RedisServer:
    """That server, with nothing in it."""
    with standing.client() as client:
        client.flushall()
    return standing


@pytest.fixture
def clock() -> Time:
    """The workers' own clock; Redis has another."""
    return Time()


@pytest.fixture
async def worker(redis: RedisServer, clock: Time) -> AsyncIterator[Worker]:
    """A maker of workers, which are closed in the end."""
    async with AsyncExitStack() as stack:

        def make(*, time_limit: float = PATIENT) -> Limits:
            shared = connect(redis.url, clock=clock, time_limit=time_limit)
            assert shared is not None
            stack.push_async_callback(shared.close)
            return Limits(shared, clock=clock)

        yield make


async def allowed(limiter: Limiter, client: str = "somebody") -> bool:
    try:
        await limiter.take(client)
    except ProblemError as problem:
        return problem.entry is not errors.RATE_LIMITED
    return True


async def count(limiter: Limiter, tries: int) -> int:
    return sum([await allowed(limiter) for _ in range(tries)])


def limit(limits: Limits, quota: int = 5) -> Limiter:
    return limits.limit("test", quota=quota, window=HOUR)


async def test_workers_share_one_quota_for_each_client(worker: Worker) -> None:
    one, other = limit(worker()), limit(worker())
    assert (await one.take("somebody")).left == 4
    assert (await other.take("somebody")).left == 3
    assert await count(one, 5) == 3
    with pytest.raises(ProblemError) as refused:
        await other.take("somebody")
    wait = int(refused.value.headers["retry-after"])
    assert 600 <= wait <= 720
    assert refused.value.headers["ratelimit"] == f'"test";r=0;t={wait}'
    assert refused.value.headers["ratelimit-policy"] == '"test";q=5;w=3600'
    assert await allowed(other, "somebody else")


async def test_of_many_at_once_exactly_the_quota_is_let_in(worker: Worker) -> None:
    limiters = [limit(worker(), quota=50) for _ in range(4)]
    takes = [allowed(limiters[number % 4]) for number in range(200)]
    assert sum(await asyncio.gather(*takes)) == 50


async def test_what_was_used_comes_back(worker: Worker) -> None:
    limiter = worker().limit("test", quota=20, window=1)
    assert await count(limiter, 20) == 20
    async with asyncio.timeout(PATIENT):
        while True:
            if await allowed(limiter):
                break
            await asyncio.sleep(0.01)


async def test_redis_is_told_no_address_and_forgets(redis: RedisServer, worker: Worker) -> None:
    await limit(worker()).take("192.0.2.7")
    with redis.client() as client:
        keys: Any = client.keys()
        assert len(keys) == 1
        assert re.fullmatch("roost:rate:test:[0-9a-f]{64}", keys[0])
        lives: Any = client.pttl(keys[0])
    assert 0 < lives <= HOUR * 1000 / 5 + 1


async def test_each_worker_counts_on_while_redis_is_away(
    redis: RedisServer, worker: Worker, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    limits = worker()
    one, other, stranger = limit(limits), limit(worker()), limit(worker())
    assert await count(one, 1) + await count(other, 2) == 3
    redis.kill()
    try:
        # What each was told last: 4 left of 5, and 2; the third was told nothing.
        assert await count(one, 20) == 4
        assert await count(other, 20) == 2
        assert await count(stranger, 20) == 5
        warnings = [r for r in caplog.records if r.levelno == logging.WARNING]
        assert len(warnings) == 3
        clock.now += 30
        assert await count(one, 2) == 0
        with pytest.raises(RedisAwayError):
            await limits.check()
        assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 3
        clock.now += 31
        assert not await allowed(one)
        assert len([r for r in caplog.records if r.levelno == logging.WARNING]) == 4
    finally:
        redis.start()
    clock.now += REST_SECONDS
    assert await count(one, 3) == 3
    assert await count(other, 20) == 2
    assert not await allowed(one)


async def test_a_redis_that_hangs_holds_up_one_request_only(
    redis: RedisServer, worker: Worker, clock: Time
) -> None:
    hurried, patient = limit(worker(time_limit=0.2)), limit(worker())
    assert await allowed(patient)
    with redis.stopped():
        began = asyncio.get_running_loop().time()
        assert await count(hurried, 50) == 5
        assert asyncio.get_running_loop().time() - began < 5
    clock.now += REST_SECONDS
    # What was cut off has left nothing behind that another request could take for its answer.
    left = [(await patient.take("a")).left, (await patient.take("a")).left]
    assert left == [4, 3]
    assert (await hurried.take("a")).left == 2


async def test_a_redis_without_the_script_is_given_it(redis: RedisServer, worker: Worker) -> None:
    limiter = limit(worker())
    assert await allowed(limiter)
    with redis.client() as client:
        client.script_flush()
    assert (await limiter.take("somebody")).left == 3


async def test_a_key_of_another_kind_is_no_open_door(redis: RedisServer, worker: Worker) -> None:
    limiter = limit(worker())
    await limiter.take("somebody")
    with redis.client() as client:
        keys: Any = client.keys()
        client.set(keys[0], "something else")
    assert await count(limiter, 20) == 4


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    quota=st.integers(1, 20),
    window=st.integers(60, HOUR),
    gaps=st.lists(st.one_of(st.just(0.0), st.floats(-10, 600)), min_size=1, max_size=30),
)
def test_the_script_counts_as_python_does(
    redis: RedisServer, quota: int, window: int, gaps: list[float]
) -> None:
    policy = Policy("test", quota, window)
    timed = TAKE.replace("redis.call('TIME')", "{ARGV[3], 0}")
    assert timed != TAKE
    now, left = 1_700_000_000.0, float(quota)
    with redis.client() as client:
        client.flushall()
        for gap in gaps:
            now += gap
            taken = buckets.take(policy, left, gap)
            answer: Any = client.eval(timed, 1, "key", quota, repr(policy.rate), repr(now))
            assert bool(answer[0]) == taken.allowed
            assert float(answer[1]) == pytest.approx(taken.left, abs=1e-6)
            left = float(answer[1])
