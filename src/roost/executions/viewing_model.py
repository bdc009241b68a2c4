"""What the views of runs are on the wire: timeline, replay, comparison."""

from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

from roost.executions.model import ExecutionStatus, Number, Step, Used
from roost.history.model import Operation
from roost.tasks.model import Message
from roost.web.structs import Outgoing

LAST: Final = 2**31 - 1
"""No step has a higher number."""


class TimelineQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions/{id}/timeline`."""

    limit: Annotated[int, Meta(ge=1, le=100, description="Items a page, 1 to 100.")] = 20
    cursor: Annotated[str, Meta(description="`nextCursor` of the page before.")] | None = None


class TaskChange(Outgoing):
    """A change of the run's task; `patch` as in a task's history."""

    version: int
    op: Literal["created", "changed", "deleted"]
    actor_id: UUID | None
    cause: str | None
    patch: list[Operation]


class RunEvent(Outgoing):
    """A change of the run itself; the status before is null where it began."""

    status: ExecutionStatus
    previous_status: ExecutionStatus | None
    actor_id: UUID | None
    cause: str | None
    version: int
    usage: Used


class TimelineItem(Outgoing, omit_defaults=True):
    """What happened at a time: one of four kinds, in the member that has its kind's name."""

    kind: Literal["step", "message", "taskChange", "event"]
    at: datetime
    step: Step | None = None
    message: Message | None = None
    task_change: TaskChange | None = None
    event: RunEvent | None = None


class TimelinePagination(Outgoing):
    """How to go on; what there is in all is not counted."""

    page: None
    limit: int
    total: None
    total_is_exact: bool
    total_pages: None
    next_cursor: Annotated[str | None, Meta(description="Null on the last page.")]


class TimelinePage(Outgoing):
    """A part of a timeline, which may have fewer items than asked for, or none, and go on.

    Where `changesSince` is not null, events and changes before that time are not kept any more.
    """

    data: list[TimelineItem]
    pagination: TimelinePagination
    changes_since: datetime | None


class ReplayQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions/{id}/replay`; `limit` and `cursor` go with JSON alone."""

    speed: Annotated[float, Meta(ge=0.25, le=10, description="Times as fast as it was.")] = 1.0
    from_: Annotated[Number, Meta(description="The first step's number.")] = msgspec.field(
        default=1, name="from"
    )
    to: Annotated[Number, Meta(description="The last step's number.")] = LAST
    max_gap: Annotated[
        float, Meta(ge=0, le=3600, description="Seconds that no wait is longer than.")
    ] = 5.0
    format: (
        Annotated[
            Literal["sse", "json"], Meta(description="By default as `Accept` says, else `sse`.")
        ]
        | None
    ) = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Steps a page, 1 to 100.")] = 20
    cursor: Annotated[str, Meta(description="`nextCursor` of the page before.")] | None = None


class CompareQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions/{id}/compare`."""

    with_: Annotated[UUID, Meta(description="The id of the other execution.")] = msgspec.field(
        name="with"
    )


class ComparedStep(Outgoing):
    """A step of either run, or of both; `missing` is on the left only, `extra` on the right only.

    `diff`, of what is `changed`, makes the right one's `{type, description, data, state}` of the
    left one's (RFC 6902); the state is in both where it differs and is not left out.
    """

    left: Step | None
    right: Step | None
    change: Literal["same", "changed", "missing", "extra"]
    diff: list[Operation] | None


class ComparedRun(Outgoing):
    """A run in figures. `tools` counts its tool calls by the tool's name.

    `durationMs` ends with the run, or while it is live with its last step.
    """

    id: UUID
    agent: str | None
    status: ExecutionStatus
    steps: int
    tools: dict[str, int]
    usage: Used
    duration_ms: float | None
    started_at: datetime | None
    finished_at: datetime | None


class ComparisonSummary(Outgoing):
    """Both runs in figures, and how many rows there are of each kind."""

    left: ComparedRun
    right: ComparedRun
    same: int
    changed: int
    missing: int
    extra: int


class Comparison(Outgoing):
    """Two runs side by side. `divergesAt` is the first step that is not the same in both.

    `stateDiffsLeftOut` counts the rows, the last ones, whose diff is without the states.
    """

    diverges_at: int | None
    steps: list[ComparedStep]
    summary: ComparisonSummary
    state_diffs_left_out: int
