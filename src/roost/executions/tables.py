"""Executions and their steps."""

from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKeyConstraint,
    Index,
    Integer,
    Named,
    Table,
    Text,
    TypedColumns,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

from roost.db.columns import instant, made_at, row_id, row_version, tenant_id, words
from roost.db.metadata import metadata

LIVE: Final = ("starting", "running", "awaiting_input")
"""The states of a run that somebody is at work on, under a lease."""
ENDED: Final = ("completed", "failed", "cancelled", "stale")
STATUSES: Final = ("queued", *LIVE, *ENDED)
STEP_TYPES: Final = (
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
)


def _listed(values: tuple[str, ...]) -> str:
    return ", ".join(f"'{value}'" for value in values)


class ExecutionColumns(TypedColumns):
    """One run of an agent on a task. `claimed_by` holds the lease, until `lease_expires_at`.

    `rank` is the place of the task's priority, 1 for urgent to 4 for low, while the run is queued.
    `environment_id` is the task's when the run was made or started. `cost` has no currency.
    """

    workspace_id = tenant_id()
    id = row_id()
    task_id: Named[UUID] = Column(Uuid, nullable=False)
    environment_id: Named[UUID | None] = Column(Uuid)
    agent: Named[str | None] = Column(Text)
    agent_version: Named[str | None] = Column(Text)
    status = words(default="queued")
    rank: Named[int] = Column(Integer, nullable=False, server_default="3")
    claimed_by: Named[UUID | None] = Column(Uuid)
    lease_seconds: Named[int | None] = Column(Integer)
    lease_expires_at: Named[datetime | None] = instant()
    heartbeat_at: Named[datetime | None] = instant()
    forked_from_id: Named[UUID | None] = Column(Uuid)
    forked_from_step: Named[int | None] = Column(Integer)
    input: Named[Any] = Column(JSONB, nullable=True)
    output: Named[Any] = Column(JSONB, nullable=True)
    error: Named[Any] = Column(JSONB, nullable=True)
    tokens_in: Named[int] = Column(BigInteger, nullable=False, server_default="0")
    tokens_out: Named[int] = Column(BigInteger, nullable=False, server_default="0")
    cost: Named[float] = Column(Double, nullable=False, server_default="0")
    trace_id: Named[str | None] = Column(Text)
    created_by: Named[UUID | None] = Column(Uuid)
    version = row_version()
    created_at = made_at()
    updated_at = made_at()
    started_at: Named[datetime | None] = instant()
    finished_at: Named[datetime | None] = instant()


executions = Table(
    "executions",
    metadata,
    ExecutionColumns,
    CheckConstraint(f"status in ({_listed(STATUSES)})", name="status"),
    CheckConstraint(
        f"(status in ({_listed(LIVE)})) = (lease_expires_at is not null)", name="lease"
    ),
    ForeignKeyConstraint(
        ["workspace_id", "task_id"], ["tasks.workspace_id", "tasks.id"], ondelete="CASCADE"
    ),
)
_e = executions.c
_live = text(f"status in ({_listed(LIVE)})")
Index(None, _e.workspace_id, _e.created_at.desc(), _e.id.desc())
Index(None, _e.workspace_id, _e.task_id, _e.created_at)
Index("executions_one_live_key", _e.workspace_id, _e.task_id, unique=True, postgresql_where=_live)
Index("executions_lease_idx", _e.lease_expires_at, postgresql_where=_live)
Index(
    "executions_queue_idx",
    _e.workspace_id,
    _e.rank,
    _e.created_at,
    _e.id,
    postgresql_where=text("status = 'queued'"),
)


class StepColumns(TypedColumns):
    """What a run did, in order of `number` (from 1, without gaps); never changed afterwards.

    A step that changes the run's state has it whole in `snapshot`, or in `patch` what changes the
    state before into it (RFC 6902). The step `base` is the last with a snapshot. `state_hash` is
    the SHA-256 of the state that the step leaves, in hex.
    JSON, not JSONB: numbers stay as they were sent.
    """

    workspace_id = tenant_id()
    id = row_id()
    execution_id: Named[UUID] = Column(Uuid, nullable=False)
    number: Named[int] = Column(Integer, nullable=False)
    type = words()
    description: Named[str | None] = Column(Text)
    data: Named[Any] = Column(JSONB, nullable=True)
    client_key: Named[str | None] = Column(Text)
    is_checkpoint: Named[bool] = Column(Boolean, nullable=False, server_default=text("false"))
    snapshot: Named[Any] = Column(JSON, nullable=True)
    patch: Named[Any] = Column(JSON, nullable=True)
    base: Named[int | None] = Column(Integer)
    state_hash: Named[str | None] = Column(Text)
    duration_ms: Named[float] = Column(Double, nullable=False, server_default="0")
    at = made_at()
    created_by: Named[UUID | None] = Column(Uuid)


steps = Table(
    "steps",
    metadata,
    StepColumns,
    CheckConstraint(f"type in ({_listed(STEP_TYPES)})", name="type"),
    CheckConstraint("number >= 1", name="number"),
    CheckConstraint("snapshot is null or patch is null", name="state"),
    ForeignKeyConstraint(
        ["workspace_id", "execution_id"],
        ["executions.workspace_id", "executions.id"],
        ondelete="CASCADE",
    ),
)
_s = steps.c
Index("steps_order_key", _s.workspace_id, _s.execution_id, _s.number, unique=True)
Index(
    "steps_client_key_key",
    _s.workspace_id,
    _s.execution_id,
    _s.client_key,
    unique=True,
    postgresql_where=_s.client_key.is_not(None),
)
