"""Who is asking, and what they may do. One permission table for every way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

_ALL = frozenset({"owner", "admin", "member", "viewer"})
_MEMBERS = frozenset({"owner", "admin", "member"})
_ADMINS = frozenset({"owner", "admin"})
_OWNERS = frozenset({"owner"})
PERMISSIONS: Mapping[str, frozenset[str]] = {
    # permission -> the roles that have it
    "tasks:read": _ALL,
    "tasks:write": _MEMBERS,
    "environments:read": _ALL,
    "environments:write": _MEMBERS,
    "executions:read": _ALL,
    "executions:write": _MEMBERS,
    "users:read": _ALL,
    "users:write": _ALL,
    "workspaces:read": _ALL,
    "workspaces:create": _ALL,
    "workspaces:join": _ALL,
    "workspaces:leave": _ALL,
    "workspaces:write": _ADMINS,
    "workspaces:own": _OWNERS,
    "members:read": _ALL,
    "members:write": _ADMINS,
    "invitations:read": _ADMINS,
    "invitations:write": _ADMINS,
    "tokens:read": _ALL,
    "tokens:write": _ALL,
    "audit:read": _ADMINS,
    "history:read": _ALL,
    "history:write": _ADMINS,
    "migration:read": _MEMBERS,
    "migration:write": _MEMBERS,
    "sync:read": _ALL,
    "mcp:use": _ALL,
    "performance:read": _ADMINS,
    "performance:write": _ADMINS,
    "admin": _ADMINS,
}
NOT_FOR_AGENTS = frozenset({"workspaces:create", "workspaces:join", "workspaces:own"})
"""What no agent may do, whatever its role: it belongs to one workspace, and owns none."""
AREAS = tuple(sorted({name.partition(":")[0] for name in PERMISSIONS}))
SCOPES = tuple(
    sorted({*PERMISSIONS, *AREAS, *(f"{area}:*" for area in AREAS if area != "admin"), "*"})
)
"""A token's scope: a permission, an area (`tasks`, the same as `tasks:*`), or everything (`*`)."""


def grants(scopes: frozenset[str], permission: str) -> bool:
    """Whether the scopes cover the permission; to write in an area is to read in it."""
    area, _, verb = permission.partition(":")
    return (
        "*" in scopes
        or permission in scopes
        or f"{area}:*" in scopes
        or area in scopes
        or (verb == "read" and f"{area}:write" in scopes)
    )


@dataclass(frozen=True, slots=True)
class Principal:
    """A user at work in one workspace, and the credential they came with.

    `permissions` is what the role and the credential's scopes both allow. `bound_to` is the
    workspace that a token belongs to, which is where its row is. An agent is a user that is no
    person: it has one token, of one workspace.
    """

    user_id: UUID
    workspace_id: UUID
    role: str
    scopes: frozenset[str]
    kind: Literal["token", "session"]
    credential_id: UUID
    permissions: frozenset[str]
    bound_to: UUID | None = None
    is_agent: bool = False

    @property
    def is_admin(self) -> bool:
        """Whether role and credential allow the work of an administrator."""
        return "admin" in self.permissions


def permissions_of(role: str, scopes: frozenset[str], *, is_agent: bool = False) -> frozenset[str]:
    """What a role may do with a credential of these scopes."""
    allowed = {name for name, roles in PERMISSIONS.items() if role in roles}
    if is_agent:
        allowed -= NOT_FOR_AGENTS
    return frozenset(name for name in allowed if grants(scopes, name))


class Authenticator(Protocol):
    """Turns what a request carries into a principal."""

    async def authenticate(
        self, bearer: str | None, cookie: str | None, workspace: str | None
    ) -> Principal | None:
        """Give the principal, or None when the credential is not live.

        `workspace` is an id or slug; raises ProblemError when the user is no member of it.
        """
