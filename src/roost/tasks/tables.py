"""Tasks and the conversation of each."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Computed,
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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TSVECTOR

from roost.db.columns import instant, made_at, row_id, row_version, tenant_id, words
from roost.db.metadata import metadata

STATUSES = (
    "pending",
    "in_progress",
    "paused",
    "blocked",
    "in_review",
    "completed",
    "failed",
    "cancelled",
)
PRIORITIES = ("low", "medium", "high", "urgent")
MODES = ("code", "ask")


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    quoted = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} in ({quoted})", name=column)


class TaskColumns(TypedColumns):
    """A piece of work. `pull_request` is a JSON object; `search` is kept by the database.

    There is no foreign key on workspace and author: each insert would lock the same two rows, and
    row-level security and the server set both.
    """

    workspace_id = tenant_id()
    id = row_id()
    title = words()
    description = words(default="")
    status = words(default="pending")
    priority = words(default="medium")
    mode = words(default="code")
    environment_id: Named[UUID | None] = Column(Uuid)
    repository: Named[str | None] = Column(Text)
    branch: Named[str | None] = Column(Text)
    assignee_id: Named[UUID | None] = Column(Uuid)
    created_by: Named[UUID | None] = Column(Uuid)
    labels: Named[list[str]] = Column(ARRAY(Text), nullable=False, server_default="{}")
    due_at: Named[datetime | None] = instant()
    completed_at: Named[datetime | None] = instant()
    archived_at: Named[datetime | None] = instant()
    status_message: Named[str | None] = Column(Text)
    has_changes: Named[bool] = Column(Boolean, nullable=False, server_default=text("false"))
    pull_request: Named[dict[str, Any] | None] = Column(JSONB)
    position: Named[float | None] = Column(Double)
    metadata: Named[dict[str, Any]] = Column("metadata", JSONB, nullable=False, server_default="{}")
    version = row_version()
    created_at = made_at()
    updated_at = made_at()
    search: Named[str] = Column(
        TSVECTOR,
        Computed(
            "setweight(to_tsvector('simple'::regconfig, title), 'A') || "
            "setweight(to_tsvector('simple'::regconfig, description), 'B')",
            persisted=True,
        ),
    )


tasks = Table(
    "tasks",
    metadata,
    TaskColumns,
    _one_of("status", STATUSES),
    _one_of("priority", PRIORITIES),
    _one_of("mode", MODES),
    CheckConstraint("char_length(title) between 1 and 255", name="title"),
    CheckConstraint("char_length(description) <= 100000", name="description"),
    ForeignKeyConstraint(
        ["workspace_id", "environment_id"],
        ["environments.workspace_id", "environments.id"],
        ondelete="SET NULL (environment_id)",
    ),
    ForeignKeyConstraint(
        ["workspace_id", "assignee_id"],
        ["memberships.workspace_id", "memberships.user_id"],
        ondelete="SET NULL (assignee_id)",
    ),
)
Index(None, tasks.c.workspace_id, tasks.c.created_at.desc(), tasks.c.id.desc())
Index(
    None,
    tasks.c.workspace_id,
    tasks.c.environment_id,
    postgresql_where=tasks.c.environment_id.is_not(None),
)
Index(
    None,
    tasks.c.workspace_id,
    tasks.c.assignee_id,
    postgresql_where=tasks.c.assignee_id.is_not(None),
)
Index(
    "tasks_queue_idx",
    tasks.c.workspace_id,
    text("array_position('{urgent,high,medium,low}'::text[], priority)"),
    tasks.c.created_at,
    tasks.c.id,
    postgresql_where=text("status = 'pending' and archived_at is null"),
)
Index("tasks_search_idx", tasks.c.search, postgresql_using="gin")


class MessageColumns(TypedColumns):
    """One message of a task's conversation, in order of `position` (from 0, without gaps)."""

    workspace_id = tenant_id()
    id = row_id()
    task_id: Named[UUID] = Column(Uuid, nullable=False)
    position: Named[int] = Column(Integer, nullable=False)
    role = words()
    type = words(default="message")
    text = words(default="")
    payload: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    created_by: Named[UUID | None] = Column(Uuid)
    created_at = made_at()


messages = Table(
    "messages",
    metadata,
    MessageColumns,
    CheckConstraint("role in ('user', 'assistant', 'system', 'tool')", name="role"),
    ForeignKeyConstraint(
        ["workspace_id", "task_id"], ["tasks.workspace_id", "tasks.id"], ondelete="CASCADE"
    ),
)
Index(
    "messages_order_key",
    messages.c.workspace_id,
    messages.c.task_id,
    messages.c.position,
    unique=True,
)
