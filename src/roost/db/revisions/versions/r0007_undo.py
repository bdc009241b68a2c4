"""Undo of migrations: what each undo did, and the rows that were there before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.isolation import isolate_by_workspace, journal

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, and the columns of the migration."""
    op.add_column("migrations", sa.Column("undo", postgresql.JSONB(), nullable=True))
    op.add_column("migrations", sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True))
    journal("migrations")
    op.alter_column("migration_dumps", "content", nullable=True)
    op.create_table(
        "migration_backups",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("undo_number", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id", "migration_id"],
            ["migrations.workspace_id", "migrations.id"],
            name="migration_backups_workspace_id_migration_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="migration_backups_pkey"),
    )
    op.create_index(
        "migration_backups_workspace_id_migration_id_undo_number_idx",
        "migration_backups",
        ["workspace_id", "migration_id", "undo_number"],
        unique=False,
    )
    isolate_by_workspace("migration_backups")
    journal("migration_backups", exclude=("content",))
