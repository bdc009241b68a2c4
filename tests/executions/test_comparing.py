"""Which step of one record is which of another: whatever the records hold."""

import time
from collections.abc import Sequence
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from roost.executions.comparing import Identity, Row, align, common, diverges_at


def identity(kind: int, word: int) -> Identity:
    return Identity((str(kind), str(word)), (str(kind),))


RECORDS = st.lists(st.builds(identity, st.integers(0, 3), st.integers(0, 3)), max_size=30)
WORDS = st.lists(st.integers(0, 5), max_size=20)


def length(left: Sequence[int], right: Sequence[int]) -> int:
    """The length of a longest common subsequence, by its definition."""

    @cache
    def within(i: int, j: int) -> int:
        if not i or not j:
            return 0
        if left[i - 1] == right[j - 1]:
            return within(i - 1, j - 1) + 1
        return max(within(i - 1, j), within(i, j - 1))

    return within(len(left), len(right))


@given(WORDS, WORDS)
def test_what_is_common_is_as_long_as_can_be(left: list[int], right: list[int]) -> None:
    pairs = common(left, right)
    assert len(pairs) == length(left, right)
    assert all(left[i] == right[j] for i, j in pairs)
    assert pairs == sorted(pairs)
    assert len({i for i, _ in pairs}) == len({j for _, j in pairs}) == len(pairs)


@given(RECORDS, RECORDS)
def test_each_step_is_shown_once_and_in_its_order(
    left: list[Identity], right: list[Identity]
) -> None:
    rows = align(left, right)
    assert [row.left for row in rows if row.left is not None] == list(range(len(left)))
    assert [row.right for row in rows if row.right is not None] == list(range(len(right)))


@given(RECORDS, RECORDS)
def test_each_row_is_what_it_is_called(left: list[Identity], right: list[Identity]) -> None:
    for row in align(left, right):
        if row.left is None or row.right is None:
            assert row.change == ("extra" if row.left is None else "missing")
            assert (row.left is None) != (row.right is None)
            continue
        one, other = left[row.left], right[row.right]
        assert row.change == ("same" if one.content == other.content else "changed")
        assert one.kind == other.kind


@given(RECORDS, RECORDS)
def test_the_other_way_round_is_the_mirror_image(
    left: list[Identity], right: list[Identity]
) -> None:
    assert align(right, left) == [row.mirrored for row in align(left, right)]
    assert diverges_at(align(left, right)) == diverges_at(align(right, left))


@given(RECORDS)
def test_a_record_is_the_same_as_itself(record: list[Identity]) -> None:
    rows = align(record, record)
    assert rows == [Row(place, place, "same") for place in range(len(record))]
    assert diverges_at(rows) is None


@given(RECORDS, RECORDS)
def test_they_diverge_at_the_first_step_that_is_not_the_same(
    left: list[Identity], right: list[Identity]
) -> None:
    found = diverges_at(align(left, right))
    if left == right:
        assert found is None
        return
    assert found is not None
    assert left[: found - 1] == right[: found - 1]
    assert left[found - 1 : found] != right[found - 1 : found]


def test_a_step_put_in_between_shifts_the_others_and_changes_none() -> None:
    left = [identity(kind, 0) for kind in (0, 1, 2)]
    rows = align(left, [left[0], identity(3, 0), *left[1:]])
    assert [(row.left, row.right, row.change) for row in rows] == [
        (0, 0, "same"),
        (None, 1, "extra"),
        (1, 2, "same"),
        (2, 3, "same"),
    ]


def test_ten_thousand_steps_with_nothing_in_common_are_compared_in_seconds() -> None:
    left = [identity(0, place) for place in range(10_000)]
    right = [identity(0, -1 - place) for place in range(10_000)]
    started = time.process_time()
    rows = align(left, right)
    assert {row.change for row in rows} == {"changed"}
    assert time.process_time() - started < 10
