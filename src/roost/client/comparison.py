"""What Roost answers when two runs are held against each other."""

from typing import Any
from uuid import UUID

from roost.client.model import Answer, Step, Usage


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
