"""Users, sessions, tokens and workspaces as they come in and go out, with their limits."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from roost.web.paging import SortQuery
from roost.web.principal import SCOPES
from roost.web.structs import Incoming, Outgoing

Role = Literal["owner", "admin", "member", "viewer"]
Scope = Literal[SCOPES]  # type: ignore[valid-type]  # the one list of scopes
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with a time zone.")]
Name = Annotated[str, Meta(min_length=1, max_length=255)]
PersonName = Annotated[str, Meta(max_length=255)]
AvatarUrl = Annotated[str, Meta(max_length=2000)]
# Python lets a newline follow what `$` matches; JSON Schema does not.
_END = r"$(?!\n)"
_PART = "[!-?A-~\u00a1-\ud7ff]+"
Email = Annotated[str, Meta(min_length=3, max_length=320, pattern=f"^{_PART}@{_PART}{_END}")]
Slug = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=f"^[a-z0-9]+(-[a-z0-9]+)*{_END}",
        description="Lower-case letters, digits and single hyphens; unique; not a UUID.",
    ),
]
OBJECT_LIMIT = 64 * 1024
"""Bytes that a profile, or preferences, may have, written without spaces."""
MAX_TOKEN_SECONDS = 315_360_000
"""Ten years."""


class UserQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /users`."""

    search: Annotated[str, Meta(max_length=500, description="A part of name or e-mail.")] | None = (
        None
    )
    is_active: bool | None = None
    role: list[Role] | None = None


class UserUpsert(Incoming):
    """The body of `POST /users`: a user as a log-in provider knows them."""

    provider: Annotated[str, Meta(min_length=1, max_length=50, pattern=f"^[a-z0-9_.-]+{_END}")]
    provider_id: Annotated[str, Meta(min_length=1, max_length=255)]
    email: Email
    name: PersonName | UnsetType = UNSET
    avatar_url: AvatarUrl | UnsetType | None = UNSET


class UserPatch(Incoming):
    """The body of `PATCH /users/{id}`: a merge patch (RFC 7396), into the objects too."""

    name: PersonName | UnsetType = UNSET
    avatar_url: AvatarUrl | UnsetType | None = UNSET
    profile: dict[str, Any] | UnsetType | None = UNSET
    preferences: dict[str, Any] | UnsetType | None = UNSET


class User(Outgoing):
    """A user, with their role in the workspace."""

    id: UUID
    email: str
    name: str
    avatar_url: str | None
    profile: dict[str, Any]
    preferences: dict[str, Any]
    is_active: bool
    role: Role
    last_login_at: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class Session(Outgoing):
    """A log-in with a cookie; `current` marks the one that asks."""

    id: UUID
    user_agent: str | None
    address: str | None
    last_seen_at: datetime
    expires_at: datetime
    created_at: datetime
    current: bool


class TokenCreate(Incoming):
    """The body of `POST /tokens`; without scopes, the token may what its maker may."""

    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    expires_at: Moment | None = None
    expires_in: (
        Annotated[int, Meta(ge=1, le=MAX_TOKEN_SECONDS, description="Seconds from now.")] | None
    ) = None


class Token(Outgoing):
    """An access token without its secret; `hint` is the end of it."""

    id: UUID
    user_id: UUID
    name: str
    scopes: list[str]
    hint: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class NewToken(Token):
    """An access token with its secret, which is shown this once."""

    token: str | UnsetType = UNSET


class WorkspaceCreate(Incoming):
    """The body of `POST /workspaces`; without a slug, one is made from the name."""

    name: Name
    slug: Slug | UnsetType = UNSET


class WorkspacePatch(Incoming):
    """The body of `PATCH /workspaces/{id}`."""

    name: Name | UnsetType = UNSET
    slug: Slug | UnsetType = UNSET


class Workspace(Outgoing):
    """A workspace, with the asking user's role in it."""

    id: UUID
    slug: str
    name: str
    role: Role
    created_by: UUID
    version: int
    created_at: datetime
    updated_at: datetime


class Member(Outgoing):
    """A member of a workspace."""

    user_id: UUID
    email: str
    name: str
    avatar_url: str | None
    is_active: bool
    role: Role
    created_at: datetime


class LinkQuery(msgspec.Struct, frozen=True):
    """The parameter of `GET /auth/link`."""

    token: Annotated[str, Meta(max_length=200, description="The secret of the link.")]


class Provider(Outgoing):
    """A log-in provider that is set up."""

    id: str
    name: str
