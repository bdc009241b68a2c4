"""What Roost answers with: fields that a newer server adds are passed over."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

Id = UUID | str


class Answer(msgspec.Struct, rename="camel", kw_only=True):
    """The base of what is read: camelCase on the wire."""


class PullRequest(Answer, omit_defaults=True):
    """A pull request that a task has led to."""

    number: int
    url: str
    state: str = "open"
    merged: bool = False
    head_ref: str | None = None
    head_sha: str | None = None
    base_ref: str | None = None
    author: str | None = None


class Task(Answer):
    """A task."""

    id: UUID
    workspace_id: UUID
    title: str
    description: str
    status: str
    priority: str
    mode: str
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
    pull_request: PullRequest | None
    position: float | None
    metadata: dict[str, Any]
    version: int
    created_at: datetime
    updated_at: datetime


class Message(Answer):
    """A message of a task's conversation; `position` counts from 0."""

    id: UUID
    task_id: UUID
    position: int
    role: str
    type: str
    text: str
    payload: dict[str, Any]
    created_by: UUID | None
    created_at: datetime


class ForkedFrom(Answer):
    """Where a run has its first state from."""

    id: UUID
    step: int


class Usage(Answer):
    """What a run has used, in all; `cost` in the currency that the agent counts in."""

    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0


class Execution(Answer):
    """One run of an agent on a task."""

    id: UUID
    workspace_id: UUID
    task_id: UUID
    environment_id: UUID | None
    agent: str | None
    agent_version: str | None
    status: str
    claimed_by: UUID | None
    lease_seconds: int | None
    lease_expires_at: datetime | None
    heartbeat_at: datetime | None
    forked_from: ForkedFrom | None
    input: Any
    output: Any
    error: Any
    usage: Usage
    trace_id: str | None
    step_count: int
    created_by: UUID | None
    version: int
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class Environment(Answer):
    """What a claimant needs to know of the task's environment."""

    id: UUID
    name: str
    repository: str | None
    config: dict[str, Any]


class Claimed(Execution):
    """A run that was claimed, with its task, and the secrets of its environment by name."""

    task: Task
    environment: Environment | None
    secrets: dict[str, str]

    def __repr__(self) -> str:
        # What is printed or logged has no secrets.
        return f"Claimed(id={self.id}, task={self.task.title!r})"


class Step(Answer):
    """A step of a run; `state_hash` is the SHA-256 of the state that it leaves, in hex."""

    id: UUID
    execution_id: UUID
    number: int
    type: str
    description: str | None
    data: Any
    client_key: str | None
    checkpoint: bool
    state_hash: str | None
    duration_ms: float
    at: datetime
    created_by: UUID | None


class StepWithState(Step):
    """A step with the run's whole state after it."""

    state: Any


class State(Answer):
    """A run's state after a step; all null when no step had given one yet."""

    step: int
    at: datetime | None
    state: Any
    state_hash: str | None


class RolledBack(Answer):
    """What a rollback has done: its own step, and what it has brought back."""

    step: StepWithState
    execution: Execution
    task: Task | None
