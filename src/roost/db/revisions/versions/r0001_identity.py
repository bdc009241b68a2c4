"""The journal, and who there is: users, credentials, workspaces, memberships."""

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from roost.db.revisions.isolation import (
    CREDENTIAL,
    TENANT,
    USER,
    isolate,
    journal,
    open_to_owner,
    run_script,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    run_script(context.config.attributes["journal"])
    op.execute("grant usage on schema public to roost_app")
    op.execute("grant select on alembic_version to roost_app")
    op.create_table(
        "users",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("avatar_url", sa.Text(), nullable=True),
        sa.Column("profile", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("preferences", postgresql.JSONB(), server_default="{}", nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("last_login_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.PrimaryKeyConstraint("id", name="users_pkey"),
    )
    op.create_index("users_email_key", "users", [sa.literal_column("lower(email)")], unique=True)
    op.create_table(
        "workspaces",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
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
        sa.PrimaryKeyConstraint("id", name="workspaces_pkey"),
        sa.UniqueConstraint("slug", name="workspaces_slug_key"),
    )
    op.create_table(
        "access_tokens",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="access_tokens_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="access_tokens_pkey"),
        sa.UniqueConstraint("token_hash", name="access_tokens_token_hash_key"),
    )
    op.create_index("access_tokens_user_id_idx", "access_tokens", ["user_id"], unique=False)
    op.create_table(
        "identities",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="identities_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="identities_pkey"),
        sa.UniqueConstraint("provider", "subject", name="identities_provider_subject_key"),
    )
    op.create_index("identities_user_id_idx", "identities", ["user_id"], unique=False)
    op.create_table(
        "login_links",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="login_links_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="login_links_pkey"),
        sa.UniqueConstraint("token_hash", name="login_links_token_hash_key"),
    )
    op.create_table(
        "memberships",
        sa.Column("workspace_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.CheckConstraint(
            "role in ('owner', 'admin', 'member', 'viewer')", name="memberships_role_check"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="memberships_user_id_fkey", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["workspace_id"],
            ["workspaces.id"],
            name="memberships_workspace_id_fkey",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="memberships_pkey"),
        sa.UniqueConstraint("workspace_id", "user_id", name="memberships_workspace_id_user_id_key"),
    )
    op.create_index("memberships_user_id_idx", "memberships", ["user_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column(
            "last_seen_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name="sessions_user_id_fkey", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="sessions_pkey"),
        sa.UniqueConstraint("token_hash", name="sessions_token_hash_key"),
    )
    op.create_index("sessions_user_id_idx", "sessions", ["user_id"], unique=False)
    _isolate()
    _tell_of_changes()
    for table in ("users", "identities", "workspaces", "memberships", "access_tokens"):
        open_to_owner(table)
    open_to_owner("sessions")
    open_to_owner("login_links")
    journal("users", workspace=None)
    journal("workspaces", workspace="id")
    journal("memberships")
    journal("access_tokens", exclude=("token_hash",))


def _isolate() -> None:
    mine = f"user_id = {USER}"
    isolate("memberships", f"workspace_id = {TENANT} or {mine}", f"workspace_id = {TENANT}")
    isolate(
        "workspaces",
        f"id = {TENANT} or exists (select from memberships m "
        f"where m.workspace_id = workspaces.id and m.{mine})",
        f"id = {TENANT}",
    )
    members = f"(select m.user_id from memberships m where m.workspace_id = {TENANT})"
    isolate("users", f"id = {USER} or id in {members}", f"id = {USER} or {TENANT} is not null")
    isolate("identities", f"{mine} or user_id in {members}")
    isolate("access_tokens", f"workspace_id = {TENANT} or token_hash = {CREDENTIAL}")
    isolate("sessions", f"{mine} or token_hash = {CREDENTIAL} or user_id in {members}")
    isolate("login_links", f"{mine} or token_hash = {CREDENTIAL}")


def _tell_of_changes() -> None:
    """Tell every worker when somebody's rights shrink: such changes are rare, so NOTIFY is cheap."""
    op.execute(
        """
        create function principal_changed() returns trigger language plpgsql as $$
        begin
          perform pg_notify('roost_principal', '');
          return null;
        end $$
        """
    )
    for table, columns in (
        ("users", "is_active"),
        ("memberships", "role"),
        ("workspaces", "deleted_at, slug"),
        ("access_tokens", "revoked_at, expires_at, scopes"),
        ("sessions", "revoked_at, expires_at"),
    ):
        op.execute(
            f"create trigger principal_changed after delete or update of {columns} on {table} "
            "for each statement execute function principal_changed()"
        )
