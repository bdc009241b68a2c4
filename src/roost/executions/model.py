"""What a run and its steps are: the wire's structs, and which state may follow which."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from roost import errors
from roost.errors import ProblemError
from roost.tasks.model import Description, Label, Line, Moment, Short, Status, Task
from roost.web.paging import PageQuery, SortQuery
from roost.web.structs import Incoming, Outgoing

ExecutionStatus = Literal[
    "queued",
    "starting",
    "running",
    "awaiting_input",
    "completed",
    "failed",
    "cancelled",
    "stale",
]
StepType = Literal[
    "start",
    "message",
    "tool_call",
    "tool_result",
    "decision",
    "checkpoint",
    "error",
    "end",
    "rollback",
    "manual",
]
AgentName = Annotated[str, Meta(min_length=1, max_length=255)]
LeaseSeconds = Annotated[
    int, Meta(ge=1, le=86_400, description="Seconds without a heartbeat after which it is stale.")
]
Number = Annotated[int, Meta(ge=1, le=2**31 - 1, description="A step's number, from 1.")]
Count = Annotated[int, Meta(ge=0, le=2**62)]
TraceId = Annotated[
    str,
    Meta(
        pattern="^[0-9a-f]{32}$",
        description="A W3C trace id, 32 hex digits.",
        extra={"refused": "must be the 32 hex digits of a W3C trace id, in lower case"},
    ),
]
LEASE_SECONDS = 60
MOST_STEPS = 1000
"""Steps in one batch."""
STATE_LIMIT = 1024 * 1024
"""Bytes of a state's JSON."""
DATA_LIMIT = 256 * 1024
"""Bytes of the JSON of a step's data."""

TRANSITIONS: Mapping[str, frozenset[str]] = {
    "queued": frozenset({"starting", "running", "cancelled"}),
    "starting": frozenset(
        {"running", "awaiting_input", "completed", "failed", "cancelled", "stale"}
    ),
    "running": frozenset({"awaiting_input", "completed", "failed", "cancelled", "stale"}),
    "awaiting_input": frozenset({"running", "failed", "cancelled", "stale"}),
    "completed": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
    "stale": frozenset(),
}
"""Which state may follow which; to stay is always allowed. What has ended stays as it is: to go on
from there, fork it. `stale` comes of an expired lease alone."""

TASK_STATUS: Mapping[str, Status] = {
    "starting": "in_progress",
    "running": "in_progress",
    "awaiting_input": "blocked",
    "completed": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
    "stale": "pending",
}
"""What a run's state makes of its task, where the task's own transitions allow it."""


def require_transition(current: str, wanted: str) -> None:
    """Raise INVALID_STATE_TRANSITION, naming what is allowed, when the change is not."""
    allowed = TRANSITIONS[current] - {"stale"}
    if wanted != current and wanted not in allowed:
        names = sorted(allowed)
        can = f"can become {', '.join(names)}" if names else "stays so"
        raise ProblemError(
            errors.INVALID_STATE_TRANSITION,
            f"an execution that is {current} {can}, not {wanted}",
            errors=[errors.FieldError("status", f"can't follow {current}", "transition")],
            extra={"current": current, "allowed": names},
        )


class Usage(Incoming):
    """What a run has used so far, in all; `cost` in the currency that the agent counts in."""

    tokens_in: Count | UnsetType = UNSET
    tokens_out: Count | UnsetType = UNSET
    cost: Annotated[float, Meta(ge=0, le=1e15)] | UnsetType = UNSET


class TaskResult(Incoming):
    """What a run makes of its task besides its status, or instead of the usual one."""

    status: Status | UnsetType = UNSET
    status_message: Line | None | UnsetType = UNSET
    branch: Short | None | UnsetType = UNSET
    has_changes: bool | UnsetType = UNSET
    pull_request: dict[str, Any] | None | UnsetType = UNSET
    metadata: dict[str, Any] | None | UnsetType = UNSET


class ExecutionCreate(Incoming):
    """The body of `POST /executions`: a run that waits in the queue for whoever claims it.

    With `agent`, only an agent of that name can claim it.
    """

    task_id: UUID
    agent: AgentName | None = None
    agent_version: Short | None = None
    input: Raw | UnsetType = UNSET
    trace_id: TraceId | None = None


class Claim(Incoming):
    """The body of `POST /executions/claim`: who wants work, and which.

    `anyWorkspace` looks in every workspace where the caller may claim, in an order drawn by lot.
    """

    agent: AgentName
    agent_version: Short | None = None
    task_id: UUID | None = None
    environment_id: UUID | None = None
    labels: Annotated[list[Label], Meta(max_length=50)] | None = None
    lease_seconds: LeaseSeconds = LEASE_SECONDS
    trace_id: TraceId | None = None
    any_workspace: bool = False


class Heartbeat(Incoming):
    """The body of `POST /executions/{id}/heartbeat`; the lease is renewed from now."""

    lease_seconds: LeaseSeconds | None = None
    usage: Usage | None = None


class ExecutionPatch(Incoming):
    """The body of `PATCH /executions/{id}`: what is given is set, null clears it."""

    status: ExecutionStatus | UnsetType = UNSET
    agent_version: Short | None | UnsetType = UNSET
    output: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET
    usage: Usage | UnsetType = UNSET
    trace_id: TraceId | None | UnsetType = UNSET
    lease_seconds: LeaseSeconds | UnsetType = UNSET
    agent: AgentName | UnsetType = UNSET
    task: TaskResult | UnsetType = UNSET


class ExecutionQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions`; lists may repeat or be separated by commas."""

    status: list[ExecutionStatus] | None = None
    task: Annotated[list[UUID], Meta(description="Task ids.")] | None = None
    environment: Annotated[list[UUID], Meta(description="Environment ids.")] | None = None
    agent: list[str] | None = None
    claimed_by: Annotated[list[UUID], Meta(description="User ids.")] | None = None
    forked_from: Annotated[list[UUID], Meta(description="Ids of executions.")] | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None


class StepCreate(Incoming):
    """The body of `POST /executions/{id}/steps`. `state` is the run's whole state after the step.

    The same `clientKey` again gives the first step again. `durationMs` is by default the time since
    the step before.
    """

    type: StepType
    state: Raw | UnsetType = UNSET
    data: Raw | UnsetType = UNSET
    description: Description | None = None
    client_key: Annotated[str, Meta(min_length=1, max_length=255)] | None = None
    checkpoint: bool = False
    duration_ms: Annotated[float, Meta(ge=0, le=1e12)] | None = None


class StepBatch(Incoming):
    """The body of `POST /executions/{id}/steps/batch`: in order, all or none."""

    steps: Annotated[list[StepCreate], Meta(min_length=1, max_length=MOST_STEPS)]


class StepQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions/{id}/steps`."""

    type: list[StepType] | None = None
    checkpoint: bool | None = None


class StateQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /executions/{id}/state`: at a step, or a time, or by default now."""

    step: Number | None = None
    at: Moment | None = None


class Fork(Incoming):
    """The body of `POST /executions/{id}/fork`: a new run that begins with the state at a step."""

    step: Number
    agent: AgentName | None = None
    input: Raw | UnsetType = UNSET


class Rollback(Incoming):
    """The body of `POST /executions/{id}/rollback`: back to a checkpoint, and why.

    With `includeTask` the task and its messages go back to what they were then, too.
    """

    step: Number
    reason: Annotated[str, Meta(min_length=1, max_length=10_000)]
    include_task: bool = False


class ForkedFrom(Outgoing):
    """Where a run has its first state from."""

    id: UUID
    step: int


class Used(Outgoing):
    """What a run has used so far."""

    tokens_in: int
    tokens_out: int
    cost: float


class Execution(Outgoing):
    """A run as it goes out."""

    id: UUID
    workspace_id: UUID
    task_id: UUID
    environment_id: UUID | None
    agent: str | None
    agent_version: str | None
    status: ExecutionStatus
    claimed_by: UUID | None
    lease_seconds: int | None
    lease_expires_at: datetime | None
    heartbeat_at: datetime | None
    forked_from: ForkedFrom | None
    input: Any
    output: Any
    error: Any
    usage: Used
    trace_id: str | None
    step_count: int
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ClaimedEnvironment(Outgoing):
    """What a claimant needs to know of the task's environment."""

    id: UUID
    name: str
    repository: str | None
    config: dict[str, Any]


class Claimed(Execution):
    """A run that was claimed, with all that is needed to work on it.

    `secrets` are the environment's, by name; no other answer ever has them.
    """

    task: Task
    environment: ClaimedEnvironment | None
    secrets: dict[str, str]


class Step(Outgoing):
    """A step as it goes out; `stateHash` is the SHA-256 of the state that it leaves, in hex."""

    id: UUID
    execution_id: UUID
    number: int
    type: StepType
    description: str | None
    data: Any
    client_key: str | None
    checkpoint: bool
    state_hash: str | None
    duration_ms: float
    at: datetime
    created_by: UUID | None


class StepWithState(Step):
    """A step with the run's whole state after it; null when no step had given one yet."""

    state: Any


class State(Outgoing):
    """A run's state after a step; all null when no step had given one yet, `step` 0 before any."""

    step: int
    at: datetime | None
    state: Any
    state_hash: str | None


class RolledBack(Outgoing):
    """What a rollback has done: its own step, and the state that it has brought back."""

    step: StepWithState
    execution: Execution
    task: Task | None
