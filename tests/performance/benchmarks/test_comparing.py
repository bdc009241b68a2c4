"""Comparisons by themselves: what is told of figures of which it is known what they are."""

from random import Random
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.benchmarks.comparing import change_of, compare, interval
from roost.performance.benchmarks.measuring import Times, figures, measure, percentile
from roost.performance.benchmarks.model import Measure

TIMES = st.lists(st.floats(0.01, 1e4), min_size=1, max_size=60)


def rounds(
    chance: Random, number: int = 4, operations: int = 100, *, factor: float = 1.0
) -> list[Times]:
    """Make rounds as databases do: mostly alike, with a long tail."""
    found = []
    for _ in range(number):
        each = [factor * chance.lognormvariate(0, 0.4) for _ in range(operations)]
        found.append(Times(each, sum(each) / 1000))
    return found


def made(chance: Random, factor: float = 1.0, number: int = 4, operations: int = 100) -> Measure:
    return measure("crud", "read", rounds(chance, number, operations, factor=factor))


def test_what_is_twice_as_slow_is_a_regression_and_the_other_way_an_improvement() -> None:
    for seed in range(50):
        chance = Random(seed)
        before, after = made(chance), made(chance, 2.0)
        change = change_of(before, after)
        assert change.verdict == "regression", seed
        assert change.change > 0.2
        assert change.low <= change.change <= change.high
        assert change_of(after, before).verdict == "improvement", seed


def test_the_same_again_is_hardly_ever_called_anything_else() -> None:
    tries, alarms = 600, 0
    for seed in range(tries):
        chance = Random(seed)
        change = change_of(made(chance, operations=10), made(chance, operations=10))
        alarms += change.verdict != "same"
    # The test alone may be wrong in one of a hundred; with the fifth it asks for, less.
    assert alarms <= tries * 0.01


@pytest.mark.parametrize(("number", "share"), [(4, 0.08), (9, 0.03), (19, 0.02)])
def test_rounds_that_differ_by_themselves_are_rarely_taken_for_a_change(
    number: int, share: float
) -> None:
    tries, alarms = 200, 0
    for seed in range(tries):
        chance = Random(seed)
        sides = []
        for _ in range(2):
            # A neighbour makes whole rounds quicker or slower.
            factors = [chance.lognormvariate(0, 0.15) for _ in range(number)]
            parts = [rounds(chance, 1, 50, factor=factor)[0] for factor in factors]
            sides.append(measure("crud", "read", parts))
        alarms += change_of(*sides).verdict in {"regression", "improvement"}
    assert alarms <= tries * share


def test_what_is_a_tenth_slower_is_no_regression_however_sure_it_is() -> None:
    chance = Random(1)
    change = change_of(made(chance, number=19, operations=2000), made(chance, 1.1, 19, 2000))
    assert change.p_value is not None
    assert change.p_value <= 0.01
    assert change.verdict == "same"


def test_of_too_few_figures_nothing_is_said() -> None:
    for number, operations in ((4, 1), (3, 100), (1, 100)):
        chance = Random(1)
        sides = made(chance, 1.0, number, operations), made(chance, 9.0, number, operations)
        change = change_of(*sides)
        assert (change.verdict, change.p_value) == ("notEnough", None)


@given(TIMES, TIMES)
def test_the_interval_is_the_same_each_time_and_in_order(
    before: list[float], after: list[float]
) -> None:
    low, high = interval(before[:8], after[:8])
    assert low <= high
    assert (low, high) == interval(before[:8], after[:8])


@given(st.lists(TIMES, min_size=1, max_size=6))
def test_a_measure_against_itself_has_not_changed(each: list[list[float]]) -> None:
    found = measure("crud", "read", [Times(times, 1.0) for times in each])
    change = change_of(found, found)
    assert change.change == 0
    assert change.verdict in {"same", "notEnough"}
    assert change.low <= 0 <= change.high


@given(TIMES)
def test_figures_are_few_and_within_what_they_are_made_of(times: list[float]) -> None:
    found = figures(times)
    assert len(found) == min(len(times), 10)
    assert min(times) <= min(found) <= max(found) <= max(times)
    ordered = sorted(times)
    assert percentile(ordered, 0.5) <= percentile(ordered, 0.95) <= percentile(ordered, 0.99)
    assert percentile(ordered, 1.0) == ordered[-1]


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (0.0, 1)])
def test_percentiles_are_by_nearest_rank(share: float, value: int) -> None:
    assert percentile(list(range(1, 101)), share) == value


def test_a_measure_tells_all_operations_of_all_rounds() -> None:
    found = measure("crud", "read", [Times([1, 2, 3], 0.006), Times([4, 5, 6], 0.014)])
    assert (found.operations, found.ops_per_second) == (6, 300)
    assert (found.mean_ms, found.p50_ms, found.p99_ms) == (3.5, 3.5, 6)
    assert found.round_medians_ms == [2, 5]


def test_only_what_both_have_is_compared_and_the_gravest_is_first() -> None:
    chance = Random(3)
    quick, slow = rounds(chance), rounds(chance, factor=3)
    before = [measure("crud", "read", quick), measure("lists", "page", quick)]
    after = [
        measure("lists", "page", slow),
        measure("crud", "read", quick),
        measure("search", "words", slow),
    ]
    environments = ({"work_mem": "4MB", "jit": "off"}, {"work_mem": "8MB", "cpus": "2"})
    found = compare(uuid4(), before, after, environments)
    assert [each.suite for each in found.changes] == ["lists", "crud"]
    assert found.verdict == "regression"
    assert [(each.name, each.before, each.after) for each in found.differences] == [
        ("cpus", None, "2"),
        ("jit", "off", None),
        ("work_mem", "4MB", "8MB"),
    ]
    assert compare(uuid4(), [], after).verdict == "notEnough"
