"""How a rule goes from well to firing and back: plain values in, plain values out."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

Comparison = Literal["above", "below"]
StateName = Literal["unknown", "ok", "pending", "firing"]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says. An event ends when the value is back at `clear_threshold`."""

    comparison: Comparison
    threshold: float
    clear_threshold: float
    for_seconds: int
    cooldown_seconds: int

    def holds(self, value: float) -> bool:
        """Whether a value is past the threshold."""
        if self.comparison == "above":
            return value > self.threshold
        return value < self.threshold

    def is_clear(self, value: float) -> bool:
        """Whether a value is back."""
        if self.comparison == "above":
            return value <= self.clear_threshold
        return value >= self.clear_threshold

    def worse(self, value: float, other: float) -> float:
        """Give the value that is further on the wrong side."""
        return max(value, other) if self.comparison == "above" else min(value, other)


@dataclass(frozen=True, slots=True)
class State:
    """Where a rule stands. `since` is when its condition came to hold, while it is pending.

    `is_open` says that there is an event which has not ended. While the value can't be read, the
    name is `unknown`, and an open event stays open: nobody knows that it is over.
    """

    name: StateName = "unknown"
    since: datetime | None = None
    cool_until: datetime | None = None
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What an evaluation has come to."""

    state: State
    happened: Literal["opened", "resolved"] | None = None


def step(terms: Terms, state: State, value: float | None, now: datetime) -> Step:
    """Take one look at a value; None where it can't be read."""
    if value is None:
        return Step(State("unknown", None, state.cool_until, state.is_open))
    if state.is_open:
        return _while_open(terms, state, value, now)
    if not terms.holds(value):
        return Step(State("ok", None, state.cool_until))
    since = state.since if state.name == "pending" and state.since is not None else now
    has_lasted = (now - since).total_seconds() >= terms.for_seconds
    is_cool = state.cool_until is None or now >= state.cool_until
    if has_lasted and is_cool:
        return Step(State("firing", None, None, is_open=True), "opened")
    return Step(State("pending", since, state.cool_until))


def _while_open(terms: Terms, state: State, value: float, now: datetime) -> Step:
    if terms.is_clear(value):
        return Step(ended(terms, now), "resolved")
    return Step(State("firing", None, state.cool_until, is_open=True))


def ended(terms: Terms, now: datetime) -> State:
    """Give the state after an event has ended."""
    return State("ok", None, now + timedelta(seconds=terms.cooldown_seconds))
