"""What the model of tasks and their runs knows of them."""

import json
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

STATES = st.recursive(
    st.none() | st.integers(-5, 5) | st.sampled_from(["a", "b", ""]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner),
    max_leaves=8,
)


@dataclass
class Task:
    """What is known of a task."""

    number: int
    priority: str
    status: str = "pending"


@dataclass
class Run:
    """What is known of a run; `steps` are their bodies and the states that they leave."""

    task: str
    status: str
    number: int
    is_overdue: bool = False
    steps: list[tuple[dict[str, Any], Any]] = field(default_factory=list)
    keys: dict[str, int] = field(default_factory=dict)

    @property
    def state(self) -> Any:
        """The state at its end."""
        return self.steps[-1][1] if self.steps else None


def is_same(steps: list[tuple[dict[str, Any], Any]], number: int, body: dict[str, Any]) -> bool:
    """Whether a step sent again is the one that was recorded; a state that stayed may be left out.

    No state yet is another state than null.
    """
    first, state = steps[number - 1]
    given = [bool({"state", "forked"} & step.keys()) for step, _ in steps]
    before = (any(given[: number - 1]), steps[number - 2][1] if number > 1 else None)
    after = (any(given[:number]), state)
    if first.get("checkpoint") != body["checkpoint"]:
        return False
    wanted = (True, body["state"]) if "state" in body else before
    return json.dumps(wanted, sort_keys=True) == json.dumps(after, sort_keys=True)
