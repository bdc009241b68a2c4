"""The arithmetic of percentiles and of what is more than chance."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.latencies import percentile
from roost.performance.significance import (
    mann_whitney,
    outlying,
    student,
    trend_between,
    trend_from,
    trend_of,
)
from roost.telemetry.tally import bucket_of

DURATIONS = st.lists(st.integers(1_000, 10**11), min_size=1, max_size=200)


@given(DURATIONS, st.sampled_from([0.5, 0.95, 0.99]))
def test_a_percentile_is_right_to_a_quarter(durations: list[int], share: float) -> None:
    buckets: dict[int, int] = {}
    for taken in durations:
        buckets[bucket_of(taken)] = buckets.get(bucket_of(taken), 0) + 1
    found = percentile(buckets, share)
    assert found is not None
    place = min(int(share * len(durations)), len(durations) - 1)
    near = sorted(durations)[max(place - 1, 0) : place + 1]
    assert min(near) / 1.26 <= found * 1e6 <= max(near) * 1.26


def test_a_percentile_of_nothing_is_none() -> None:
    assert percentile({}, 0.5) is None


def test_figures_of_one_kind_are_rarely_told_apart() -> None:
    chance = random.Random(7)
    found = [
        mann_whitney(
            [chance.lognormvariate(1, 0.5) for _ in range(30)],
            [chance.lognormvariate(1, 0.5) for _ in range(30)],
        )
        for _ in range(2_000)
    ]
    for level in (0.01, 0.05):
        share = sum(each <= level for each in found) / len(found)
        assert share <= level * 1.6
    assert sum(each <= 0.05 for each in found) / len(found) > 0.025


def test_the_known_figures_of_the_test_come_out() -> None:
    # By hand: U = 7, its mean 21 and spread 7; 13.5 / 7 = 1.93, which is p = 0.0538.
    first, second = [1, 2, 3, 4, 5, 13], [6, 7, 8, 9, 10, 11, 12]
    assert abs(mann_whitney(first, second) - 0.0538) < 0.001


@given(st.lists(st.floats(0.1, 1e6), min_size=1), st.lists(st.floats(0.1, 1e6), min_size=1))
def test_the_test_has_no_sides_and_gives_a_chance(first: list[float], second: list[float]) -> None:
    chance = mann_whitney(first, second)
    assert 0 <= chance <= 1
    assert abs(chance - mann_whitney(second, first)) < 1e-9


def test_figures_that_are_all_the_same_are_stable() -> None:
    assert trend_of([3.0] * 40).direction == "stable"


def test_few_figures_say_nothing() -> None:
    assert trend_between([1.0] * 7, [9.0] * 100).direction == "insufficientData"


def test_a_change_that_is_certain_and_small_is_stable() -> None:
    before = [1.0 + number / 1e4 for number in range(50)]
    trend = trend_between(before, [each + 0.1 for each in before])
    assert trend.p_value is not None
    assert trend.p_value < 0.001
    assert trend.direction == "stable"


def test_what_gets_faster_improves() -> None:
    before = [10.0 + number % 7 for number in range(30)]
    trend = trend_between(before, [each / 2 for each in before])
    assert (trend.direction, trend.change) == ("improving", -0.5)


@pytest.mark.parametrize(
    ("t", "freedom", "chance"),
    [(12.706, 1, 0.05), (63.657, 1, 0.01), (4.303, 2, 0.05), (5.841, 3, 0.01), (4.604, 4, 0.01),
     (2.228, 10, 0.05), (3.012, 13, 0.01), (2.977, 14, 0.01), (0.0, 7, 1.0)],
)  # fmt: skip
def test_students_known_figures_come_out(t: float, freedom: int, chance: float) -> None:
    assert student(t, freedom) == pytest.approx(chance, abs=2e-4)


@pytest.mark.parametrize("days", [5, 6, 14])
def test_an_hour_like_those_of_other_days_rarely_stands_out(days: int) -> None:
    chance = random.Random(days)
    found = [
        outlying(
            [chance.lognormvariate(1, 0.3) for _ in range(days)], chance.lognormvariate(1, 0.3)
        )
        for _ in range(4_000)
    ]
    for level in (0.01, 0.05):
        share = sum(each <= level for each in found) / len(found)
        assert level * 0.4 < share <= level * 1.6


def test_few_days_say_nothing_however_many_minutes_they_have() -> None:
    assert trend_from([1.0] * 4, 9.0).direction == "insufficientData"
    assert trend_from([1.0] * 5, 9.0).direction == "degrading"


def test_what_differs_from_day_to_day_as_much_is_stable() -> None:
    days = [1.0, 2.0, 1.1, 2.2, 1.3, 1.9, 1.2]
    assert trend_from(days, 2.6).direction == "stable"
    assert trend_from(days, 26.0).direction == "degrading"
    assert trend_from(days, 0.05).direction == "improving"
