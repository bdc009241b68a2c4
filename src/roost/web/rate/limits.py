"""Limits as routes use them: take a request, and tell the client what is left."""

import ipaddress
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roost import errors
from roost.errors import ProblemError
from roost.web.rate.buckets import Clock, LocalBuckets, Policy, Taken
from roost.web.rate.shared import SharedBuckets
from roost.web.reply import Reply

if TYPE_CHECKING:
    from roost.redis.client import SharedRedis

_IPV6_SITE = 64


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a client has left: `left` requests now, and one more in `wait` seconds."""

    policy: Policy
    left: int
    wait: int

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell it, as in draft-ietf-httpapi-ratelimit-headers."""
        policy = self.policy
        return {
            "ratelimit": f'"{policy.name}";r={self.left};t={self.wait}',
            "ratelimit-policy": f'"{policy.name}";q={policy.quota};w={policy.window}',
        }

    def tell(self, reply: Reply) -> Reply:
        """Put them on an answer."""
        for name, value in self.headers.items():
            reply.header(name, value)
        return reply


class Limiter:
    """One policy's limit for each client, by the shared buckets while they answer."""

    def __init__(self, policy: Policy, shared: SharedBuckets | None, clock: Clock) -> None:
        self._policy = policy
        self._shared = shared
        self._local = LocalBuckets(policy, clock)

    async def take(self, client: str) -> Allowance:
        """Count a request; RATE_LIMITED with `Retry-After` when the client has sent too many."""
        taken = await self._take(client)
        allowance = Allowance(self._policy, taken.whole, taken.wait(self._policy))
        if not taken.allowed:
            raise ProblemError(
                errors.RATE_LIMITED,
                f"try again in {allowance.wait} seconds",
                headers={"retry-after": str(allowance.wait), **allowance.headers},
            )
        return allowance

    async def _take(self, client: str) -> Taken:
        taken = await self._shared.take(self._policy, client) if self._shared else None
        if taken is None:
            return self._local.take(client)
        # Should the shared ones go away, this worker goes on from what they have said.
        self._local.set(client, taken.left)
        return taken


class Limits:
    """Where limits come from: shared through Redis if there is one, or this worker's own."""

    def __init__(
        self, redis: "SharedRedis | None" = None, *, clock: Clock = time.monotonic
    ) -> None:
        self._clock = clock
        self._shared = SharedBuckets(redis) if redis is not None else None
        self._made: dict[Policy, Limiter] = {}

    def limit(self, name: str, *, quota: int, window: int) -> Limiter:
        """Give the limit of that name: `quota` requests in `window` seconds.

        Whoever asks for it again is given the same, so that several routes count together.
        """
        policy = Policy(name, quota, window)
        if policy not in self._made:
            self._made[policy] = Limiter(policy, self._shared, self._clock)
        return self._made[policy]

    async def check(self) -> None:
        """See that Redis answers, if there is one; RedisAwayError when it does not."""
        if self._shared is not None:
            await self._shared.check()


def network_of(address: str) -> str:
    """Give what stands for the client at an address: for IPv6 its /64, which is one site's."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if parsed.version == 4:  # noqa: PLR2004 -- the protocol's own number
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed.packed, _IPV6_SITE), strict=False))
