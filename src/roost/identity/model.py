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
UserKind = Literal["person", "agent"]
TokenKind = Literal["personal", "service"]
AgentRole = Literal["viewer", "member", "admin"]
Scope = Literal[SCOPES]  # type: ignore[valid-type]  # the one list of scopes
Moment = Annotated[datetime, Meta(tz=True, description="RFC 3339, with a time zone.")]
# One character that shows: no control character, blank, filler or invisible format.
_VISIBLE = (
    r"[^\x00-\x20\x7f-\xa0\xad\u034f\u061c\u115f\u1160\u1680\u17b4\u17b5\u180b-\u180f\u2000-\u200f"
    r"\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U000e0000-\U000e0fff]"
)
_UNSEEN = {"refused": "has no character that can be seen"}
Name = Annotated[str, Meta(min_length=1, max_length=255, pattern=_VISIBLE, extra=_UNSEEN)]
TokenName = Annotated[str, Meta(min_length=1, max_length=100, pattern=_VISIBLE, extra=_UNSEEN)]
PersonName = Annotated[str, Meta(max_length=255)]
AvatarUrl = Annotated[str, Meta(max_length=2000)]
# Python lets a newline follow what `$` matches; JSON Schema does not.
_END = r"$(?!\n)"
_PART = "[!-?A-~\u00a1-\ud7ff]+"
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=320,
        pattern=f"^{_PART}@{_PART}{_END}",
        extra={"refused": "is not an e-mail address"},
    ),
]
Search = Annotated[str, Meta(max_length=500, description="A part of name or e-mail.")]
Slug = Annotated[
    str,
    Meta(
        max_length=63,
        pattern=f"^[a-z0-9]+(-[a-z0-9]+)*{_END}",
        description="Lower-case letters, digits and single hyphens; unique; not a UUID.",
        extra={"refused": "may have lower-case letters, digits and single hyphens between them"},
    ),
]
ProviderName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=50,
        pattern=f"^[a-z0-9_.-]+{_END}",
        extra={"refused": "may have lower-case letters, digits, and the signs _ . -"},
    ),
]
OBJECT_LIMIT = 64 * 1024
"""Bytes that a profile, or preferences, may have, written without spaces."""
MAX_TOKEN_SECONDS = 315_360_000
"""Ten years."""


class UserQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /users`."""

    search: Search | None = None
    is_active: bool | None = None
    role: list[Role] | None = None
    kind: UserKind | None = None


class UserUpsert(Incoming):
    """The body of `POST /users`: a user as a log-in provider knows them."""

    provider: ProviderName
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
    kind: UserKind
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


class TokenQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /tokens`."""

    kind: TokenKind | None = None
    expired: bool | None = None


class TokenCreate(Incoming):
    """The body of `POST /tokens`; without scopes, the token may what its maker may.

    A `service` token is an agent's of its own, whose `role` in the workspace is `member` unless it
    is given.
    """

    name: TokenName
    kind: TokenKind = "personal"
    role: AgentRole | UnsetType = UNSET
    scopes: Annotated[list[Scope], Meta(min_length=1, max_length=50)] | UnsetType = UNSET
    expires_at: Moment | None = None
    expires_in: (
        Annotated[int, Meta(ge=1, le=MAX_TOKEN_SECONDS, description="Seconds from now.")] | None
    ) = None


class Token(Outgoing):
    """An access token without its secret; `hint` is the end of it.

    It acts as the user `userId`, with that user's `role`; a service token's user is its agent.
    """

    id: UUID
    user_id: UUID
    kind: TokenKind
    role: Role
    name: str
    scopes: list[str]
    hint: str
    expires_at: datetime | None
    last_used_at: datetime | None
    created_at: datetime


class NewToken(Token):
    """An access token with its secret, which is shown this once."""

    token: str | UnsetType = UNSET


class WorkspaceQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /workspaces`."""

    deleted: Annotated[bool, Meta(description="Those you could restore.")] = False


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
    deleted_at: datetime | None
    restorable_until: datetime | None


class WorkspaceTransfer(Incoming):
    """The body of `POST /workspaces/{id}/transfer`: who is to own it."""

    user_id: UUID


class MemberQuery(SortQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /workspaces/{id}/members`."""

    search: Search | None = None
    role: list[Role] | None = None


class MemberPatch(Incoming):
    """The body of `PATCH /workspaces/{id}/members/{userId}`."""

    role: Role


class Member(Outgoing):
    """A member of a workspace."""

    user_id: UUID
    email: str
    kind: UserKind
    name: str
    avatar_url: str | None
    is_active: bool
    role: Role
    created_at: datetime


class LinkQuery(msgspec.Struct, frozen=True):
    """The parameter of `GET /auth/link`."""

    token: Annotated[str, Meta(max_length=200, description="The secret of the link.")]


class Provider(Outgoing):
    """A log-in provider that is set up; `login_url` begins a log-in."""

    id: str
    name: str
    login_url: str


class ReturnQuery(msgspec.Struct, frozen=True, rename="camel"):
    """The parameter of pages and routes that begin a log-in."""

    return_to: (
        Annotated[
            str,
            Meta(max_length=4000, description="Where to go afterwards: a path, or a known one."),
        ]
        | None
    ) = None


class AddressToGo(Outgoing):
    """An address that the browser is to be sent to."""

    url: str


class LinkedIdentity(Outgoing):
    """A user as a log-in provider knows them."""

    id: UUID
    provider: str
    email: str | None
    email_verified: bool
    name: str | None
    last_login_at: datetime | None
    created_at: datetime
