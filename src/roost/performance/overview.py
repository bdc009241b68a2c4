"""The overview: how requests, statements, pool, cache, ticks and the database do."""

from datetime import datetime
from typing import Any, Final, Literal

from roost.db.pool import Database
from roost.performance import latencies
from roost.performance.connections import Pool, pool_of
from roost.performance.health import health
from roost.performance.latencies import Latency
from roost.performance.queries import Queries, queries
from roost.performance.ranges import SECONDS, STEPS, Range
from roost.performance.reading import Ranged
from roost.performance.slow import slow_queries
from roost.telemetry.metrics import Snapshot
from roost.web.structs import Outgoing

_HEAVIEST: Final = 5
_BUSIEST: Final = 20


class Route(Outgoing):
    """One route: durations as the server saw them; `errors` are answers from 500 up."""

    route: str
    latency: Latency
    error_rate: float


class Requests(Outgoing):
    """All requests of the range, and its busiest routes. Those that wait by design are left out."""

    latency: Latency | None
    error_rate: float | None
    per_second: float
    routes: list[Route]


class PoolOverview(Outgoing):
    """This worker's pool now; waits and connecting times are those of the server's workers."""

    now: Pool
    peak_utilisation: float | None
    peak_waiting: float | None
    wait_p50_ms: float | None
    wait_p99_ms: float | None
    connect_ms: float | None


class CacheOverview(Outgoing):
    """The read cache since the workers started."""

    reads: dict[str, int]
    hit_ratio: float | None
    entries: int
    bytes: int
    dropped: int


class Ticks(Outgoing):
    """The listener: seconds since its last look, and how late changes were told."""

    age_seconds: float | None
    lag_p50_ms: float | None
    lag_p99_ms: float | None
    stalls: int
    losses: int
    waiting: int


class DatabaseOverview(Outgoing):
    """The database's health in short."""

    status: Literal["ok", "warn", "critical"]
    counts: dict[str, int]
    findings: list[str]


class Figure(Outgoing):
    """A figure of the database through the range, a point a minute or longer."""

    name: str
    latest: float
    lowest: float
    highest: float
    points: list[tuple[datetime, float]]


class Overview(Outgoing):
    """Everything at a glance."""

    range: Range
    requests: Requests
    queries: Queries
    slow: dict[str, int]
    pool: PoolOverview
    cache: CacheOverview
    ticks: Ticks
    database: DatabaseOverview
    figures: list[Figure]


_FIGURES: Final = Ranged(
    "figures",
    Figure,
    "gauge",
    """
    with points as (
        select name, date_bin(make_interval(secs => $2), at, 'epoch') as at, avg(value) as value,
               min(value) as lowest, max(highest) as highest,
               (array_agg(value order by at desc))[1] as latest
        from @rows g group by 1, 2)
    select name, (array_agg(latest order by at desc))[1] as latest, min(lowest) as lowest,
           max(highest) as highest, json_agg(json_build_array(at, value) order by at) as points
    from points group by name order by name
    """,
    ("seconds", "step"),
)


async def overview(
    doctor: Database, pool: Database, measured: Snapshot, within: Range = "1h"
) -> Overview:
    """Tell how everything did in a range; `measured` is what the workers of a server counted."""
    seconds = SECONDS[within]
    found = await health(doctor)
    figures = await _FIGURES.ask(doctor, seconds=seconds, step=STEPS[within])
    return Overview(
        range=within,
        requests=await _requests(doctor, seconds),
        queries=await queries(doctor, within, most=_HEAVIEST),
        slow=(await slow_queries(doctor, seconds, most=1)).counts,
        pool=_pool(pool, figures, measured),
        cache=_cache(measured),
        ticks=_ticks(measured),
        database=DatabaseOverview(
            status=found.status,
            counts={str(status): number for status, number in found.counts.items()},
            findings=[
                f"{each.name}: {each.detail}"
                for each in found.checks
                if each.status in {"warn", "critical"}
            ],
        ),
        figures=figures,
    )


async def _requests(doctor: Database, seconds: float) -> Requests:
    merged = await latencies.BY_ROUTE.ask(doctor, seconds=seconds)
    whole = latencies.together(merged)
    busiest = sorted(merged, key=lambda each: -each.calls)[:_BUSIEST]
    return Requests(
        latency=whole.latency() if whole.calls else None,
        error_rate=whole.errors / whole.calls if whole.calls else None,
        per_second=round(whole.calls / seconds, 4),
        routes=[
            Route(route=each.key, latency=each.latency(), error_rate=each.errors / each.calls)
            for each in busiest
        ],
    )


def _pool(pool: Database, figures: list[Figure], measured: Snapshot) -> PoolOverview:
    peaks = {each.name: each.highest for each in figures}
    waits = _histogram(measured, "db.client.connection.wait_time")
    connecting = _histogram(measured, "db.client.connection.create_time")
    return PoolOverview(
        now=pool_of(pool),
        peak_utilisation=peaks.get("pool.share"),
        peak_waiting=peaks.get("pool.waiting"),
        wait_p50_ms=_percentile(waits, 0.50),
        wait_p99_ms=_percentile(waits, 0.99),
        connect_ms=_percentile(connecting, 0.50),
    )


def _cache(measured: Snapshot) -> CacheOverview:
    reads = {
        str(dict(labels)["result"]): int(value)
        for labels, value in _values(measured, "roost.cache.reads")
    }
    total = sum(reads.values())
    good = sum(reads.get(name, 0) for name in ("hit", "shared", "joined"))
    return CacheOverview(
        reads=reads,
        hit_ratio=round(good / total, 4) if total else None,
        entries=int(_sum(measured, "roost.cache.entries")),
        bytes=int(_sum(measured, "roost.cache.size")),
        dropped=int(_sum(measured, "roost.cache.dropped")),
    )


def _ticks(measured: Snapshot) -> Ticks:
    lags = _histogram(measured, "roost.ticks.lag")
    ages = [value for _, value in _values(measured, "roost.ticks.age")]
    return Ticks(
        age_seconds=max(ages, default=None),
        lag_p50_ms=_percentile(lags, 0.50),
        lag_p99_ms=_percentile(lags, 0.99),
        stalls=int(_sum(measured, "roost.ticks.stalls")),
        losses=int(_sum(measured, "roost.ticks.losses")),
        waiting=int(_sum(measured, "roost.sync.waiting")),
    )


def _values(measured: Snapshot, name: str) -> list[tuple[Any, float]]:
    return [
        (series.labels, values[0])
        for series, values in measured.items()
        if series.instrument.name == name
    ]


def _sum(measured: Snapshot, name: str) -> float:
    return sum(value for _, value in _values(measured, name))


def _histogram(measured: Snapshot, name: str) -> tuple[tuple[float, ...], list[float]]:
    bounds: tuple[float, ...] = ()
    counts: list[float] = []
    for series, values in measured.items():
        if series.instrument.name == name:
            bounds = series.instrument.bounds
            counts = [a + b for a, b in zip(counts or [0.0] * len(values), values, strict=True)]
    return bounds, counts[:-1]


def _percentile(histogram: tuple[tuple[float, ...], list[float]], share: float) -> float | None:
    """Give the upper bound, in milliseconds, of the bucket that a share of all are within."""
    bounds, counts = histogram
    wanted, before = share * sum(counts), 0.0
    if not wanted:
        return None
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        before += count
        if before >= wanted:
            return bound * 1e3 if bound != float("inf") else bounds[-1] * 1e3
    raise AssertionError
