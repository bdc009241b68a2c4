"""A run held against a baseline: what is slower, and whether that is more than chance."""

from collections.abc import Mapping, Sequence
from random import Random
from statistics import median
from typing import Final
from uuid import UUID

from roost.performance.benchmarks.measuring import percentile
from roost.performance.benchmarks.model import (
    Change,
    Comparison,
    Difference,
    Measure,
    Verdict,
)
from roost.performance.significance import CERTAINTY, CHANGE, FEWEST, mann_whitney

ROUNDS: Final = 4
"""Rounds on either side, below which nothing is said: two may both have had a bad moment."""
_RESAMPLES: Final = 1000
_SEED: Final = 17
_ORDER: Final[tuple[Verdict, ...]] = ("regression", "improvement", "same", "notEnough")


def compare(
    baseline_id: UUID,
    before: Sequence[Measure],
    after: Sequence[Measure],
    environments: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
) -> Comparison:
    """Compare what both have measured; the gravest change first."""
    known = {(each.suite, each.name): each for each in before}
    changes = [
        change_of(known[each.suite, each.name], each)
        for each in after
        if (each.suite, each.name) in known
    ]
    changes.sort(key=lambda each: (_ORDER.index(each.verdict), -each.change))
    then, now = environments
    return Comparison(
        baseline_id=baseline_id,
        verdict=changes[0].verdict if changes else "notEnough",
        changes=changes,
        differences=[
            Difference(name=name, before=then.get(name), after=now.get(name))
            for name in sorted({*then, *now})
            if then.get(name) != now.get(name)
        ],
    )


def change_of(before: Measure, after: Measure) -> Change:
    """Compare one measure: the median of its rounds' medians.

    A verdict needs `FEWEST` figures and `ROUNDS` rounds on either side.
    """
    then, now = median(before.round_medians_ms), median(after.round_medians_ms)
    change = _share(then, now)
    low, high = interval(before.round_medians_ms, after.round_medians_ms)
    is_enough = all(
        len(side.figures_ms) >= FEWEST and len(side.round_medians_ms) >= ROUNDS
        for side in (before, after)
    )
    chance = mann_whitney(before.figures_ms, after.figures_ms) if is_enough else None
    verdict: Verdict = "notEnough" if chance is None else "same"
    # Figures of a round are alike, which the test does not know: rounds must differ too.
    is_sure = chance is not None and chance <= CERTAINTY and (low > 0 or high < 0)
    if is_sure and abs(change) > CHANGE:
        verdict = "regression" if change > 0 else "improvement"
    return Change(
        suite=after.suite,
        name=after.name,
        before_ms=round(then, 4),
        after_ms=round(now, 4),
        change=round(change, 4),
        low=round(low, 4),
        high=round(high, 4),
        p_value=None if chance is None else round(chance, 6),
        verdict=verdict,
    )


def interval(before: Sequence[float], after: Sequence[float]) -> tuple[float, float]:
    """Give the 95 % interval of the change of the median, by resampling whole rounds.

    Always the same for the same rounds. Of few rounds it is narrower than it should be.
    """
    chance = Random(_SEED)  # noqa: S311 -- it keeps nothing secret, and must be the same each time
    changes = sorted(
        _share(
            median(chance.choices(before, k=len(before))),
            median(chance.choices(after, k=len(after))),
        )
        for _ in range(_RESAMPLES)
    )
    return percentile(changes, 0.025), percentile(changes, 0.975)


def _share(before: float, after: float) -> float:
    return (after - before) / before if before else 0.0
