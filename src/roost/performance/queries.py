"""Queries: what each statement cost within a range of time, from what the sampler wrote down."""

from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from roost.db.pool import Database
from roost.performance import latencies
from roost.performance.counting import obstacle
from roost.performance.latencies import Latency
from roost.performance.plans import Plan, plan_of
from roost.performance.reading import Ranged, is_coarse
from roost.performance.significance import Trend, trend_of
from roost.web.structs import Outgoing

Range = Literal["5m", "1h", "24h", "7d"]
SECONDS: Final[dict[str, float]] = {"5m": 300.0, "1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0}
STEPS: Final[dict[str, float]] = {"5m": 60.0, "1h": 60.0, "24h": 1_800.0, "7d": 3_600.0 * 6}
"""Seconds of a point of a range's series."""
Sort = Literal["totalTime", "meanTime", "calls", "rows", "blocksRead", "tempBlocks", "walBytes"]
_ORDERS: Final[dict[str, str]] = {
    "totalTime": "d.total_ms",
    "meanTime": "d.total_ms / d.calls",
    "calls": "d.calls",
    "rows": "d.rows",
    "blocksRead": "d.blocks_read",
    "tempBlocks": "d.temp_blocks",
    "walBytes": "d.wal_bytes",
}
_SUMS: Final = """
    sum(calls)::bigint as calls, sum(total_ms) as total_ms, sum(rows)::bigint as rows,
    sum(blocks_hit)::bigint as blocks_hit, sum(blocks_read)::bigint as blocks_read,
    sum(temp_blocks)::bigint as temp_blocks, sum(wal_bytes)::float8 as wal_bytes"""
_FACTS: Final = """
    d.calls, d.total_ms as "totalMs", d.total_ms / d.calls as "meanMs", d.rows,
    d.blocks_hit as "blocksHit", d.blocks_read as "blocksRead", d.temp_blocks as "tempBlocks",
    d.wal_bytes as "walBytes",
    case when d.blocks_hit + d.blocks_read = 0 then null
         else d.blocks_hit::float8 / (d.blocks_hit + d.blocks_read) end as "hitRatio",
    null as latency"""


class Query(Outgoing):
    """A statement: times in milliseconds, `share` of the time of all statements, 0 to 1.

    `latency` is as Roost's own workers saw it: with the way there and back. It is null for
    statements of others.
    """

    id: str
    name: str | None
    statement: str | None
    calls: int
    total_ms: float
    mean_ms: float
    rows: int
    blocks_hit: int
    blocks_read: int
    temp_blocks: int
    wal_bytes: float
    hit_ratio: float | None
    share: float
    latency: Latency | None


class Window(Outgoing):
    """What the figures are of.

    `resets`: how often the counts were set to zero meanwhile, `evicted`: so many statements were
    forgotten by the server. Then some of what was done is not counted.
    """

    range: Range
    since: datetime | None
    until: datetime | None
    samples: int
    resets: int
    evicted: int
    reason: str | None


class Queries(Outgoing):
    """The heaviest, and how many there are in all."""

    window: Window
    statements: int
    calls: int
    total_ms: float
    items: list[Query]


class _Totals(Outgoing):
    statements: int
    calls: int
    total_ms: float
    since: datetime | None
    until: datetime | None
    samples: int
    resets: int
    evicted: int


def _list(order: str) -> Ranged[Query]:
    return Ranged(
        "queries",
        Query,
        "delta",
        f"""
        with sums as materialized (
            select query_id, {_SUMS} from @rows d group by query_id),
        whole as (select coalesce(sum(total_ms), 0) as total_ms from sums),
        d as materialized (
            select * from sums d
            where d.calls > 0 and ($3::text is null or d.query_id in (
                select query_id from performance.statement where name ilike $3 or text ilike $3))
            order by {order} desc, d.query_id limit $2)
        select d.query_id::text as id, s.name, s.text as statement, {_FACTS},
               case when w.total_ms = 0 then 0 else d.total_ms / w.total_ms end as share
        from d cross join whole w left join performance.statement s on s.query_id = d.query_id
        order by {order} desc, d.query_id
        """,  # noqa: S608 -- constants
        ("seconds", "most", "matching"),
    )


_LISTS: Final = {name: _list(order) for name, order in _ORDERS.items()}
_TOTALS: Final = Ranged(
    "query_totals",
    _Totals,
    "delta",
    """
    select d.*, s.*
    from (select count(*) as statements, coalesce(sum(calls), 0)::bigint as calls,
                 coalesce(sum(total_ms), 0) as "totalMs"
          from (select sum(calls) as calls, sum(total_ms) as total_ms
                from @rows r group by query_id) e) d
    cross join (select min(since) as since, max(at) as until, count(since) as samples,
                       count(*) filter (where was_reset) as resets,
                       coalesce(sum(evicted), 0)::bigint as evicted
                from performance.sample where at > now() - make_interval(secs => $1)) s
    """,
    ("seconds",),
)


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
        select {_SUMS} from @rows d where query_id = $2),
    whole as (select coalesce(sum(total_ms), 0) as total_ms from @rows d),
    d as (select coalesce(calls, 0) as calls, coalesce(total_ms, 0) as total_ms,
                 coalesce(rows, 0) as rows, coalesce(blocks_hit, 0) as blocks_hit,
                 coalesce(blocks_read, 0) as blocks_read,
                 coalesce(temp_blocks, 0) as temp_blocks, coalesce(wal_bytes, 0) as wal_bytes
          from sums)
    select s.query_id::text as id, s.name, s.text as statement,
           {_FACTS.replace("d.total_ms / d.calls", "coalesce(d.total_ms / nullif(d.calls, 0), 0)")},
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


async def window_of(database: Database, within: Range) -> tuple[Window, _Totals]:
    """Say what figures of a range are of, and their sums."""
    totals = (await _TOTALS.ask(database, seconds=SECONDS[within]))[0]
    reason = None
    in_the_way = await obstacle(database)
    if in_the_way is not None:
        reason = str(in_the_way)
    elif not totals.samples:
        reason = "There are figures from the second look on: one is taken every minute."
    window = Window(
        range=within,
        since=totals.since,
        until=totals.until,
        samples=totals.samples,
        resets=totals.resets,
        evicted=totals.evicted,
        reason=reason,
    )
    return window, totals


async def queries(
    database: Database,
    within: Range = "1h",
    *,
    sort: Sort = "totalTime",
    most: int = 20,
    search: str | None = None,
) -> Queries:
    """List the heaviest statements of a range; `search` is part of a name or a text."""
    window, totals = await window_of(database, within)
    pattern = None if search is None else f"%{_escaped(search)}%"
    seconds = SECONDS[within]
    items = await _LISTS[sort].ask(database, seconds=seconds, most=most, matching=pattern)
    names = sorted({each.name for each in items if each.name is not None})
    if names:
        merged = await latencies.BY_NAME.ask(database, seconds=seconds, names=names)
        known = {each.key: each.latency() for each in merged}
        for each in items:
            each.latency = known.get(each.name or "")
    return Queries(
        window=window,
        statements=totals.statements,
        calls=totals.calls,
        total_ms=round(totals.total_ms, 3),
        items=items,
    )


def _escaped(search: str) -> str:
    return search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


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
