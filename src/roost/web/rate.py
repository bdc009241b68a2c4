"""A limit on how often one client may do a thing, kept by each worker for itself."""

import math
import time
from collections import OrderedDict

from roost import errors
from roost.errors import ProblemError

_MOST_CLIENTS = 10_000


class RateLimit:
    """A token bucket for each client: `quota` requests at once, refilled over `window` seconds.

    The clients seen longest ago are forgotten first, so memory is bounded.
    """

    def __init__(self, name: str, *, quota: int, window: float) -> None:
        self._name = name
        self._quota = quota
        self._window = window
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> None:
        """Count a request; RATE_LIMITED with `Retry-After` when the client has sent too many."""
        now = time.monotonic()
        rate = self._quota / self._window
        left, since = self._buckets.pop(client, (float(self._quota), now))
        left = min(self._quota, left + (now - since) * rate)
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > _MOST_CLIENTS:
            self._buckets.popitem(last=False)
        if not allowed:
            wait = math.ceil((1 - left) / rate)
            raise ProblemError(
                errors.RATE_LIMITED,
                f"try again in {wait} seconds",
                headers={
                    "retry-after": str(wait),
                    "ratelimit": f'"{self._name}";r=0;t={wait}',
                    "ratelimit-policy": f'"{self._name}";q={self._quota};w={self._window:g}',
                },
            )
