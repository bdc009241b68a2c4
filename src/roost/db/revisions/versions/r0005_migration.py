"""Migrations of browser data: dumps, items, receipts, documents, kept secrets."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.isolation import isolate_by_workspace, journal, open_to_owner

revision = "0005"
down_revision = "0004"

# Which migrations a killed server may have left, of every workspace: their names, nothing else.
_UNFINISHED = """
create function unfinished_migrations()
returns table (workspace_id uuid, user_id uuid, id uuid)
language sql stable security definer set search_path = pg_catalog, pg_temp
as $$
    select m.workspace_id, m.user_id, m.id from public.migrations m
    where m.state in ('received', 'applying', 'verifying') order by m.created_at
$$
"""


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "documents",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("sub_id", sa.Text(), server_default="", nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("content_type", sa.Text(), server_default="text/plain", nullable=False),
        sa.Column("encoding", sa.Text(), server_default="text", nullable=False),
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
        sa.PrimaryKeyConstraint("workspace_id", "id", name="documents_pkey"),
    )
    op.create_index(
        "documents_workspace_id_user_id_key_idx",
        "documents",
        ["workspace_id", "user_id", "key"],
        unique=False,
    )
    op.create_table(
        "kept_secrets",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("ciphertext", sa.LargeBinary(), nullable=False),
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
        sa.PrimaryKeyConstraint("workspace_id", "id", name="kept_secrets_pkey"),
        sa.UniqueConstraint(
            "workspace_id", "user_id", "name", name="kept_secrets_workspace_id_user_id_name_key"
        ),
    )
    op.create_table(
        "migrations",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("config", postgresql.JSONB(), nullable=False),
        sa.Column("counts", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("progress", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("error", postgresql.JSONB(), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "updated_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="migrations_pkey"),
    )
    op.create_index(
        "migrations_one_running_key",
        "migrations",
        ["workspace_id", "user_id"],
        unique=True,
        postgresql_where=sa.text("state in ('received', 'applying', 'verifying')"),
    )
    op.create_table(
        "migration_dumps",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
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
            name="migration_dumps_workspace_id_migration_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="migration_dumps_pkey"),
        sa.UniqueConstraint(
            "workspace_id", "migration_id", name="migration_dumps_workspace_id_migration_id_key"
        ),
    )
    op.create_table(
        "migration_items",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=True),
        sa.Column("target_id", sa.Uuid(), nullable=True),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("byte_offset", sa.BigInteger(), nullable=True),
        sa.Column("warnings", postgresql.JSONB(), server_default="[]", nullable=False),
        sa.Column("conflict", postgresql.JSONB(), nullable=True),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["workspace_id", "migration_id"],
            ["migrations.workspace_id", "migrations.id"],
            name="migration_items_workspace_id_migration_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="migration_items_pkey"),
    )
    op.create_index(
        "migration_items_order_key",
        "migration_items",
        ["workspace_id", "migration_id", "position"],
        unique=True,
    )
    op.create_table(
        "migration_keys",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("migration_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("item_count", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("stored", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "migration_id"],
            ["migrations.workspace_id", "migrations.id"],
            name="migration_keys_workspace_id_migration_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="migration_keys_pkey"),
        sa.UniqueConstraint(
            "workspace_id",
            "migration_id",
            "key",
            name="migration_keys_workspace_id_migration_id_key_key",
        ),
    )
    for table in ("migrations", "migration_keys"):
        isolate_by_workspace(table)
        journal(table)
    isolate_by_workspace("migration_items")
    journal("migration_items", exclude=("digest",), large=("conflict",))
    isolate_by_workspace("migration_dumps")
    journal("migration_dumps", exclude=("content",))
    isolate_by_workspace("documents")
    journal("documents", large=("content",))
    isolate_by_workspace("kept_secrets")
    journal("kept_secrets", exclude=("ciphertext",))
    open_to_owner("migrations")
    op.execute(_UNFINISHED)
    op.execute("revoke all on function unfinished_migrations() from public")
    op.execute("grant execute on function unfinished_migrations() to roost_app")
