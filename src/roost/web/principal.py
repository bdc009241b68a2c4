"""Who is asking, and what they may do. One permission table for every way in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol
from uuid import UUID

PERMISSIONS: Mapping[str, frozenset[str]] = {
    # permission -> the roles that have it
    "tasks:read": frozenset({"owner", "admin", "member", "viewer"}),
    "tasks:write": frozenset({"owner", "admin", "member"}),
    "environments:read": frozenset({"owner", "admin", "member", "viewer"}),
    "environments:write": frozenset({"owner", "admin", "member"}),
    "users:read": frozenset({"owner", "admin", "member", "viewer"}),
    "users:write": frozenset({"owner", "admin", "member", "viewer"}),
    "workspaces:read": frozenset({"owner", "admin", "member", "viewer"}),
    "workspaces:write": frozenset({"owner", "admin", "member", "viewer"}),
    "tokens:read": frozenset({"owner", "admin", "member", "viewer"}),
    "tokens:write": frozenset({"owner", "admin", "member", "viewer"}),
    "migration:read": frozenset({"owner", "admin", "member"}),
    "migration:write": frozenset({"owner", "admin", "member"}),
    "performance:read": frozenset({"owner", "admin"}),
    "performance:write": frozenset({"owner", "admin"}),
    "admin": frozenset({"owner", "admin"}),
}
AREAS = tuple(sorted({name.partition(":")[0] for name in PERMISSIONS}))
SCOPES = tuple(sorted({*PERMISSIONS, *(f"{area}:*" for area in AREAS if area != "admin"), "*"}))
"""What a token's scope may be: a permission, all of an area (`tasks:*`), or everything (`*`)."""


def grants(scopes: frozenset[str], permission: str) -> bool:
    """Whether the scopes cover the permission; to write in an area is to read in it."""
    area, _, verb = permission.partition(":")
    return (
        "*" in scopes
        or permission in scopes
        or f"{area}:*" in scopes
        or (verb == "read" and f"{area}:write" in scopes)
    )


@dataclass(frozen=True, slots=True)
class Principal:
    """A user at work in one workspace, and the credential they came with.

    `permissions` is what the role and the credential's scopes both allow.
    """

    user_id: UUID
    workspace_id: UUID
    role: str
    scopes: frozenset[str]
    kind: Literal["token", "session"]
    credential_id: UUID
    permissions: frozenset[str]

    @property
    def is_admin(self) -> bool:
        """Whether role and credential allow the work of an administrator."""
        return "admin" in self.permissions


def permissions_of(role: str, scopes: frozenset[str]) -> frozenset[str]:
    """What a role may do with a credential of these scopes."""
    return frozenset(
        name for name, roles in PERMISSIONS.items() if role in roles and grants(scopes, name)
    )


class Authenticator(Protocol):
    """Turns what a request carries into a principal."""

    async def authenticate(
        self, bearer: str | None, cookie: str | None, workspace: str | None
    ) -> Principal | None:
        """Give the principal, or None when the credential is not live.

        `workspace` is an id or slug; raises ProblemError when the user is no member of it.
        """
