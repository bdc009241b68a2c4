"""A run as it is compared with another: its steps, what tells them apart, its figures."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Raw

from roost.executions.comparing import Identity
from roost.executions.model import ExecutionStatus, Used
from roost.executions.viewing_model import ComparedRun


class _Run(msgspec.Struct, rename="camel"):
    id: UUID
    agent: str | None
    status: ExecutionStatus
    usage: Used
    started_at: datetime | None
    finished_at: datetime | None


class _Named(msgspec.Struct):
    tool: Any = None
    name: Any = None


class _Step(msgspec.Struct, rename="camel"):
    number: int
    type: str
    description: Raw
    data: Raw
    state_hash: str | None
    at: datetime

    @property
    def tool(self) -> str | None:
        """The name of the tool that it is about, if it says so."""
        try:
            named = msgspec.json.decode(self.data, type=_Named)
        except msgspec.ValidationError:  # no object
            return None
        name = named.name if named.tool is None else named.tool
        return name if isinstance(name, str) else None


@dataclass(slots=True)
class Side:
    """A run with its steps as they go out, and the states after some of them, by place."""

    run: _Run
    bodies: list[Raw]
    steps: list[_Step]
    states: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, run: str, steps: str) -> "Side":
        """Read it from the JSON of a run and its steps."""
        bodies = msgspec.json.decode(steps, type=list[Raw])
        decoded = [msgspec.json.decode(body, type=_Step) for body in bodies]
        return cls(msgspec.json.decode(run, type=_Run), bodies, decoded)

    def identities(self) -> list[Identity]:
        """Say what tells each step apart. JSONB writes names in one order."""
        return [
            Identity(
                (step.type, _text(step.description), _text(step.data), step.state_hash or ""),
                (step.type, step.tool or ""),
            )
            for step in self.steps
        ]

    def document(self, place: int) -> str:
        """Write what is compared of a step."""
        step = self.steps[place]
        state = f',"state":{self.states[place].decode()}' if place in self.states else ""
        described, data = _text(step.description), _text(step.data)
        return f'{{"type":"{step.type}","description":{described},"data":{data}{state}}}'

    def figures(self) -> ComparedRun:
        """Sum it up."""
        run = self.run
        calls = (step.tool for step in self.steps if step.type == "tool_call")
        tools = Counter(tool for tool in calls if tool is not None)
        end = run.finished_at or (self.steps[-1].at if self.steps else None)
        duration = None
        if run.started_at is not None and end is not None:
            duration = max((end - run.started_at).total_seconds() * 1000, 0.0)
        return ComparedRun(
            id=run.id,
            agent=run.agent,
            status=run.status,
            steps=len(self.steps),
            tools=dict(sorted(tools.items())),
            usage=run.usage,
            duration_ms=duration,
            started_at=run.started_at,
            finished_at=run.finished_at,
        )


def _text(value: Raw) -> str:
    return bytes(value).decode()
