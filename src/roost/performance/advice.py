"""What the doctor says of an index."""

from typing import Any, Literal

from roost.web.structs import Outgoing

Verdict = Literal["act", "watch", "insufficientData", "keep"]
Problem = Literal["invalid", "duplicate", "covered", "unused", "bloated", "missing"]


class Advice(Outgoing):
    """What was found of one index, or of one that is missing."""

    problem: Problem
    verdict: Verdict
    table: str
    index: str | None
    columns: list[str]
    reason: str
    evidence: dict[str, Any]
    sql: str | None
    """What an administrator may run; nothing of it was run."""
