"""Asks Redis within a time limit, and lets it rest after a failure. Needs the extra `redis`."""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from roost.redis.connecting import Clock, RedisAwayError
from roost.settings import SettingsError

FAILURES = (RedisError, OSError, EOFError, ValueError)
"""What asking may end in; a time limit that has passed is an OSError."""
REST_SECONDS = 1.0
"""How long nobody asks after a failure: else every request would wait for the time limit."""
_WARN_SECONDS = 60.0
_CONNECTIONS = 16

_log = logging.getLogger("roost.redis")
T = TypeVar("T")
Question = Callable[[Redis], Awaitable[T]]


class SharedRedis:
    """One server, which may be away: then nobody is held up by it.

    `time_limit` in seconds holds for everything that one question needs of it.
    """

    def __init__(self, url: str, clock: Clock, time_limit: float) -> None:
        """SettingsError when the URL can't be read."""
        try:
            pool = BlockingConnectionPool.from_url(
                url,
                max_connections=_CONNECTIONS,
                timeout=time_limit,
                socket_timeout=time_limit,
                socket_connect_timeout=time_limit,
                retry=Retry(NoBackoff(), 1),
            )
        except ValueError as error:
            message = f"ROOST_REDIS_URL can't be read: {error}"
            raise SettingsError(message) from error
        self._redis: Redis = Redis.from_pool(pool)
        self._clock = clock
        self._time_limit = time_limit
        self._away = False
        self._ask_again = -math.inf
        self._warn_again = -math.inf

    async def ask(self, question: Question[T]) -> T | None:
        """Give what it answers; None while it is away or slow."""
        if self._away:
            if self._clock() < self._ask_again:
                return None
            self._ask_again = self._clock() + REST_SECONDS  # one asks for all
        try:
            answer = await self._answer(question)
        except FAILURES as error:
            self._failed(error)
            return None
        if self._away:
            self._away = False
            _log.info("Redis answers again: workers share what they count and keep")
        return answer

    async def check(self, question: Question[T]) -> T:
        """Give what it answers, rested or not; RedisAwayError when it does not."""
        try:
            return await self._answer(question)
        except FAILURES as error:
            message = f"no answer ({str(error) or type(error).__name__})"
            raise RedisAwayError(message) from error

    async def _answer(self, question: Question[T]) -> T:
        async with asyncio.timeout(self._time_limit):
            return await question(self._redis)

    def _failed(self, error: Exception) -> None:
        now = self._clock()
        self._away = True
        self._ask_again = now + REST_SECONDS
        if now >= self._warn_again:
            self._warn_again = now + _WARN_SECONDS
            _log.warning(
                "Redis does not answer (%s): each worker counts and keeps for itself",
                type(error).__name__,
            )

    async def close(self) -> None:
        """Let its connections go."""
        await self._redis.aclose()
