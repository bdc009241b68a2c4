"""Tasks and messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.isolation import isolate_by_workspace, journal

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "tasks",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("priority", sa.Text(), server_default="medium", nullable=False),
        sa.Column("mode", sa.Text(), server_default="code", nullable=False),
        sa.Column("environment_id", sa.Uuid(), nullable=True),
        sa.Column("repository", sa.Text(), nullable=True),
        sa.Column("branch", sa.Text(), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column("labels", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status_message", sa.Text(), nullable=True),
        sa.Column("has_changes", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("pull_request", postgresql.JSONB(), nullable=True),
        sa.Column("position", sa.Double(), nullable=True),
        sa.Column("metadata", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column(
            "search",
            postgresql.TSVECTOR(),
            sa.Computed(
                "setweight(to_tsvector('simple'::regconfig, title), 'A') || setweight(to_tsvector('simple'::regconfig, description), 'B')",
                persisted=True,
            ),
            nullable=False,
        ),
        sa.CheckConstraint("mode in ('code', 'ask')", name="tasks_mode_check"),
        sa.CheckConstraint(
            "priority in ('low', 'medium', 'high', 'urgent')", name="tasks_priority_check"
        ),
        sa.CheckConstraint(
            "status in ('pending', 'in_progress', 'paused', 'blocked', 'in_review', 'completed', 'failed', 'cancelled')",
            name="tasks_status_check",
        ),
        sa.CheckConstraint("char_length(description) <= 100000", name="tasks_description_check"),
        sa.CheckConstraint("char_length(title) between 1 and 255", name="tasks_title_check"),
        sa.ForeignKeyConstraint(
            ["workspace_id", "assignee_id"],
            ["memberships.workspace_id", "memberships.user_id"],
            name="tasks_workspace_id_assignee_id_fkey",
            ondelete="SET NULL (assignee_id)",
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "environment_id"],
            ["environments.workspace_id", "environments.id"],
            name="tasks_workspace_id_environment_id_fkey",
            ondelete="SET NULL (environment_id)",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="tasks_pkey"),
    )
    op.create_index("tasks_search_idx", "tasks", ["search"], unique=False, postgresql_using="gin")
    op.create_index(
        "tasks_workspace_id_assignee_id_idx",
        "tasks",
        ["workspace_id", "assignee_id"],
        unique=False,
        postgresql_where=sa.text("assignee_id IS NOT NULL"),
    )
    op.create_index(
        "tasks_workspace_id_created_at_id_idx",
        "tasks",
        ["workspace_id", sa.literal_column("created_at DESC"), sa.literal_column("id DESC")],
        unique=False,
    )
    op.create_index(
        "tasks_workspace_id_environment_id_idx",
        "tasks",
        ["workspace_id", "environment_id"],
        unique=False,
        postgresql_where=sa.text("environment_id IS NOT NULL"),
    )
    op.create_table(
        "messages",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), server_default="message", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("payload", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role in ('user', 'assistant', 'system', 'tool')", name="messages_role_check"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "task_id"],
            ["tasks.workspace_id", "tasks.id"],
            name="messages_workspace_id_task_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="messages_pkey"),
    )
    op.create_index(
        "messages_order_key", "messages", ["workspace_id", "task_id", "position"], unique=True
    )
    isolate_by_workspace("tasks")
    journal("tasks", exclude=("search",), large=("description", "metadata"))
    isolate_by_workspace("messages")
    journal("messages", large=("text", "payload"))
