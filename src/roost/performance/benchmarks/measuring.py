"""Times made figures: what is told of a measure, out of all its rounds."""

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import fmean, median
from time import perf_counter
from typing import Final

from roost.performance.benchmarks.model import Measure, Suite

PARTS: Final = 10
"""Figures that a round gives."""


@dataclass(slots=True)
class Times:
    """What each operation of a round took, in milliseconds, and the whole of it, in seconds."""

    each: list[float] = field(default_factory=list)
    seconds: float = 0.0


async def timed(count: int, work: Callable[[int], Awaitable[object]]) -> Times:
    """Do it `count` times, one after the other, and note what each took."""
    found = Times()
    start = perf_counter()
    for number in range(count):
        began = perf_counter()
        await work(number)
        found.each.append((perf_counter() - began) * 1000)
    found.seconds = perf_counter() - start
    return found


def measure(suite: Suite, name: str, rounds: Sequence[Times]) -> Measure:
    """Make the figures of a measure; at least one round with one operation."""
    times = sorted(time for each in rounds for time in each.each)
    seconds = sum(each.seconds for each in rounds)
    return Measure(
        suite=suite,
        name=name,
        operations=len(times),
        ops_per_second=round(len(times) / seconds, 2) if seconds else 0.0,
        mean_ms=_rounded(fmean(times)),
        p50_ms=_rounded(median(times)),
        p95_ms=_rounded(percentile(times, 0.95)),
        p99_ms=_rounded(percentile(times, 0.99)),
        round_medians_ms=[_rounded(median(each.each)) for each in rounds],
        figures_ms=[_rounded(figure) for each in rounds for figure in figures(each.each)],
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """Give the smallest of the ordered values that is not exceeded by that share of them."""
    return ordered[max(math.ceil(share * len(ordered)) - 1, 0)]


def figures(times: Sequence[float]) -> list[float]:
    """Press the times of a round, in their order, into at most `PARTS` medians.

    What follows each other is alike (a checkpoint, a busy neighbour slows many in a row), and a
    test that took each operation for a witness of its own would be surer than it may be.
    """
    if len(times) <= PARTS:
        return list(times)
    bounds = [len(times) * part // PARTS for part in range(PARTS + 1)]
    return [median(times[start:end]) for start, end in pairwise(bounds)]


def _rounded(value: float) -> float:
    return round(value, 4)
