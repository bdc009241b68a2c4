"""What Roost answers when it is asked how runs went."""

from datetime import datetime
from typing import Any
from uuid import UUID

from roost.client.model import Answer, Message, Step, Usage


class TaskChange(Answer):
    """A change of the run's task; `patch` (RFC 6902) makes this version of the one before."""

    version: int
    op: str
    actor_id: UUID | None
    patch: list[dict[str, Any]]


class RunEvent(Answer):
    """A change of the run itself; the status before is None where it began."""

    status: str
    previous_status: str | None
    actor_id: UUID | None
    version: int


class TimelineItem(Answer):
    """What happened at a time; `kind` is `step`, `message`, `taskChange` or `event`."""

    kind: str
    at: datetime
    step: Step | None = None
    message: Message | None = None
    task_change: TaskChange | None = None
    event: RunEvent | None = None


class ComparedStep(Answer):
    """A step of either run, or of both; `diff` (RFC 6902) makes the right one of the left one.

    `change` is `same`, `changed`, `missing` (on the left only) or `extra` (on the right only).
    """

    left: Step | None
    right: Step | None
    change: str
    diff: list[dict[str, Any]] | None


class ComparedRun(Answer):
    """A run in figures; `tools` counts its tool calls by the tool's name."""

    id: UUID
    agent: str | None
    status: str
    steps: int
    tools: dict[str, int]
    usage: Usage
    duration_ms: float | None


class ComparisonSummary(Answer):
    """Both runs in figures, and how many steps there are of each kind."""

    left: ComparedRun
    right: ComparedRun
    same: int
    changed: int
    missing: int
    extra: int


class Comparison(Answer):
    """Two runs held against each other; `diverges_at` is the first step that is not the same."""

    diverges_at: int | None
    steps: list[ComparedStep]
    summary: ComparisonSummary
