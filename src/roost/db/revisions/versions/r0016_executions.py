"""Executions: agents' runs on tasks, under leases, recorded in steps."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.isolation import (
    TENANT,
    grant,
    isolate_by_command,
    isolate_by_workspace,
    journal,
    open_to_owner,
    run_script,
)

revision = "0016"
down_revision = "0015"

_NOW = sa.text("now()")
_LIVE = sa.text("status in ('starting', 'running', 'awaiting_input')")


def upgrade() -> None:
    """Make the tables, the queue's index, and what claims and ends leases."""
    op.create_table(
        "executions",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=True),
        sa.Column("agent", sa.Text(), nullable=True),
        sa.Column("agent_version", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), server_default="queued", nullable=False),
        sa.Column("rank", sa.Integer(), server_default="3", nullable=False),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("lease_seconds", sa.Integer(), nullable=True),
        sa.Column("lease_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("forked_from_id", sa.Uuid(), nullable=True),
        sa.Column("forked_from_step", sa.Integer(), nullable=True),
        sa.Column("input", postgresql.JSONB(), nullable=True),
        sa.Column("output", postgresql.JSONB(), nullable=True),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("tokens_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("tokens_out", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("cost", sa.Double(), server_default="0", nullable=False),
        sa.Column("trace_id", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status in ('queued', 'starting', 'running', 'awaiting_input', 'completed', 'failed',"
            " 'cancelled', 'stale')",
            name="executions_status_check",
        ),
        sa.CheckConstraint(
            "(status in ('starting', 'running', 'awaiting_input')) = (lease_expires_at is not null)",
            name="executions_lease_check",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "task_id"],
            ["tasks.workspace_id", "tasks.id"],
            name="executions_workspace_id_task_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="executions_pkey"),
    )
    _index_executions()
    op.create_index(
        "tasks_queue_idx",
        "tasks",
        [
            "workspace_id",
            sa.text("array_position('{urgent,high,medium,low}'::text[], priority)"),
            "created_at",
            "id",
        ],
        postgresql_where=sa.text("status = 'pending' and archived_at is null"),
    )
    _make_steps()
    isolate_by_workspace("executions")
    open_to_owner("executions")
    journal("executions", large=("input", "output", "error"))
    isolate_by_command(
        "steps", select=f"workspace_id = {TENANT}", insert=f"workspace_id = {TENANT}"
    )
    grant("steps", "select, insert")
    journal("steps", large=("data", "snapshot", "patch"))
    run_script(context.config.attributes["executions"])
    op.execute(
        "create trigger follow_task after update of priority, status on tasks for each row"
        " when (new.priority <> old.priority or (new.status = 'cancelled' and old.status <> new.status))"
        " execute function follow_task()"
    )
    run_script(context.config.attributes["journal"])


def _index_executions() -> None:
    op.create_index(
        "executions_workspace_id_created_at_id_idx",
        "executions",
        ["workspace_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
    )
    op.create_index(
        "executions_workspace_id_task_id_created_at_idx",
        "executions",
        ["workspace_id", "task_id", "created_at"],
    )
    op.create_index(
        "executions_one_live_key",
        "executions",
        ["workspace_id", "task_id"],
        unique=True,
        postgresql_where=_LIVE,
    )
    op.create_index(
        "executions_lease_idx", "executions", ["lease_expires_at"], postgresql_where=_LIVE
    )
    op.create_index(
        "executions_queue_idx",
        "executions",
        ["workspace_id", "rank", "created_at", "id"],
        postgresql_where=sa.text("status = 'queued'"),
    )


def _make_steps() -> None:
    op.create_table(
        "steps",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("execution_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(), nullable=True),
        sa.Column("client_key", sa.Text(), nullable=True),
        sa.Column("is_checkpoint", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("snapshot", postgresql.JSON(), nullable=True),
        sa.Column("patch", postgresql.JSON(), nullable=True),
        sa.Column("base", sa.Integer(), nullable=True),
        sa.Column("state_hash", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.Double(), server_default="0", nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=_NOW, nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "type in ('start', 'message', 'tool_call', 'tool_result', 'decision', 'checkpoint',"
            " 'error', 'end', 'rollback', 'manual')",
            name="steps_type_check",
        ),
        sa.CheckConstraint("number >= 1", name="steps_number_check"),
        sa.CheckConstraint("snapshot is null or patch is null", name="steps_state_check"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "execution_id"],
            ["executions.workspace_id", "executions.id"],
            name="steps_workspace_id_execution_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="steps_pkey"),
    )
    op.create_index(
        "steps_order_key", "steps", ["workspace_id", "execution_id", "number"], unique=True
    )
    op.create_index(
        "steps_client_key_key",
        "steps",
        ["workspace_id", "execution_id", "client_key"],
        unique=True,
        postgresql_where=sa.text("client_key is not null"),
    )
