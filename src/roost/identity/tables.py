"""Who there is: users and their credentials, workspaces and memberships.

Credentials are stored as SHA-256 of the secret, never as the secret.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    Named,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from roost.db.columns import instant, made_at, row_id, row_version, tenant_id, words
from roost.db.metadata import metadata

ROLES = ("owner", "admin", "member", "viewer")


class UserColumns(TypedColumns):
    """A person or an agent; `preferences` and `profile` are free JSON objects."""

    id = row_id()
    email = words()
    name = words(default="")
    avatar_url: Named[str | None] = Column(Text)
    profile: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    preferences: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    is_active: Named[bool] = Column(Boolean, nullable=False, server_default=text("true"))
    last_login_at: Named[datetime | None] = instant()
    version = row_version()
    created_at = made_at()
    updated_at = made_at()


users = Table("users", metadata, UserColumns)
Index("users_email_key", func.lower(users.c.email), unique=True)


class IdentityColumns(TypedColumns):
    """A user as a log-in provider knows them."""

    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    provider = words()
    subject = words()
    created_at = made_at()


identities = Table("identities", metadata, IdentityColumns, UniqueConstraint("provider", "subject"))
Index(None, identities.c.user_id)


class WorkspaceColumns(TypedColumns):
    """The tenant. `slug` is unique among all workspaces."""

    id = row_id()
    slug = words()
    name = words()
    created_by: Named[UUID] = Column(Uuid, nullable=False)
    deleted_at: Named[datetime | None] = instant()
    version = row_version()
    created_at = made_at()
    updated_at = made_at()


workspaces = Table("workspaces", metadata, WorkspaceColumns, UniqueConstraint("slug"))


class MembershipColumns(TypedColumns):
    """A user's role in a workspace."""

    workspace_id: Named[UUID] = Column(
        Uuid, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True
    )
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    role = words()
    created_at = made_at()


memberships = Table(
    "memberships",
    metadata,
    MembershipColumns,
    UniqueConstraint("workspace_id", "user_id"),
    CheckConstraint("role in ('owner', 'admin', 'member', 'viewer')", name="role"),
)
Index(None, memberships.c.user_id)


class AccessTokenColumns(TypedColumns):
    """A scoped, expiring credential for one workspace; `hint` is its last four characters."""

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    name = words()
    token_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    hint = words()
    scopes: Named[list[str]] = Column(ARRAY(Text), nullable=False)
    expires_at: Named[datetime | None] = instant()
    revoked_at: Named[datetime | None] = instant()
    last_used_at: Named[datetime | None] = instant()
    created_at = made_at()


access_tokens = Table("access_tokens", metadata, AccessTokenColumns, UniqueConstraint("token_hash"))
Index(None, access_tokens.c.user_id)


class SessionColumns(TypedColumns):
    """A log-in with a cookie; it ends when idle, at `expires_at`, or when revoked."""

    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    token_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    user_agent: Named[str | None] = Column(Text)
    address: Named[str | None] = Column(Text)
    last_seen_at = made_at()
    expires_at: Named[datetime] = instant()
    revoked_at: Named[datetime | None] = instant()
    created_at = made_at()


sessions = Table("sessions", metadata, SessionColumns, UniqueConstraint("token_hash"))
Index(None, sessions.c.user_id)


class LoginLinkColumns(TypedColumns):
    """A link that logs its user in once."""

    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    token_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    expires_at: Named[datetime] = instant()
    used_at: Named[datetime | None] = instant()
    created_at = made_at()


login_links = Table("login_links", metadata, LoginLinkColumns, UniqueConstraint("token_hash"))
