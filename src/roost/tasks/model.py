"""What a task is: the wire's structs, and which status may follow which."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from roost import errors
from roost.errors import ProblemError
from roost.history.model import Restore
from roost.history.moments import AsOf
from roost.web.paging import PageQuery, SortQuery
from roost.web.structs import Incoming, Outgoing

Status = Literal[
    "pending", "in_progress", "paused", "blocked", "in_review", "completed", "failed", "cancelled"
]
Priority = Literal["low", "medium", "high", "urgent"]
Mode = Literal["code", "ask"]
Role = Literal["user", "assistant", "system", "tool"]
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with a time zone.")]
Title = Annotated[str, Meta(min_length=1, max_length=255)]
Description = Annotated[str, Meta(max_length=100_000)]
Short = Annotated[str, Meta(max_length=255)]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
Labels = Annotated[list[Label], Meta(max_length=50)]
Line = Annotated[str, Meta(max_length=1000)]
Version = Annotated[int, Meta(ge=1)]

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "pending": frozenset({"in_progress", "paused", "blocked", "completed", "failed", "cancelled"}),
    "in_progress": frozenset(
        {"pending", "paused", "blocked", "in_review", "completed", "failed", "cancelled"}
    ),
    "paused": frozenset({"pending", "in_progress", "blocked", "failed", "cancelled"}),
    "blocked": frozenset({"pending", "in_progress", "paused", "failed", "cancelled"}),
    "in_review": frozenset({"in_progress", "blocked", "completed", "failed", "cancelled"}),
    "completed": frozenset({"in_progress", "in_review"}),
    "failed": frozenset({"pending", "in_progress", "cancelled"}),
    "cancelled": frozenset({"pending"}),
}
"""Which status may follow which; to stay is always allowed. Work that has ended is reopened by
going back to work, a cancelled task by queueing it anew."""


def require_transition(current: str, wanted: str) -> None:
    """Raise INVALID_STATE_TRANSITION, naming what is allowed, when the change is not."""
    allowed = TRANSITIONS[current]
    if wanted != current and wanted not in allowed:
        names = sorted(allowed)
        raise ProblemError(
            errors.INVALID_STATE_TRANSITION,
            f"a task that is {current} can become {', '.join(names)}, not {wanted}",
            errors=[errors.FieldError("status", f"can't follow {current}", "transition")],
            extra={"current": current, "allowed": names},
        )


class PullRequest(Incoming):
    """A pull request that a task has led to, as its host names it."""

    number: Annotated[int, Meta(ge=1)]
    url: Annotated[str, Meta(max_length=2000)]
    state: Annotated[str, Meta(max_length=50)] = "open"
    merged: bool = False
    head_ref: Short | None = None
    head_sha: Short | None = None
    base_ref: Short | None = None
    author: Short | None = None


class TaskCreate(Incoming):
    """The body of `POST /tasks`."""

    title: Title
    description: Description = ""
    status: Status = "pending"
    priority: Priority = "medium"
    mode: Mode = "code"
    environment_id: UUID | None = None
    repository: Short | None = None
    branch: Short | None = None
    assignee_id: UUID | None = None
    labels: Labels = msgspec.field(default_factory=list)
    due_at: Moment | None = None
    completed_at: Moment | None = None
    archived_at: Moment | None = None
    status_message: Line | None = None
    has_changes: bool = False
    pull_request: PullRequest | None = None
    position: float | None = None
    metadata: dict[str, Any] = msgspec.field(default_factory=dict)


class TaskPatch(Incoming):
    """The body of `PATCH /tasks/{id}`: a merge patch (RFC 7396).

    Null makes of a field what it is in a new task.
    """

    title: Title | UnsetType = UNSET
    description: Description | None | UnsetType = UNSET
    status: Status | UnsetType = UNSET
    priority: Priority | None | UnsetType = UNSET
    mode: Mode | None | UnsetType = UNSET
    environment_id: UUID | None | UnsetType = UNSET
    repository: Short | None | UnsetType = UNSET
    branch: Short | None | UnsetType = UNSET
    assignee_id: UUID | None | UnsetType = UNSET
    labels: Labels | None | UnsetType = UNSET
    due_at: Moment | None | UnsetType = UNSET
    completed_at: Moment | None | UnsetType = UNSET
    archived_at: Moment | None | UnsetType = UNSET
    status_message: Line | None | UnsetType = UNSET
    has_changes: bool | None | UnsetType = UNSET
    pull_request: dict[str, Any] | None | UnsetType = UNSET
    position: float | None | UnsetType = UNSET
    metadata: dict[str, Any] | None | UnsetType = UNSET


class CreateOperation(Incoming, tag_field="op", tag="create"):
    """Make a task."""

    task: TaskCreate


class UpdateOperation(Incoming, tag_field="op", tag="update"):
    """Change a task; `version` is the condition that `If-Match` would be."""

    id: UUID
    changes: TaskPatch
    version: Version | None = None


class DeleteOperation(Incoming, tag_field="op", tag="delete"):
    """Delete a task."""

    id: UUID
    version: Version | None = None


class TaskBatch(Incoming):
    """The body of `POST /tasks/batch`: done in order, in one transaction, all or none."""

    operations: Annotated[
        list[CreateOperation | UpdateOperation | DeleteOperation],
        Meta(min_length=1, max_length=1000),
    ]


class MessageCreate(Incoming):
    """The body of `POST /tasks/{id}/messages`."""

    role: Role = "user"
    type: Annotated[str, Meta(min_length=1, max_length=100)] = "message"
    text: Annotated[str, Meta(max_length=1_000_000)] = ""
    payload: dict[str, Any] = msgspec.field(default_factory=dict)


class TaskQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /tasks`; lists may repeat or be separated by commas."""

    status: list[Status] | None = None
    priority: list[Priority] | None = None
    assignee: Annotated[list[str], Meta(description="User ids, `me`, or `none`.")] | None = None
    environment: Annotated[list[str], Meta(description="Environment ids, or `none`.")] | None = None
    label: Annotated[list[str], Meta(description="Tasks that have all of them.")] | None = None
    created_by: Annotated[list[str], Meta(description="User ids, or `me`.")] | None = None
    archived: bool | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    updated_after: Moment | None = None
    updated_before: Moment | None = None
    as_of: AsOf | None = None
    search: (
        Annotated[
            str,
            Meta(
                max_length=500,
                description="Words (also their beginnings, also misspelt) and literal pieces.",
            ),
        ]
        | None
    ) = None


class SearchQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /tasks/search`."""

    search: Annotated[str, Meta(min_length=1, max_length=500)]
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class MessageQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /tasks/{id}/messages`."""

    as_of: AsOf | None = None


class TaskRestore(Restore):
    """The body of `POST /tasks/{id}/restore`; with `messages`, the conversation goes back too."""

    messages: bool = False


class Task(Outgoing):
    """A task as it goes out."""

    id: UUID
    workspace_id: UUID
    title: str
    description: str
    status: Status
    priority: Priority
    mode: Mode
    environment_id: UUID | None
    repository: str | None
    branch: str | None
    assignee_id: UUID | None
    created_by: UUID | None
    labels: list[str]
    due_at: datetime | None
    completed_at: datetime | None
    archived_at: datetime | None
    status_message: str | None
    has_changes: bool
    pull_request: dict[str, Any] | None
    position: float | None
    metadata: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


class Message(Outgoing):
    """A message as it goes out; `position` counts from 0 without gaps."""

    id: UUID
    task_id: UUID
    position: int
    role: Role
    type: str
    text: str
    payload: dict[str, Any]
    created_by: UUID | None
    created_at: datetime


class FoundTask(Task):
    """A task that a search has found; `score` is larger for better matches."""

    score: float


class BatchResult(Outgoing):
    """What one operation of a batch did; `task` is null for a deletion."""

    op: Literal["create", "update", "delete"]
    id: UUID
    task: Task | None
