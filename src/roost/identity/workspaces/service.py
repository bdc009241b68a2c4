"""Workspaces: made, renamed, deleted and brought back by those who may."""

import re
import secrets
import unicodedata
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import UNSET
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import Trail
from roost.identity.model import WorkspaceCreate, WorkspacePatch
from roost.identity.users.service import Shown
from roost.identity.workspaces import queries as workspace_queries
from roost.identity.workspaces.standing import (
    ADMINS,
    OWNERS,
    lock_workspace,
    require_roaming,
)
from roost.web.principal import Principal
from roost.web.query import invalid

_MAX_SLUG = 63
MAX_NAME = 255
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def slug_of(name: str) -> str:
    """Make a slug that nobody is likely to have out of a name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))[: _MAX_SLUG - 9].strip("-")
    return f"{words or 'workspace'}-{secrets.token_hex(4)}"


async def create_workspace(
    transaction: Transaction,
    principal: Principal,
    body: WorkspaceCreate,
    context: Context,
    trail: Trail,
) -> tuple[UUID, Shown]:
    """Make a workspace with the caller as its owner; CONFLICT when the slug is taken."""
    require_roaming(principal)
    slug = slug_of(body.name) if body.slug is UNSET else _checked(body.slug)
    workspace_id = uuid7()
    await transaction.enter(replace(context, workspace_id=workspace_id))
    try:
        await insert_owned(transaction, workspace_id, principal.user_id, slug, body.name)
    except asyncpg.UniqueViolationError as error:
        raise _taken(slug) from error
    await trail.within(workspace_id).record(
        transaction, "workspace.created", ("workspace", workspace_id)
    )
    shown = await show_workspace(transaction, principal.user_id, workspace_id)
    await transaction.enter(context)
    return workspace_id, shown


async def change_workspace(
    transaction: Transaction,
    principal: Principal,
    patch: WorkspacePatch,
    trail: Trail,
    *,
    expected: int | None,
) -> Shown:
    """Rename the workspace; for its owners and administrators."""
    workspace_id = principal.workspace_id
    await lock_workspace(transaction, principal, ADMINS, expected)
    values: dict[str, object] = {}
    if patch.name is not UNSET:
        values["new_name"] = patch.name
    if patch.slug is not UNSET:
        values["new_slug"] = _checked(patch.slug)
    if values:
        names = tuple(sorted(name.removeprefix("new_") for name in values))
        statement = workspace_queries.workspace_update(names)
        try:
            await transaction.row(statement, workspace=workspace_id, **values)
        except asyncpg.UniqueViolationError as error:
            raise _taken(str(values.get("new_slug"))) from error
        await trail.record(
            transaction, "workspace.updated", ("workspace", workspace_id), fields=names
        )
    return await show_workspace(transaction, principal.user_id, workspace_id)


async def delete_workspace(
    transaction: Transaction,
    principal: Principal,
    context: Context,
    trail: Trail,
    *,
    expected: int | None,
) -> None:
    """Put the workspace out of everybody's sight; for its owners. CONFLICT when it is their last.

    Members who have no other one are given one of their own: without any they could not log in.
    """
    place = {"workspace": principal.workspace_id, "user": principal.user_id}
    # Two workspaces of one person, deleted at once, would each see the other.
    await transaction.rows(workspace_queries.LOCK_MEMBERS, **place)
    await lock_workspace(transaction, principal, OWNERS, expected)
    if await transaction.row(workspace_queries.OTHERS, **place) is None:
        raise ProblemError(errors.CONFLICT, "this is the only workspace you have")
    # Again: who was added before the workspace was locked is among them now.
    for member in await transaction.rows(workspace_queries.LOCK_MEMBERS, **place):
        await house(transaction, member, context, trail)
    await transaction.row(workspace_queries.DELETE_WORKSPACE, workspace=principal.workspace_id)
    await trail.record(transaction, "workspace.deleted", ("workspace", principal.workspace_id))


async def restore_workspace(
    transaction: Transaction,
    principal: Principal,
    workspace_id: UUID,
    context: Context,
    trail: Trail,
) -> Shown:
    """Bring a deleted workspace back; for its owners, while it is kept.

    CONFLICT when it is not deleted; WORKSPACE_NOT_FOUND for everybody else.
    """
    place = {"workspace": workspace_id, "user": principal.user_id}
    missing = ProblemError(errors.WORKSPACE_NOT_FOUND)
    if "*" not in principal.scopes:
        raise missing
    await transaction.enter(replace(context, workspace_id=workspace_id))
    row = await transaction.row(workspace_queries.LOCK_DELETED, **place)
    # Apart from the lock: what the role is now, not when the wait for the lock began.
    if row is None or await transaction.row(workspace_queries.OWNS, **place) is None:
        raise missing
    if row["deleted_at"] is None:
        raise ProblemError(errors.CONFLICT, "the workspace is not deleted")
    if not row["restorable"]:
        raise missing
    await transaction.row(workspace_queries.RESTORE_WORKSPACE, workspace=workspace_id)
    await trail.within(workspace_id).record(
        transaction, "workspace.restored", ("workspace", workspace_id)
    )
    shown = await show_workspace(transaction, principal.user_id, workspace_id)
    await transaction.enter(context)
    return shown


async def house(
    transaction: Transaction,
    member: Any,  # noqa: ANN401 -- a record
    context: Context,
    trail: Trail,
) -> None:
    """Give a member who has no other workspace one of their own; nothing to agents.

    The member's row is locked: two who do this at once would each see the other's workspace.
    """
    if not member["is_active"] or member["kind"] != "person":
        return
    # Memberships elsewhere show themselves to that user alone.
    await transaction.enter(Context(context.workspace_id, member["id"]))
    place = {"workspace": context.workspace_id, "user": member["id"]}
    if await transaction.row(workspace_queries.OTHERS, **place) is None:
        title = (member["name"] or member["email"].partition("@")[0])[:MAX_NAME]
        home = uuid7()
        await transaction.enter(Context(home, member["id"], None, context.cause, context.user_id))
        await insert_owned(transaction, home, member["id"], slug_of(title), title)
        # Its owner is to read who made it, and not from which address.
        made = Trail(home, trail.actor_id, request_id=trail.request_id)
        await made.record(transaction, "workspace.created", ("workspace", home))
    await transaction.enter(context)


async def insert_owned(
    transaction: Transaction, workspace_id: UUID, owner_id: UUID, slug: str, name: str
) -> None:
    """Insert a workspace with its owner; its tenant is the transaction's already."""
    await transaction.row(
        workspace_queries.INSERT_WORKSPACE,
        new_id=workspace_id,
        new_slug=slug,
        new_name=name,
        new_created_by=owner_id,
    )
    await transaction.row(
        queries.INSERT_MEMBERSHIP,
        new_id=uuid7(),
        new_workspace_id=workspace_id,
        new_user_id=owner_id,
        new_role="owner",
    )


async def show_workspace(transaction: Transaction, user_id: UUID, workspace_id: UUID) -> Shown:
    """Read a workspace back as a member of it sees it; WORKSPACE_NOT_FOUND for others."""
    row = await transaction.row(
        workspace_queries.READ_WORKSPACE, workspace=workspace_id, user=user_id
    )
    if row is None:
        raise ProblemError(errors.WORKSPACE_NOT_FOUND)
    return row["body"], row["version"]


def _checked(slug: str) -> str:
    if _UUID.fullmatch(slug):
        raise invalid("slug", "must not look like a UUID")
    return slug


def _taken(slug: str) -> ProblemError:
    return ProblemError(errors.CONFLICT, f"the slug {slug!r} is taken")
