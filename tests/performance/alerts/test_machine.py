"""How a rule goes from well to firing and back, whatever its values do."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from roost.performance.alerts.machine import Comparison, State, Step, Terms, ended, step

START = datetime(2026, 1, 1, tzinfo=UTC)
COMPARISONS: tuple[Comparison, ...] = ("above", "below")
numbers = st.floats(-100, 100)


@st.composite
def terms(draw: st.DrawFn) -> Terms:
    comparison: Comparison = draw(st.sampled_from(COMPARISONS))
    threshold, distance = draw(numbers), draw(st.floats(0, 50))
    clear = threshold - distance if comparison == "above" else threshold + distance
    return Terms(
        comparison, threshold, clear, draw(st.integers(0, 300)), draw(st.integers(0, 300))
    )  # fmt: skip


courses = st.lists(st.tuples(st.integers(1, 120), st.none() | numbers), max_size=60)
Course = list[tuple[int, float | None]]


def run(given_terms: Terms, course: Course) -> list[tuple[datetime, float | None, Step]]:
    now, state, found = START, State(), []
    for seconds, value in course:
        now += timedelta(seconds=seconds)
        taken = step(given_terms, state, value, now)
        found.append((now, value, taken))
        state = taken.state
    return found


@given(terms(), courses)
def test_events_open_and_end_in_turns(given_terms: Terms, course: Course) -> None:
    happened = [taken.happened for *_, taken in run(given_terms, course) if taken.happened]
    assert happened == ["opened", "resolved"] * (len(happened) // 2) + ["opened"] * (
        len(happened) % 2
    )


@given(terms(), courses)
def test_an_event_opens_only_after_the_condition_has_held_without_a_gap(
    given_terms: Terms, course: Course
) -> None:
    since: datetime | None = None
    for now, value, taken in run(given_terms, course):
        holds = value is not None and given_terms.holds(value)
        since = (since or now) if holds else None
        if taken.happened == "opened":
            assert since is not None
            assert (now - since).total_seconds() >= given_terms.for_seconds


@given(terms(), courses)
def test_an_event_ends_only_where_the_value_is_clear(given_terms: Terms, course: Course) -> None:
    is_open = False
    for _, value, taken in run(given_terms, course):
        if is_open and value is not None:
            assert (taken.happened == "resolved") == given_terms.is_clear(value)
        is_open = taken.state.is_open


@given(terms(), courses)
def test_no_event_opens_while_it_cools_down(given_terms: Terms, course: Course) -> None:
    over: datetime | None = None
    for now, _, taken in run(given_terms, course):
        if taken.happened == "resolved":
            over = now
        if taken.happened == "opened" and over is not None:
            assert (now - over).total_seconds() >= given_terms.cooldown_seconds


@given(terms(), courses)
def test_what_cant_be_read_is_unknown_and_ends_nothing(given_terms: Terms, course: Course) -> None:
    was_open = False
    for _, value, taken in run(given_terms, course):
        assert (taken.state.name == "unknown") == (value is None)
        if value is None:
            assert taken.happened is None
            assert taken.state.is_open == was_open
        was_open = taken.state.is_open


@given(terms(), courses)
def test_every_look_can_be_taken_by_somebody_who_knows_only_the_state(
    given_terms: Terms, course: Course
) -> None:
    for (_, _, before), (now, value, taken) in zip(
        run(given_terms, course), run(given_terms, course)[1:], strict=False
    ):
        kept = State(**{name: getattr(before.state, name) for name in State.__slots__})
        assert step(given_terms, kept, value, now) == taken


def test_a_value_between_both_thresholds_neither_opens_nor_ends() -> None:
    rule = Terms("above", 10, 5, 0, 0)
    assert step(rule, State("ok"), 7, START).state.name == "ok"
    is_firing = State("firing", is_open=True)
    assert step(rule, is_firing, 7, START) == Step(State("firing", is_open=True))
    assert step(rule, is_firing, 5, START).happened == "resolved"


def test_at_the_threshold_nothing_is_wrong_yet() -> None:
    assert step(Terms("above", 10, 10, 0, 0), State(), 10, START).happened is None
    assert step(Terms("below", 10, 10, 0, 0), State(), 10, START).happened is None
    assert step(Terms("below", 10, 10, 0, 0), State(), 9.9, START).happened == "opened"


def test_an_ended_event_keeps_the_rule_quiet_for_its_time() -> None:
    rule = Terms("above", 1, 1, 0, 60)
    state = ended(rule, START)
    assert step(rule, state, 5, START + timedelta(seconds=59)).state.name == "pending"
    assert step(rule, state, 5, START + timedelta(seconds=60)).happened == "opened"
