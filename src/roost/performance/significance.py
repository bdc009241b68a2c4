"""What is more than chance: whether figures went up or down, and whether one stands out."""

from collections.abc import Sequence
from math import atan, cos, log, pi, sin, sqrt
from statistics import NormalDist, fmean, median, stdev
from typing import Final, Literal

from roost.web.structs import Outgoing

CHANGE: Final = 0.20
"""Share of change from which on it is told."""
CERTAINTY: Final = 0.01
"""Chance, at most, that figures which are no different look as different as that."""
FEWEST: Final = 8
"""Figures on either side, below which nothing is said."""
FEWEST_DAYS: Final = 5
"""Days that one is held against, below which nothing is said: days differ by themselves."""
_LEAST_MS: Final = 1e-4
Direction = Literal["improving", "stable", "degrading", "insufficientData"]


class Trend(Outgoing):
    """The later figures against the earlier: medians in milliseconds, `change` as a share.

    `pValue` is two-sided: of a Mann-Whitney test, for which nothing is assumed of how times are
    spread; or, of one hour against the same hour of other days, of Student's for their logarithms.
    """

    direction: Direction
    before_ms: float | None
    after_ms: float | None
    change: float | None
    p_value: float | None
    figures: int


def trend_of(figures: Sequence[float]) -> Trend:
    """Hold the later half of figures, in the order of time, against the earlier."""
    half = len(figures) // 2
    return trend_between(figures[:half], figures[half:])


def trend_between(before: Sequence[float], after: Sequence[float]) -> Trend:
    """Say whether figures went up or down by more than `CHANGE`, and more than by chance."""
    if min(len(before), len(after)) < FEWEST:
        return _unknown(len(before) + len(after))
    return _trend(before, median(after), len(after), mann_whitney(before, after))


def trend_from(days: Sequence[float], today: float) -> Trend:
    """Say the same of one day's figure against those of other days.

    A day is one figure, however many minutes it has: what differs from day to day is no trend.
    """
    if len(days) < FEWEST_DAYS:
        return _unknown(len(days) + 1)
    return _trend(days, today, 1, outlying(days, today))


def _unknown(figures: int) -> Trend:
    return Trend(
        direction="insufficientData", before_ms=None, after_ms=None, change=None, p_value=None,
        figures=figures,
    )  # fmt: skip


def _trend(before: Sequence[float], now: float, number: int, chance: float) -> Trend:
    then = median(before)
    change = (now - then) / then if then else 0.0
    direction: Direction = "stable"
    if chance <= CERTAINTY and abs(change) >= CHANGE:
        direction = "degrading" if change > 0 else "improving"
    return Trend(
        direction=direction,
        before_ms=round(then, 4),
        after_ms=round(now, 4),
        change=round(change, 4),
        p_value=round(chance, 6),
        figures=len(before) + number,
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


def outlying(others: Sequence[float], value: float) -> float:
    """Give the two-sided p-value that a time in milliseconds is one more of the others' kind.

    By the interval of prediction for their logarithms, which are taken to be spread normally.
    """
    logs = [log(max(each, _LEAST_MS)) for each in others]
    distance = abs(log(max(value, _LEAST_MS)) - fmean(logs))
    spread = stdev(logs) * sqrt(1 + 1 / len(logs))
    if not spread:
        return 0.0 if distance > 1e-9 else 1.0  # noqa: PLR2004 -- what rounding leaves
    return student(distance / spread, len(logs) - 1)


def student(t: float, freedom: int) -> float:
    """Give the two-sided p-value of Student's t, by its sum (Abramowitz and Stegun, 26.7)."""
    angle = atan(t / sqrt(freedom))
    term = cos(angle) if freedom % 2 else 1.0
    whole = 0.0 if freedom == 1 else term
    for number in range(3 if freedom % 2 else 2, freedom - 1, 2):
        term *= (number - 1) / number * cos(angle) ** 2
        whole += term
    within = 2 / pi * (angle + sin(angle) * whole) if freedom % 2 else sin(angle) * whole
    return max(0.0, min(1.0, 1.0 - within))
