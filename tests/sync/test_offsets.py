"""Places in a log: told and read back, in the order of what they name."""

from hypothesis import given
from hypothesis import strategies as st

from roost.sync.offsets import (
    BEFORE_ALL,
    LAST_IN_TICK,
    NOW,
    SNAPSHOT_END,
    Offset,
    end_of,
    end_of_tick,
    lsn_of,
    read_offset,
)

TICKS = st.integers(1, 1 << 40)
PLACES = st.integers(0, 1 << 18)


@given(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 63) - 1))
def test_an_offset_that_was_told_is_read_back(lsn: int, op: int) -> None:
    assert read_offset(str(Offset(lsn, op))) == Offset(lsn, op)


def test_the_offsets_with_names_are_read() -> None:
    assert read_offset("-1") == BEFORE_ALL
    assert read_offset("now") == NOW
    assert read_offset("0_inf") == SNAPSHOT_END
    assert str(SNAPSHOT_END) == "0_inf"


@given(TICKS, PLACES, PLACES)
def test_lsns_follow_the_order_of_transactions_and_stay_in_their_tick(
    tick: int, one: int, other: int
) -> None:
    assert (lsn_of(tick, one) < lsn_of(tick, other)) == (one < other)
    assert end_of(tick - 1) < lsn_of(tick, one) < end_of(tick)
    assert Offset(lsn_of(tick, one), 0).tick == tick


@given(TICKS, PLACES)
def test_a_client_may_go_on_from_the_lsn_after_a_transaction_and_misses_nothing(
    tick: int, place: int
) -> None:
    resumed = Offset(lsn_of(tick, place) + 1, 0)
    assert Offset(lsn_of(tick, place), 1 << 40) < resumed < Offset(lsn_of(tick, place + 1), 0)
    assert not resumed.ends_tick
    assert resumed < end_of_tick(tick)


@given(st.integers(0, LAST_IN_TICK * 4), st.integers(0, LAST_IN_TICK * 4))
def test_however_many_transactions_a_tick_has_none_comes_after_its_end(
    one: int, other: int
) -> None:
    first, last = sorted((one, other))
    assert lsn_of(5, first) <= lsn_of(5, last) < end_of(5)


@given(st.text())
def test_any_other_text_is_no_offset_or_one_that_can_be_told(text: str) -> None:
    offset = read_offset(text)
    assert offset is None or read_offset(str(offset)) == offset


def test_what_only_looks_like_an_offset_is_none() -> None:
    for text in ("", "0", "-2", "1_", "_1", "1_-1", "1_1_1", " 1_1", "1_1\n", "+1_1", "1.0_1",
                 "١_١", "0x1_1", "inf_1", "NOW", f"{1 << 64}_0", "9" * 30 + "_0"):  # fmt: skip
        assert read_offset(text) is None, text
