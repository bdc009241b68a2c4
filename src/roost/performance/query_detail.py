"""One statement: who calls it, how it went over time, and how PostgreSQL would do it."""

from datetime import datetime
from typing import Any, Final

import msgspec

from roost.db.pool import Database
from roost.performance import latencies
from roost.performance.latencies import Latency
from roost.performance.plans import Plan, plan_of
from roost.performance.queries import FACTS, SUMS, Query
from roost.performance.ranges import SECONDS, STEPS, Range, Window, window_of
from roost.performance.reading import Ranged, is_coarse
from roost.performance.significance import Trend, trend_of
from roost.web.structs import Outgoing


class Point(Outgoing):
    """What was done in the time that ends `at`."""

    at: datetime
    calls: int
    total_ms: float
    mean_ms: float
    rows: int


class Caller(Outgoing):
    """A route whose requests ran the statement; null is what runs beside requests."""

    route: str | None
    latency: Latency


class QueryDetail(Query):
    """One statement: who calls it, how it went, and how PostgreSQL would do it."""

    window: Window
    first_seen: datetime | None
    last_seen: datetime | None
    series: list[Point]
    trend: Trend
    callers: list[Caller]
    plan: Plan


class _One(Query):
    first_seen: datetime | None
    last_seen: datetime | None


_ONE: Final = Ranged(
    "query",
    _One,
    "delta",
    f"""
    with sums as materialized (
        select {SUMS} from @rows d where query_id = $2),
    whole as (select coalesce(sum(total_ms), 0) as total_ms from @rows d),
    d as (select coalesce(calls, 0) as calls, coalesce(total_ms, 0) as total_ms,
                 coalesce(rows, 0) as rows, coalesce(blocks_hit, 0) as blocks_hit,
                 coalesce(blocks_read, 0) as blocks_read,
                 coalesce(temp_blocks, 0) as temp_blocks, coalesce(wal_bytes, 0) as wal_bytes
          from sums)
    select s.query_id::text as id, s.name, s.text as statement,
           {FACTS.replace("d.total_ms / d.calls", "coalesce(d.total_ms / nullif(d.calls, 0), 0)")},
           case when w.total_ms = 0 then 0 else d.total_ms / w.total_ms end as share,
           s.first_seen as "firstSeen", s.last_seen as "lastSeen"
    from performance.statement s cross join d cross join whole w where s.query_id = $2
    """,  # noqa: S608 -- constants
    ("seconds", "id"),
)
_SERIES: Final = Ranged(
    "query_series",
    Point,
    "delta",
    """
    select date_bin(make_interval(secs => $3), at, 'epoch') + make_interval(secs => $3) as at,
           sum(calls)::bigint as calls, sum(total_ms) as "totalMs",
           sum(total_ms) / nullif(sum(calls), 0) as "meanMs", sum(rows)::bigint as rows
    from @rows d where query_id = $2
    group by 1 having sum(calls) > 0 order by 1
    """,
    ("seconds", "id", "step"),
)


async def query(
    doctor: Database, pool: Database, query_id: int, within: Range = "1h"
) -> QueryDetail | None:
    """Tell all of one statement; None when it is not known."""
    window, _ = await window_of(doctor, within)
    seconds = SECONDS[within]
    place: dict[str, Any] = {"seconds": seconds, "id": query_id}
    found = await _ONE.ask(doctor, **place)
    if not found:
        return None
    one = found[0]
    series = await _SERIES.ask(doctor, **place, step=STEPS[within])
    fine_step = 3_600.0 if is_coarse(seconds) else 60.0
    fine = series
    if fine_step != STEPS[within]:
        fine = await _SERIES.ask(doctor, **place, step=fine_step)
    merged = []
    if one.name is not None:
        merged = await latencies.CALLERS.ask(doctor, seconds=seconds, name=one.name)
    plan = await plan_of(pool, one.statement or "")
    values = msgspec.structs.asdict(one)
    if merged:
        values["latency"] = latencies.together(merged).latency()
    return QueryDetail(
        **values,
        window=window,
        series=series,
        trend=trend_of([each.mean_ms for each in fine]),
        callers=[Caller(route=each.key or None, latency=each.latency()) for each in merged],
        plan=plan,
    )
