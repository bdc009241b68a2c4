"""Members: given another role, removed, leaving; a workspace given to another owner.

Every change has the lock of the member, whom nobody deactivates meanwhile, and then that of the
workspace, so that of two owners who go at once one stays.
"""

from typing import Any
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import Trail
from roost.identity.users.service import Shown
from roost.identity.workspaces import member_queries
from roost.identity.workspaces.service import house, show_workspace
from roost.identity.workspaces.standing import ADMINS, OWNERS, lock_workspace
from roost.web.principal import Principal
from roost.web.query import invalid

MANAGE = "members:write"


async def change_role(
    transaction: Transaction, principal: Principal, user_id: UUID, role: str, trail: Trail
) -> str:
    """Give a member a role; gives the member's JSON.

    Only owners make owners, or unmake them. CONFLICT when nobody would own the workspace.
    """
    place = {"workspace": principal.workspace_id, "user": user_id}
    await transaction.row(member_queries.LOCK_MEMBER, **place)
    own = await lock_workspace(transaction, principal, ADMINS)
    standing = await _standing(transaction, place)
    if role != standing["role"]:
        if "owner" in {role, standing["role"]} and own != "owner":
            raise ProblemError(errors.FORBIDDEN, "only an owner makes owners, or unmakes them")
        if role == "owner":
            _require_fit(standing)
        await _require_owner_beside(transaction, standing, place)
        await _set_role(transaction, place, role, trail, before=standing["role"])
    row: Any = await transaction.row(member_queries.READ_MEMBER, **place)
    body: str = row["body"]
    return body


async def remove_member(
    transaction: Transaction, principal: Principal, user_id: UUID, context: Context, trail: Trail
) -> None:
    """Take a member out of the workspace, or leave it oneself; their tokens of it end.

    For others' leaving one must be an administrator, for an owner's an owner. CONFLICT when nobody
    would own the workspace. Who has no other workspace is given one of their own.
    """
    place = {"workspace": principal.workspace_id, "user": user_id}
    leaves = user_id == principal.user_id
    if not leaves and MANAGE not in principal.permissions:
        raise ProblemError(errors.FORBIDDEN, f"to remove others needs the permission {MANAGE!r}")
    member = await transaction.row(member_queries.LOCK_MEMBER, **place)
    own = await lock_workspace(transaction, principal)
    if member is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    standing = await _standing(transaction, place)
    if not leaves and own not in (OWNERS if standing["role"] == "owner" else ADMINS):
        raise ProblemError(errors.FORBIDDEN, "only an owner removes owners, and no member others")
    await _require_owner_beside(transaction, standing, place)
    await transaction.row(member_queries.REMOVE_MEMBER, **place)
    action = "member.left" if leaves else "member.removed"
    await trail.record(transaction, action, ("user", user_id), role=standing["role"])
    await house(transaction, member, context, trail)


async def transfer_workspace(
    transaction: Transaction, principal: Principal, user_id: UUID, trail: Trail
) -> Shown:
    """Make a member the owner and the caller, who owned it, an admin."""
    if user_id == principal.user_id:
        raise invalid("userId", "must be another member's")
    place = {"workspace": principal.workspace_id, "user": user_id}
    mine = {"workspace": principal.workspace_id, "user": principal.user_id}
    await transaction.row(member_queries.LOCK_MEMBER, **place)
    await lock_workspace(transaction, principal, OWNERS)
    standing = await _standing(transaction, place)
    _require_fit(standing)
    await _set_role(transaction, place, "owner", trail, before=standing["role"])
    await _set_role(transaction, mine, "admin", trail, before="owner")
    await trail.record(transaction, "workspace.transferred", ("user", user_id))
    return await show_workspace(transaction, principal.user_id, principal.workspace_id)


async def _standing(transaction: Transaction, place: dict[str, UUID]) -> Any:  # noqa: ANN401 -- a record
    row = await transaction.row(member_queries.STANDING, **place)
    if row is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    return row


def _require_fit(standing: Any) -> None:  # noqa: ANN401 -- a record
    """Raise CONFLICT for those who could do nothing as an owner: the deactivated, and agents."""
    if not standing["is_active"] or standing["kind"] != "person":
        raise ProblemError(errors.CONFLICT, "an owner must be an active person")


async def _require_owner_beside(
    transaction: Transaction,
    standing: Any,  # noqa: ANN401 -- a record
    place: dict[str, UUID],
) -> None:
    if standing["role"] != "owner":
        return
    if await transaction.row(queries.OWNER_BESIDE, **place) is None:
        raise ProblemError(
            errors.CONFLICT,
            "that is the workspace's last owner",
            hint="Make somebody else its owner first, or delete it.",
        )


async def _set_role(
    transaction: Transaction, place: dict[str, UUID], role: str, trail: Trail, *, before: str
) -> None:
    if role == before:
        return
    await transaction.row(member_queries.SET_ROLE, **place, new_role=role)
    await trail.record(
        transaction,
        "member.role_changed",
        ("user", place["user"]),
        before=before,
        after=role,
    )
