"""Token buckets: how many requests a client has left, and the buckets of one worker."""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

MOST_CLIENTS = 10_000

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Policy:
    """`quota` requests at once, which come back evenly over `window` seconds."""

    name: str
    quota: int
    window: int

    @property
    def rate(self) -> float:
        """Requests that come back in a second."""
        return self.quota / self.window


class Taken(NamedTuple):
    """What taking a request came to, and the requests that are left after it, in fractions."""

    allowed: bool
    left: float

    @property
    def whole(self) -> int:
        """Requests that can be taken now."""
        return math.floor(self.left)

    def wait(self, policy: Policy) -> int:
        """Seconds until there is one more than now."""
        return math.ceil((self.whole + 1 - self.left) / policy.rate)


def take(policy: Policy, left: float, seconds: float) -> Taken:
    """Take a request from a bucket that was left so, that many seconds ago."""
    left = min(policy.quota, left + max(0.0, seconds) * policy.rate)
    allowed = left >= 1
    return Taken(allowed, left - 1 if allowed else left)


class LocalBuckets:
    """The buckets of this worker. The clients seen longest ago are forgotten first."""

    def __init__(self, policy: Policy, clock: Clock = time.monotonic) -> None:
        self._policy = policy
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> Taken:
        """Take a request of the client's."""
        now = self._clock()
        left, since = self._buckets.get(client, (float(self._policy.quota), now))
        taken = take(self._policy, left, now - since)
        self.set(client, taken.left)
        return taken

    def set(self, client: str, left: float) -> None:
        """Remember what a client has left now."""
        self._buckets[client] = (left, self._clock())
        self._buckets.move_to_end(client)
        if len(self._buckets) > MOST_CLIENTS:
            self._buckets.popitem(last=False)
