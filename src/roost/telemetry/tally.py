"""What this process did since it was asked last: how long requests and statements took, by route.

Finer than the histograms of `/metrics` (a fifth of a duration, not a factor of five), and taken
away by whoever stores it. Record from the event loop's thread.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from roost.telemetry.faults import Fault, Faults

KEYS_KEPT: Final = 2_000
"""Pairs of route and name that are told apart; all others count as one."""
SLOW_KEPT: Final = 200
FAULTS_KEPT: Final = 200
NOTED_KEPT: Final = 5_000
OTHERS: Final = ("others", "others")
_PARTS: Final = 4


class Slow(NamedTuple):
    """A statement that took long; `pid` is the server's process that ran it."""

    name: str
    sql: str
    route: str
    trace_id: str | None
    started_at: datetime
    seconds: float
    pid: int
    error: str | None


class Noted(NamedTuple):
    """A request that is worth noting: a change that somebody made, a failure, or a slow one."""

    at: datetime
    type: str
    severity: str
    workspace_id: UUID | None
    actor_id: UUID | None
    route: str
    status: int
    duration_ms: float
    trace_id: str
    request_id: str


@dataclass(slots=True)
class Times:
    """Durations of one thing, in nanoseconds; `buckets` counts them by `bucket_of`."""

    calls: int = 0
    errors: int = 0
    total_ns: int = 0
    slowest_ns: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(self, taken_ns: int, *, failed: bool) -> None:
        """Count one."""
        self.calls += 1
        self.total_ns += taken_ns
        self.errors += failed
        self.slowest_ns = max(self.slowest_ns, taken_ns)
        bucket = bucket_of(taken_ns)
        self.buckets[bucket] = self.buckets.get(bucket, 0) + 1


Counted = dict[tuple[str, str], Times]


class Tally:
    """Counts by route and statement; the request itself has an empty name."""

    def __init__(self, slow_ns: int) -> None:
        """Keep statements that take `slow_ns` and more apart, besides counting them."""
        self.slow_ns = slow_ns
        self._counted: Counted = {}
        self._slow: deque[Slow] = deque(maxlen=SLOW_KEPT)
        self._faults: dict[str, Faults] = {}
        self._noted: deque[Noted] = deque(maxlen=NOTED_KEPT)

    def add(self, route: str, name: str, taken_ns: int, *, failed: bool) -> None:
        """Count one."""
        times = self._counted.get((route, name))
        if times is None:
            key = (route, name) if len(self._counted) < KEYS_KEPT else OTHERS
            times = self._counted.setdefault(key, Times())
        times.add(taken_ns, failed=failed)

    def note(self, slow: Slow) -> None:
        """Keep a slow statement; the oldest goes when there are too many."""
        self._slow.append(slow)

    def request(self, noted: Noted) -> None:
        """Keep a request; the oldest goes when nobody takes them."""
        self._noted.append(noted)

    def take_noted(self) -> Sequence[Noted]:
        """Give the requests since."""
        noted = list(self._noted)
        self._noted.clear()
        return noted

    def fault(self, fault: Fault, trace_id: str) -> None:
        """Count an error of the server's own; beyond a limit, only those that are known."""
        known = self._faults.get(fault.fingerprint)
        if known is None and len(self._faults) >= FAULTS_KEPT:
            return
        number = 1 if known is None else known.number + 1
        self._faults[fault.fingerprint] = Faults(fault, number, datetime.now(UTC), trace_id)

    def take_faults(self) -> Sequence[Faults]:
        """Give the errors since."""
        faults, self._faults = self._faults, {}
        return list(faults.values())

    def take(self) -> Counted:
        """Give what was counted since, and begin anew."""
        counted, self._counted = self._counted, {}
        return counted

    def put_back(self, counted: Counted) -> None:
        """Count again what was taken and could not be stored."""
        for key, times in counted.items():
            known = self._counted.get(key)
            if known is None:
                self._counted[key] = times
                continue
            known.calls += times.calls
            known.errors += times.errors
            known.total_ns += times.total_ns
            known.slowest_ns = max(known.slowest_ns, times.slowest_ns)
            for bucket, number in times.buckets.items():
                known.buckets[bucket] = known.buckets.get(bucket, 0) + number

    def put_back_others(
        self, slow: Sequence[Slow], faults: Sequence[Faults], noted: Sequence[Noted]
    ) -> None:
        """Keep again what was taken and could not be stored, as far as there is room."""
        self._slow.extendleft(reversed(slow[: SLOW_KEPT - len(self._slow)]))
        self._noted.extendleft(reversed(noted[: NOTED_KEPT - len(self._noted)]))
        for each in faults:
            known = self._faults.get(each.fault.fingerprint)
            number = each.number + (known.number if known else 0)
            newest = known or each
            self._faults[each.fault.fingerprint] = newest._replace(number=number)

    def take_slow(self) -> Sequence[Slow]:
        """Give the slow ones since."""
        slow = list(self._slow)
        self._slow.clear()
        return slow


def bucket_of(ns: int) -> int:
    """Give the number of a duration's bucket: four for each doubling.

    The exponent of two is `number // 4`, and the quarter of that octave `number % 4`.
    """
    length = ns.bit_length()
    return length * _PARTS + ((ns >> (length - 3)) & 3) if length > 2 else 0  # noqa: PLR2004 -- three bits make a quarter


def bounds_of(bucket: int) -> tuple[float, float]:
    """Give a bucket's bounds in seconds; the lower one is in it."""
    length, part = divmod(bucket, _PARTS)
    if length < 3:  # noqa: PLR2004 -- as above
        return 0.0, 4e-9
    unit = 2.0 ** (length - 3) * 1e-9
    return (_PARTS + part) * unit, (_PARTS + part + 1) * unit
