"""Ranges of time that are asked for, and what the figures of one are of."""

from datetime import datetime
from typing import Final, Literal

from roost.db.pool import Database
from roost.performance.counting import obstacle
from roost.performance.reading import Ranged
from roost.web.structs import Outgoing

Range = Literal["5m", "1h", "24h", "7d"]
SECONDS: Final[dict[str, float]] = {"5m": 300.0, "1h": 3_600.0, "24h": 86_400.0, "7d": 604_800.0}
STEPS: Final[dict[str, float]] = {"5m": 60.0, "1h": 60.0, "24h": 1_800.0, "7d": 3_600.0 * 6}
"""Seconds of a point of a range's series."""


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


class Totals(Outgoing):
    """The sums of a range, and what they are of."""

    statements: int
    calls: int
    total_ms: float
    since: datetime | None
    until: datetime | None
    samples: int
    resets: int
    evicted: int


_TOTALS: Final = Ranged(
    "query_totals",
    Totals,
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


async def window_of(database: Database, within: Range) -> tuple[Window, Totals]:
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
