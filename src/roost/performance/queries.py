"""Queries: what each statement cost within a range of time, from what the sampler wrote down."""

from typing import Final, Literal

from roost.db.pool import Database
from roost.performance import latencies
from roost.performance.latencies import Latency
from roost.performance.ranges import SECONDS, Range, Window, window_of
from roost.performance.reading import Ranged
from roost.web.structs import Outgoing

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
SUMS: Final = """
    sum(calls)::bigint as calls, sum(total_ms) as total_ms, sum(rows)::bigint as rows,
    sum(blocks_hit)::bigint as blocks_hit, sum(blocks_read)::bigint as blocks_read,
    sum(temp_blocks)::bigint as temp_blocks, sum(wal_bytes)::float8 as wal_bytes"""
FACTS: Final = """
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


class Queries(Outgoing):
    """The heaviest, and how many there are in all."""

    window: Window
    statements: int
    calls: int
    total_ms: float
    items: list[Query]


def _list(order: str) -> Ranged[Query]:
    return Ranged(
        "queries",
        Query,
        "delta",
        f"""
        with sums as materialized (
            select query_id, {SUMS} from @rows d group by query_id),
        whole as (select coalesce(sum(total_ms), 0) as total_ms from sums),
        d as materialized (
            select * from sums d
            where d.calls > 0 and ($3::text is null or d.query_id in (
                select query_id from performance.statement where name ilike $3 or text ilike $3))
            order by {order} desc, d.query_id limit $2)
        select d.query_id::text as id, s.name, s.text as statement, {FACTS},
               case when w.total_ms = 0 then 0 else d.total_ms / w.total_ms end as share
        from d cross join whole w left join performance.statement s on s.query_id = d.query_id
        order by {order} desc, d.query_id
        """,  # noqa: S608 -- constants
        ("seconds", "most", "matching"),
    )


_LISTS: Final = {name: _list(order) for name, order in _ORDERS.items()}


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
