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
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    Named,
    Table,
    Text,
    TypedColumns,
    UniqueConstraint,
    Uuid,
    false,
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
    kind = words(default="person")
    name = words(default="")
    avatar_url: Named[str | None] = Column(Text)
    profile: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    preferences: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")
    is_active: Named[bool] = Column(Boolean, nullable=False, server_default=text("true"))
    last_login_at: Named[datetime | None] = instant()
    erased_at: Named[datetime | None] = instant()
    version = row_version()
    created_at = made_at()
    updated_at = made_at()


users = Table(
    "users", metadata, UserColumns, CheckConstraint("kind in ('person', 'agent')", name="kind")
)
Index("users_email_key", func.lower(users.c.email), unique=True)


class IdentityColumns(TypedColumns):
    """A user as a log-in provider knows them; `email` and `name` are what it last said.

    `subject_hash` is the SHA-256 of provider, line feed and subject: who has proved to be that
    subject presents it as a credential, and so finds the row before it is known whose it is.
    `issuer` is who vouched at the first log-in: nobody else may for the same subject.
    """

    id = row_id()
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    provider = words()
    subject = words()
    subject_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    issuer: Named[str | None] = Column(Text)
    email: Named[str | None] = Column(Text)
    email_verified: Named[bool] = Column(Boolean, nullable=False, server_default=false())
    name: Named[str | None] = Column(Text)
    last_login_at: Named[datetime | None] = instant()
    created_at = made_at()


identities = Table(
    "identities",
    metadata,
    IdentityColumns,
    UniqueConstraint("provider", "subject"),
    UniqueConstraint("subject_hash"),
)
Index(None, identities.c.user_id)


class ProviderTokenColumns(TypedColumns):
    """What a provider gave for acting on the user's behalf, sealed for this one identity."""

    identity_id: Named[UUID] = Column(
        Uuid, ForeignKey("identities.id", ondelete="CASCADE"), primary_key=True
    )
    user_id: Named[UUID] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    sealed: Named[bytes] = Column(LargeBinary, nullable=False)
    expires_at: Named[datetime | None] = instant()
    updated_at = made_at()
    created_at = made_at()


provider_tokens = Table("provider_tokens", metadata, ProviderTokenColumns)
Index(None, provider_tokens.c.user_id)


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
Index(None, workspaces.c.deleted_at, postgresql_where=workspaces.c.deleted_at.is_not(None))


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


class WorkspaceUserColumns(TypedColumns):
    """A user as the members of a workspace see them, for who follows live.

    Triggers of `users` and `memberships` write it; nobody else may.
    """

    workspace_id = tenant_id()
    id = row_id()
    kind = words()
    name = words()
    avatar_url: Named[str | None] = Column(Text)
    role = words()
    is_active: Named[bool] = Column(Boolean, nullable=False)
    created_at: Named[datetime] = Column(DateTime(timezone=True), nullable=False)


workspace_users = Table(
    "workspace_users",
    metadata,
    WorkspaceUserColumns,
    ForeignKeyConstraint(
        ["workspace_id", "id"],
        ["memberships.workspace_id", "memberships.user_id"],
        ondelete="CASCADE",
    ),
)
Index(None, workspace_users.c.id)


class AccessTokenColumns(TypedColumns):
    """A scoped, expiring credential for one workspace; `hint` is its last four characters."""

    workspace_id = tenant_id()
    id = row_id()
    user_id: Named[UUID] = Column(Uuid, nullable=False)
    name = words()
    token_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    hint = words()
    scopes: Named[list[str]] = Column(ARRAY(Text), nullable=False)
    expires_at: Named[datetime | None] = instant()
    revoked_at: Named[datetime | None] = instant()
    last_used_at: Named[datetime | None] = instant()
    created_at = made_at()


access_tokens = Table(
    "access_tokens",
    metadata,
    AccessTokenColumns,
    UniqueConstraint("token_hash"),
    ForeignKeyConstraint(
        ["workspace_id", "user_id"],
        ["memberships.workspace_id", "memberships.user_id"],
        ondelete="CASCADE",
    ),
)
Index(None, access_tokens.c.workspace_id, access_tokens.c.user_id)


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
Index(None, login_links.c.user_id)


class LoginAttemptColumns(TypedColumns):
    """A log-in by a provider that is under way.

    `sealed` holds the nonce, the PKCE verifier and the way back. `browser_hash` is the SHA-256 of
    the secret in the cookie of the browser that began. With `linking_user_id`, a user who is logged
    in adds an identity.
    """

    id = row_id()
    state_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    browser_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    provider = words()
    sealed: Named[bytes] = Column(LargeBinary, nullable=False)
    redirect_uri = words()
    linking_user_id: Named[UUID | None] = Column(Uuid, ForeignKey("users.id", ondelete="CASCADE"))
    linking_session_id: Named[UUID | None] = Column(
        Uuid, ForeignKey("sessions.id", ondelete="CASCADE")
    )
    expires_at: Named[datetime] = instant()
    used_at: Named[datetime | None] = instant()
    created_at = made_at()


login_attempts = Table(
    "login_attempts", metadata, LoginAttemptColumns, UniqueConstraint("state_hash")
)
Index(None, login_attempts.c.expires_at)
Index(None, login_attempts.c.linking_user_id)
Index(None, login_attempts.c.linking_session_id)


class InvitationColumns(TypedColumns):
    """A link by which somebody becomes a member; with `email`, only who has that address."""

    workspace_id = tenant_id()
    id = row_id()
    token_hash: Named[bytes] = Column(LargeBinary, nullable=False)
    role = words()
    email: Named[str | None] = Column(Text)
    created_by: Named[UUID] = Column(Uuid, nullable=False)
    expires_at: Named[datetime] = instant()
    accepted_at: Named[datetime | None] = instant()
    accepted_by: Named[UUID | None] = Column(Uuid)
    revoked_at: Named[datetime | None] = instant()
    created_at = made_at()


invitations = Table(
    "invitations",
    metadata,
    InvitationColumns,
    UniqueConstraint("token_hash"),
    CheckConstraint("role in ('admin', 'member', 'viewer')", name="role"),
)


class AuditEventColumns(TypedColumns):
    """Who did what, from where; written in the transaction of the deed, and never changed."""

    workspace_id = tenant_id()
    id = row_id()
    at = made_at()
    actor_id: Named[UUID | None] = Column(Uuid)
    action = words()
    outcome = words(default="success")
    target_type: Named[str | None] = Column(Text)
    target_id: Named[str | None] = Column(Text)
    credential_id: Named[UUID | None] = Column(Uuid)
    address: Named[str | None] = Column(Text)
    user_agent: Named[str | None] = Column(Text)
    request_id: Named[str | None] = Column(Text)
    details: Named[dict[str, Any]] = Column(JSONB, nullable=False, server_default="{}")


audit_events = Table(
    "audit_events",
    metadata,
    AuditEventColumns,
    CheckConstraint("outcome in ('success', 'failure')", name="outcome"),
)
Index(None, audit_events.c.workspace_id, audit_events.c.at.desc(), audit_events.c.id.desc())
