"""How long Roost's own requests and statements took: stored by each worker, merged when read."""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from roost.db.pool import Transaction
from roost.db.statements import Statement
from roost.performance.reading import Ranged
from roost.telemetry.tally import Counted, bounds_of
from roost.web.structs import Outgoing

_STORE: Final = Statement(
    "insert performance.latency",
    """
    insert into performance.latency
    select clock_timestamp(), $1, new.* from json_to_recordset($2::json) as new (
        route text, name text, calls bigint, errors bigint, total_ms float8, slowest_ms float8,
        buckets jsonb)
    """,
    ("worker", "rows"),
    {},
)


class Latency(Outgoing):
    """Durations in milliseconds; percentiles are right to a tenth."""

    calls: int
    errors: int
    total_ms: float
    mean_ms: float
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    slowest_ms: float


class Merged(Outgoing):
    """The sum over workers and minutes of one thing, `key`."""

    key: str
    calls: int
    errors: int
    total_ms: float
    slowest_ms: float
    buckets: dict[int, int]

    def latency(self) -> Latency:
        """Give it as it is shown."""
        return Latency(
            calls=self.calls,
            errors=self.errors,
            total_ms=round(self.total_ms, 3),
            mean_ms=round(self.total_ms / self.calls, 3),
            p50_ms=percentile(self.buckets, 0.50),
            p95_ms=percentile(self.buckets, 0.95),
            p99_ms=percentile(self.buckets, 0.99),
            slowest_ms=round(self.slowest_ms, 3),
        )


def _merging(key: str, condition: str) -> str:
    return f"""
    with these as materialized (
        select {key} as key, calls, errors, total_ms, slowest_ms, buckets
        from @rows l where {condition}),
    sums as (
        select key, sum(calls)::bigint as calls, sum(errors)::bigint as errors,
               sum(total_ms) as "totalMs", max(slowest_ms) as "slowestMs"
        from these group by key),
    counts as (
        select key, bucket, sum(number::bigint) as number
        from these, jsonb_each_text(buckets) b (bucket, number) group by 1, 2)
    select s.*, (select json_object_agg(c.bucket, c.number) from counts c where c.key = s.key)
        as buckets
    from sums s order by "totalMs" desc
    """  # noqa: S608 -- constants


BY_NAME: Final = Ranged(
    "by_name", Merged, "latency", _merging("name", "name = any($2::text[])"), ("seconds", "names")
)
BY_ROUTE: Final = Ranged(
    "by_route", Merged, "latency", _merging("route", "name = ''"), ("seconds",)
)
CALLERS: Final = Ranged(
    "callers", Merged, "latency", _merging("route", "name = $2"), ("seconds", "name")
)


async def store(transaction: Transaction, worker: str, counted: Counted) -> None:
    """Write down what a worker counted."""
    rows = [
        {
            "route": route,
            "name": name,
            "calls": times.calls,
            "errors": times.errors,
            "total_ms": times.total_ns * 1e-6,
            "slowest_ms": times.slowest_ns * 1e-6,
            "buckets": times.buckets,
        }
        for (route, name), times in counted.items()
    ]
    await transaction.row(_STORE, worker=worker, rows=msgspec.json.encode(rows).decode())


def percentile(buckets: Mapping[int, int], share: float) -> float | None:
    """Give the duration in milliseconds that `share` of all are within; None of nothing."""
    total = sum(buckets.values())
    if not total:
        return None
    wanted, before = share * total, 0
    for bucket in sorted(buckets):
        number = buckets[bucket]
        if before + number >= wanted:
            lower, upper = bounds_of(bucket)
            inside = max(wanted - before, 0.0) / number
            return round((lower + (upper - lower) * inside) * 1e3, 4)
        before += number
    raise AssertionError


def together(merged: Iterable[Merged]) -> Merged:
    """Add several up."""
    whole = Merged(key="", calls=0, errors=0, total_ms=0.0, slowest_ms=0.0, buckets={})
    for each in merged:
        whole.calls += each.calls
        whole.errors += each.errors
        whole.total_ms += each.total_ms
        whole.slowest_ms = max(whole.slowest_ms, each.slowest_ms)
        for bucket, number in each.buckets.items():
            whole.buckets[bucket] = whole.buckets.get(bucket, 0) + number
    return whole
