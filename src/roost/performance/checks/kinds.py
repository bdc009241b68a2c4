"""What a check is, and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import asyncpg
import msgspec

from roost.web.structs import Outgoing

GIB = 1024**3
NOT_SHOWN = (
    "The role that the doctor asks with may not see it: it needs to be a member of "
    "pg_read_all_stats, as roost_doctor is where Roost may make that role."
)
LEAST_DAYS = 1 / 24
"""Days for which Roost must have looked before it speaks of what happens in a day."""
TOO_SHORT = (
    "Roost has looked for less than an hour, and PostgreSQL does not say since when it counts."
)
Status = Literal["ok", "warn", "critical", "skipped"]


class Finding(Outgoing):
    """What a check found; `skipped` is not well: it can't be judged, and `detail` says why."""

    name: str
    status: Status
    detail: str
    value: float | None = None
    unit: str | None = None
    warn_at: float | None = None
    critical_at: float | None = None
    items: list[dict[str, Any]] = msgspec.field(default_factory=list)
    fix: str | None = None
    """What to do, where something is to be done."""


Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Check:
    """`sql` gives rows of anything; `judge` says what they mean. `since` is a version's number."""

    name: str
    sql: str
    judge: Callable[[list[Row]], Finding]
    older: dict[int, str] = field(default_factory=dict)
    """The SQL for servers before a major version."""
    refused: Callable[[asyncpg.PostgresError], Finding | None] = lambda _error: None
    """Says what it means that the database refuses, where that tells something by itself."""


def growth_of(gauge: str) -> str:
    """Give SQL for how much a count has grown in the last day, as far as Roost has looked.

    A count that is smaller than before was set to zero in between.
    """
    return f"""
        select coalesce(sum(greatest(step, 0)), 0) as grown,
               coalesce(extract(epoch from max(at) - min(at)) / 86400, 0)::float8 as days
        from (select at, value - lag(value) over (order by at) as step
              from performance.gauge
              where name = '{gauge}' and at > now() - interval '1 day') steps
    """  # noqa: S608 -- a constant


def graded(  # noqa: PLR0913, PLR0917 -- what is measured and what it is held against
    name: str,
    value: float,
    unit: str,
    limits: tuple[float, float],
    detail: str,
    fix: str,
    items: list[Row] | None = None,
) -> Finding:
    """Hold a value against the figures from which on it is to be warned of, and critical.

    Where the first is larger than the second, small values are bad.
    """
    warn, critical = limits
    sign = -1.0 if warn > critical else 1.0
    status: Status = "ok"
    if value * sign >= warn * sign:
        status = "warn"
    if value * sign >= critical * sign:
        status = "critical"
    return Finding(
        name=name,
        status=status,
        detail=detail,
        value=round(value, 4),
        unit=unit,
        warn_at=warn,
        critical_at=critical,
        items=items or [],
        fix=None if status == "ok" else fix,
    )


def skipped(name: str, reason: str) -> Finding:
    """Say that nothing can be said, and why."""
    return Finding(name=name, status="skipped", detail=reason)
