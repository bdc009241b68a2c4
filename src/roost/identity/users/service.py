"""What can be done with users: adding and changing them, and on whose authority."""

import json
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import UNSET
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access.credentials import subject_digest
from roost.identity.audit.trail import Trail
from roost.identity.model import OBJECT_LIMIT, UserPatch, UserUpsert
from roost.identity.workspaces import queries as workspace_queries
from roost.identity.workspaces.standing import ADMINS, lock_workspace
from roost.web.etag import require_version
from roost.web.merge import merge_patch
from roost.web.principal import Principal
from roost.web.query import invalid

Shown = tuple[str, int]
"""A user's JSON and version."""


async def show_user(transaction: Transaction, workspace_id: UUID, user_id: UUID) -> Shown:
    """Read a user back within the transaction; USER_NOT_FOUND when they are no member."""
    row = await transaction.row(queries.READ_USER, workspace=workspace_id, user=user_id)
    if row is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    return row["body"], row["version"]


async def require_rank(transaction: Transaction, principal: Principal, user_id: UUID) -> Any:  # noqa: ANN401 -- a record
    """Lock a user whom the caller ranks high enough to act on; gives the row.

    That is oneself, for admins a member, and for owners an owner. The workspace is locked as well,
    unless it is oneself: what the caller may is what they may now.
    """
    place = {"workspace": principal.workspace_id, "user": user_id}
    row = await transaction.row(queries.LOCK_USER, **place)
    if row is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    if user_id == principal.user_id:
        return row
    if not principal.is_admin:
        raise ProblemError(errors.FORBIDDEN, "only an administrator may do that to another user")
    own = await lock_workspace(transaction, principal, ADMINS)
    standing = await transaction.row(workspace_queries.ROLE, **place)
    if standing is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    if standing["role"] == "owner" and own != "owner":
        raise ProblemError(errors.FORBIDDEN, "only an owner may do that to an owner")
    return row


async def require_authority(
    transaction: Transaction, principal: Principal, user_id: UUID, context: Context
) -> Any:  # noqa: ANN401 -- a record
    """Lock a user whom the caller may rule, as `require_rank` does; gives the row.

    FORBIDDEN for a member who has a workspace elsewhere, one that can be restored included: a user
    is one and the same everywhere, and not this one's to rule.
    """
    row = await require_rank(transaction, principal, user_id)
    if user_id == principal.user_id:
        return row
    place = {"workspace": principal.workspace_id, "user": user_id}
    # Memberships elsewhere show themselves to that user alone.
    await transaction.enter(Context(principal.workspace_id, user_id))
    elsewhere = await transaction.row(queries.OTHER_HOMES, **place)
    await transaction.enter(context)
    if elsewhere is None or elsewhere["count"]:
        raise ProblemError(
            errors.FORBIDDEN, "the user belongs to other workspaces too; only they may do that"
        )
    return row


async def belongs_elsewhere(database: Database, workspace_id: UUID, user_id: UUID) -> bool:
    """Whether a member has other workspaces too, which only that user sees otherwise."""
    row = await database.read(queries.READ_OTHER_HOMES, Context(workspace_id, user_id))
    return row is None or row["count"] > 0


async def change_user(  # noqa: PLR0913 -- who, whom, what, and on which condition
    transaction: Transaction,
    principal: Principal,
    user_id: UUID,
    patch: UserPatch,
    context: Context,
    *,
    trail: Trail,
    expected: int | None,
) -> Shown:
    """Apply a merge patch; PRECONDITION_FAILED when the user has another version."""
    row = await require_authority(transaction, principal, user_id, context)
    require_version(expected, row["version"])
    values: dict[str, Any] = {}
    if patch.name is not UNSET:
        values["name"] = patch.name
    if patch.avatar_url is not UNSET:
        values["avatar_url"] = patch.avatar_url
    for name in ("profile", "preferences"):
        given = getattr(patch, name)
        if given is not UNSET:
            values[name] = _merged(name, row[name], given)
    await _update(transaction, user_id, row, values, trail)
    return await show_user(transaction, principal.workspace_id, user_id)


def _merged(name: str, stored: str, patch: dict[str, Any] | None) -> str:
    # The standard library keeps the digits of any whole number, as the database does.
    before = json.loads(stored)
    after = merge_patch(before, patch) if patch is not None else {}
    text = msgspec.json.encode(after)
    if len(text) > OBJECT_LIMIT:
        raise invalid(name, f"may have {OBJECT_LIMIT} bytes at most", "too_large")
    return stored if text == msgspec.json.encode(before) else text.decode()


async def _update(
    transaction: Transaction,
    user_id: UUID,
    row: Any,  # noqa: ANN401 -- a record
    values: dict[str, Any],
    trail: Trail,
) -> None:
    changed = {f"new_{name}": value for name, value in values.items() if row[name] != value}
    if not changed:
        return
    names = tuple(sorted(name.removeprefix("new_") for name in changed))
    await transaction.row(queries.user_update(names), user=user_id, **changed)
    if user_id != trail.actor_id:
        await trail.record(transaction, "user.updated", ("user", user_id), fields=names)


async def add_user(
    transaction: Transaction,
    principal: Principal,
    body: UserUpsert,
    context: Context,
    trail: Trail,
) -> tuple[UUID, Shown, bool]:
    """Add a user, or update the member of that identity; says whether they are new.

    CONFLICT when the identity is a stranger's, or the e-mail address anybody else's, here or
    elsewhere. FORBIDDEN when one's own address would change: nobody would have vouched for it.
    Nobody's word for an address links an identity to the user who has it: that takes a log-in there
    and a session here.
    """
    known = await transaction.row(
        queries.FIND_IDENTITY,
        workspace=principal.workspace_id,
        provider=body.provider,
        subject=body.provider_id,
    )
    user_id = known["user_id"] if known else uuid7()
    try:
        if known:
            row = await require_authority(transaction, principal, user_id, context)
            if user_id == principal.user_id and body.email != row["email"]:
                raise ProblemError(
                    errors.FORBIDDEN,
                    "nobody gives themselves another e-mail address",
                    hint="Leave `email` as it is, or let another administrator change it.",
                )
        # Whoever deletes the workspace meanwhile would not know of its new member either.
        await lock_workspace(transaction, principal, ADMINS)
        if known:
            await _update(transaction, user_id, row, _given(body), trail)
        else:
            await _insert_member(transaction, user_id, body, context)
            await trail.record(transaction, "user.added", ("user", user_id), provider=body.provider)
    except asyncpg.UniqueViolationError as error:
        raise ProblemError(
            errors.CONFLICT, "the identity or the e-mail address is in use and can't be added here"
        ) from error
    shown = await show_user(transaction, principal.workspace_id, user_id)
    return user_id, shown, known is None


def _given(body: UserUpsert) -> dict[str, Any]:
    values: dict[str, Any] = {"email": body.email}
    if body.name is not UNSET:
        values["name"] = body.name
    if body.avatar_url is not UNSET:
        values["avatar_url"] = body.avatar_url
    return values


async def _insert_member(
    transaction: Transaction, user_id: UUID, body: UserUpsert, context: Context
) -> None:
    # The policies let a user be made by none but that user.
    await transaction.enter(replace(context, user_id=user_id, actor_id=context.user_id))
    await transaction.row(
        queries.INSERT_USER,
        new_id=user_id,
        new_email=body.email,
        new_name=body.name or "",
        new_avatar_url=body.avatar_url or None,
    )
    await transaction.row(
        queries.INSERT_MEMBERSHIP,
        new_id=uuid7(),
        new_workspace_id=context.workspace_id,
        new_user_id=user_id,
        new_role="member",
    )
    await transaction.row(
        queries.INSERT_IDENTITY,
        new_id=uuid7(),
        new_user_id=user_id,
        new_provider=body.provider,
        new_subject=body.provider_id,
        new_subject_hash=subject_digest(body.provider, body.provider_id),
    )
    await transaction.enter(context)
