"""The tally: durations in buckets that are fine enough, and nothing lost on the way."""

from hypothesis import given
from hypothesis import strategies as st

from roost.telemetry.tally import KEYS_KEPT, OTHERS, Tally, bounds_of, bucket_of

NANOSECONDS = st.integers(0, 10**13)


@given(NANOSECONDS)
def test_a_duration_lies_within_the_bounds_of_its_bucket(taken: int) -> None:
    lower, upper = bounds_of(bucket_of(taken))
    assert lower * 1e9 - 1e-6 <= taken < upper * 1e9 + 1e-6


@given(st.integers(100, 10**13))
def test_a_bucket_is_no_wider_than_a_quarter_of_its_durations(taken: int) -> None:
    lower, upper = bounds_of(bucket_of(taken))
    assert upper <= lower * 1.25 + 1e-12


@given(NANOSECONDS, NANOSECONDS)
def test_a_longer_duration_has_no_lower_bucket(one: int, other: int) -> None:
    assert bucket_of(min(one, other)) <= bucket_of(max(one, other))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), NANOSECONDS)))
def test_what_is_put_back_is_as_if_it_was_never_taken(calls: list[tuple[str, str, int]]) -> None:
    tally, plain = Tally(10**15), Tally(10**15)
    for number, (route, name, taken) in enumerate(calls):
        tally.add(route, name, taken, failed=number % 3 == 0)
        plain.add(route, name, taken, failed=number % 3 == 0)
        if number % 2:
            tally.put_back(tally.take())
    taken_back = tally.take()
    for route, name, taken in calls:
        for each in (tally, plain):
            each.add(route, name, taken, failed=False)
    tally.put_back(taken_back)
    assert tally.take() == plain.take()
    assert tally.take() == {}


def test_names_beyond_the_limit_are_counted_as_one() -> None:
    tally = Tally(10**15)
    for number in range(KEYS_KEPT + 50):
        tally.add("", str(number), 1, failed=False)
    counted = tally.take()
    assert len(counted) == KEYS_KEPT + 1
    assert counted[OTHERS].calls == 50
