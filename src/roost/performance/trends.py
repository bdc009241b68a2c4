"""Trends: whether statements get slower, and whether that is more than chance."""

from typing import Final

import msgspec

from roost.db.pool import Database
from roost.performance.counting import obstacle
from roost.performance.reading import Question, Ranged
from roost.performance.significance import FEWEST_DAYS, Trend, trend_between, trend_from
from roost.web.structs import Outgoing


class QueryTrend(Trend):
    """The trend of one statement."""

    id: str
    name: str | None
    statement: str | None


class Trends(Outgoing):
    """A range's later half against its earlier, and the last full hour against that of other days.

    `reason` says why nothing can be told of regressions.
    """

    range: str
    trends: list[QueryTrend]
    regressions: list[QueryTrend]
    days_compared: int
    reason: str | None


class _Figures(Outgoing):
    id: str
    name: str | None
    statement: str | None
    before: list[float]
    after: list[float]


_TOP: Final = """
    top as materialized (
        select query_id from rows where query_id <> 0
        group by query_id order by sum(total_ms) desc limit $2)"""
_HALVES: Final = Ranged(
    "trends",
    _Figures,
    "delta",
    f"""
    with rows as materialized (select * from @rows d), {_TOP},
    figures as (
        -- Equal figures on both sides: of minutes where all are, else of hours.
        select d.query_id, d.at > now() - make_interval(secs => $1 / 2) as is_late,
               sum(d.total_ms) / sum(d.calls) as mean
        from rows d join top t on t.query_id = d.query_id where d.calls > 0
        group by 1, 2, date_bin(case when $1 > 7200 then interval '1 hour' else interval '1 minute'
                                end, d.at - interval '1 microsecond', 'epoch'))
    select f.query_id::text as id, min(s.name) as name, min(s.text) as statement,
           coalesce(json_agg(mean) filter (where not is_late), '[]') as before,
           coalesce(json_agg(mean) filter (where is_late), '[]') as after
    from figures f left join performance.statement s on s.query_id = f.query_id
    group by f.query_id
    """,  # noqa: S608 -- constants
    ("seconds", "most"),
)
# The last two minutes belong to who writes late.
_END: Final = "date_trunc('hour', now() - interval '2 minutes')"
_SAME_HOUR: Final = Question(
    "regressions",
    _Figures,
    f"""
    with late as materialized (
        select query_id, sum(total_ms) as total_ms, sum(calls) as calls from performance.delta
        where at > {_END} - interval '1 hour' and at <= {_END} and query_id <> 0
        group by query_id having sum(calls) > 0 order by 2 desc limit $1),
    days as materialized (
        select at from performance.rolled
        where at < {_END} and mod(extract(epoch from {_END} - at)::bigint, 86400) = 0),
    early as (
        select d.query_id, json_agg(d.total_ms / d.calls) as means
        from days cross join late
        join performance.delta_hour d on d.at = days.at and d.query_id = late.query_id
        where d.calls > 0 group by 1)
    select l.query_id::text as id, s.name, s.text as statement,
           coalesce(e.means, '[]') as before, json_build_array(l.total_ms / l.calls) as after
    from late l left join early e on e.query_id = l.query_id
    left join performance.statement s on s.query_id = l.query_id
    """,  # noqa: S608 -- constants
    ("most",),
)
_MOST: Final = 50


async def trends(database: Database, within: str, seconds: float) -> Trends:
    """Tell of the heaviest statements where they go; the worst first."""
    halves = await _HALVES.ask(database, seconds=seconds, most=_MOST)
    hours = await _SAME_HOUR.ask(database, most=_MOST)
    compared = [_compared(each, trend_from(each.before, each.after[0])) for each in hours]
    days = max((len(each.before) for each in hours), default=0)
    in_the_way = await obstacle(database)
    reason = None if in_the_way is None else str(in_the_way)
    if reason is None and days < FEWEST_DAYS:
        reason = (
            f"The last full hour is known of {days} earlier days; from {FEWEST_DAYS} on it can "
            "be told what is more than chance."
        )
    return Trends(
        range=within,
        trends=_sorted(
            [_compared(each, trend_between(each.before, each.after)) for each in halves]
        ),
        regressions=_sorted([each for each in compared if each.direction == "degrading"]),
        days_compared=days,
        reason=reason,
    )


def _compared(figures: _Figures, trend: Trend) -> QueryTrend:
    return QueryTrend(
        id=figures.id,
        name=figures.name,
        statement=figures.statement,
        **msgspec.structs.asdict(trend),
    )


def _sorted(found: list[QueryTrend]) -> list[QueryTrend]:
    order = ("degrading", "improving", "stable", "insufficientData")
    return sorted(found, key=lambda each: (order.index(each.direction), -(each.change or 0.0)))
