"""Token buckets that all workers share, in Redis or Valkey."""

import hashlib
from typing import TYPE_CHECKING, Any

from roost.web.rate.buckets import Policy, Taken

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from roost.redis.client import SharedRedis

PREFIX = "roost:rate:"
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


class SharedBuckets:
    """The buckets of every policy, in one Redis; `take` gives None while it does not answer."""

    def __init__(self, redis: "SharedRedis") -> None:
        self._redis = redis

    async def take(self, policy: Policy, client: str) -> Taken | None:
        """Take a request of the client's; None when Redis is away or slow."""
        return await self._redis.ask(_Take(policy, client))

    async def check(self) -> None:
        """See that it runs the script; RedisAwayError when it does not."""
        await self._redis.check(_Take(Policy("check", quota=1, window=1), ""))


class _Take:
    """The question for one request of a client's."""

    def __init__(self, policy: Policy, client: str) -> None:
        # Nobody who reads Redis is told addresses.
        self._key = f"{PREFIX}{policy.name}:{hashlib.sha256(client.encode()).hexdigest()}"
        self._arguments: list[str | int] = [policy.quota, repr(policy.rate)]

    async def __call__(self, redis: "Redis") -> Taken:
        script = redis.register_script(TAKE)
        answer: Any = await script(keys=[self._key], args=self._arguments)
        return Taken(bool(answer[0]), float(answer[1]))
