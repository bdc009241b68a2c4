"""Trends: whether statements get slower, and whether that is more than chance."""

from collections.abc import Sequence
from statistics import NormalDist, median
from typing import Final, Literal

import msgspec

from roost.db.pool import Database
from roost.performance.reading import Question, Ranged, rows_of
from roost.web.structs import Outgoing

CHANGE: Final = 0.20
"""Share of change from which on it is told."""
CERTAINTY: Final = 0.01
"""Chance, at most, that figures which are no different look as different as that."""
FEWEST: Final = 8
"""Figures on either side, below which nothing is said."""
Direction = Literal["improving", "stable", "degrading", "insufficientData"]


class Trend(Outgoing):
    """The later figures against the earlier: medians in milliseconds, `change` as a share.

    `pValue` is of a two-sided Mann-Whitney test: nothing is assumed of how times are spread.
    """

    direction: Direction
    before_ms: float | None
    after_ms: float | None
    change: float | None
    p_value: float | None
    figures: int


class QueryTrend(Trend):
    """The trend of one statement."""

    id: str
    name: str | None
    statement: str | None


class Trends(Outgoing):
    """A range's later half against its earlier, and the last hour against that of earlier days."""

    range: str
    trends: list[QueryTrend]
    regressions: list[QueryTrend]
    days_compared: int


class _Figures(Outgoing):
    id: str
    name: str | None
    statement: str | None
    before: list[float]
    after: list[float]
    days: int = 0


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
_THEN: Final = (
    "at > now() - make_interval(days => n.day, hours => 1)"
    " and at <= now() - make_interval(days => n.day)"
)
_SAME_HOUR: Final = Question(
    "regressions",
    _Figures,
    f"""
    with rows as materialized (select * from {rows_of("delta", coarse=False)} d), {_TOP},
    -- An offset keeps the look at each day apart, so that it goes by an index.
    every as (
        select n.day, d.* from generate_series(0, 2) n (day) cross join lateral (
            select query_id, calls, total_ms from performance.delta where {_THEN} offset 0) d),
    figures as (
        select d.query_id, d.day, d.total_ms / d.calls as mean
        from every d join top t on t.query_id = d.query_id where d.calls > 0)
    select f.query_id::text as id, min(s.name) as name, min(s.text) as statement,
           coalesce(json_agg(mean) filter (where day > 0), '[]') as before,
           coalesce(json_agg(mean) filter (where day = 0), '[]') as after,
           (count(distinct day) filter (where day > 0))::integer as days
    from figures f left join performance.statement s on s.query_id = f.query_id
    group by f.query_id
    """,  # noqa: S608 -- constants
    ("seconds", "most"),
)
_MOST: Final = 50
_HOUR: Final = 3_600.0


async def trends(database: Database, within: str, seconds: float) -> Trends:
    """Tell of the heaviest statements where they go; the worst first."""
    halves = await _HALVES.ask(database, seconds=seconds, most=_MOST)
    hours = await _SAME_HOUR.ask(database, seconds=_HOUR, most=_MOST)
    compared = [_compared(each, trend_between(each.before, each.after)) for each in hours]
    return Trends(
        range=within,
        trends=_sorted(
            [_compared(each, trend_between(each.before, each.after)) for each in halves]
        ),
        regressions=_sorted([each for each in compared if each.direction == "degrading"]),
        days_compared=max((each.days for each in hours), default=0),
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


def trend_of(figures: Sequence[float]) -> Trend:
    """Hold the later half of figures, in the order of time, against the earlier."""
    half = len(figures) // 2
    return trend_between(figures[:half], figures[half:])


def trend_between(before: Sequence[float], after: Sequence[float]) -> Trend:
    """Say whether figures went up or down by more than `CHANGE`, and more than by chance."""
    if min(len(before), len(after)) < FEWEST:
        return Trend(
            direction="insufficientData", before_ms=None, after_ms=None, change=None,
            p_value=None, figures=len(before) + len(after),
        )  # fmt: skip
    then, now = median(before), median(after)
    change = (now - then) / then if then else 0.0
    chance = mann_whitney(before, after)
    direction: Direction = "stable"
    if chance <= CERTAINTY and abs(change) >= CHANGE:
        direction = "degrading" if change > 0 else "improving"
    return Trend(
        direction=direction,
        before_ms=round(then, 4),
        after_ms=round(now, 4),
        change=round(change, 4),
        p_value=round(chance, 6),
        figures=len(before) + len(after),
    )


def mann_whitney(first: Sequence[float], second: Sequence[float]) -> float:
    """Give the two-sided p-value that both are of one kind, by the normal approximation.

    With the correction for ties and for continuity; good from about eight figures a side on.
    """
    ranked = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    number, of_first, of_second = len(ranked), len(first), len(second)
    rank_sum, ties, at = 0.0, 0.0, 0
    while at < number:
        end = at
        while end < number and ranked[end][0] == ranked[at][0]:
            end += 1
        rank = (at + 1 + end) / 2
        rank_sum += rank * sum(1 for _, side in ranked[at:end] if side == 0)
        ties += (end - at) ** 3 - (end - at)
        at = end
    statistic = rank_sum - of_first * (of_first + 1) / 2
    mean = of_first * of_second / 2
    spread = of_first * of_second / 12 * (number + 1 - ties / (number * (number - 1)))
    if spread <= 0:
        return 1.0
    distance = max(abs(statistic - mean) - 0.5, 0.0) / spread**0.5
    return min(2 * (1 - NormalDist().cdf(distance)), 1.0)
