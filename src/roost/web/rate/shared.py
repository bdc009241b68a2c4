"""Token buckets that all workers share, in Redis or Valkey. Needs the extra `redis`."""

import asyncio
import hashlib
import logging
import math
from typing import Any

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from roost.settings import SettingsError
from roost.web.rate.buckets import Clock, Policy, RedisAwayError, Taken

FAILURES = (RedisError, OSError, EOFError, ValueError)
"""What asking may end in; a time limit that has passed is an OSError."""
PREFIX = "roost:rate:"
REST_SECONDS = 1.0
"""How long nobody asks after a failure: else every request would wait for the time limit."""
_WARN_SECONDS = 60.0
_CONNECTIONS = 16
# Whoever is refused is written too: a server's clock that was set back is forgiven at once.
TAKE = """
local quota, rate = tonumber(ARGV[1]), tonumber(ARGV[2])
local time = redis.call('TIME')
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
local kept = redis.call('HMGET', KEYS[1], 'left', 'since')
local left, since = tonumber(kept[1] or quota), tonumber(kept[2] or now)
left = math.min(quota, left + math.max(0, now - since) * rate)
local allowed = 0
if left >= 1 then
  allowed = 1
  left = left - 1
end
left = string.format('%.17g', left)
redis.call('HSET', KEYS[1], 'left', left, 'since', string.format('%.17g', now))
redis.call('PEXPIRE', KEYS[1], math.ceil((quota - left) / rate * 1000))
return {allowed, left}
"""
"""`buckets.take` in one step for all. A full bucket is as good as none, so it may expire."""

_log = logging.getLogger("roost.web")


class SharedBuckets:
    """The buckets of every policy, in one Redis; `take` gives None while it does not answer.

    `time_limit` in seconds holds for everything that one request needs of it.
    """

    def __init__(self, url: str, clock: Clock, time_limit: float = 0.2) -> None:
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
        self._script = self._redis.register_script(TAKE)
        self._clock = clock
        self._time_limit = time_limit
        self._away = False
        self._ask_again = -math.inf
        self._warn_again = -math.inf

    async def take(self, policy: Policy, client: str) -> Taken | None:
        """Take a request of the client's; None when Redis is away or slow."""
        if self._away:
            if self._clock() < self._ask_again:
                return None
            self._ask_again = self._clock() + REST_SECONDS  # one asks for all
        try:
            taken = await self.ask(policy, client)
        except FAILURES as error:
            self._failed(error)
            return None
        if self._away:
            self._away = False
            _log.info("Redis answers again: workers share the rate limits")
        return taken

    async def ask(self, policy: Policy, client: str) -> Taken:
        """Take a request of the client's; one of FAILURES when Redis is away or slow."""
        # Nobody who reads Redis is told addresses.
        key = f"{PREFIX}{policy.name}:{hashlib.sha256(client.encode()).hexdigest()}"
        async with asyncio.timeout(self._time_limit):
            answer: Any = await self._script(keys=[key], args=[policy.quota, repr(policy.rate)])
        return Taken(bool(answer[0]), float(answer[1]))

    async def check(self) -> None:
        """See that it runs the script; RedisAwayError when it does not."""
        try:
            await self.ask(Policy("check", quota=1, window=1), "")
        except FAILURES as error:
            message = f"no answer ({str(error) or type(error).__name__})"
            raise RedisAwayError(message) from error

    def _failed(self, error: Exception) -> None:
        now = self._clock()
        self._away = True
        self._ask_again = now + REST_SECONDS
        if now >= self._warn_again:
            self._warn_again = now + _WARN_SECONDS
            _log.warning(
                "Redis does not answer (%s): each worker counts for itself", type(error).__name__
            )

    async def close(self) -> None:
        """Let its connections go."""
        await self._redis.aclose()
