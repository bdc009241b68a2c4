"""Workspaces: made, renamed, and deleted by those who may."""

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
from roost.identity import queries, workspace_queries
from roost.identity.model import WorkspaceCreate, WorkspacePatch
from roost.identity.users import Shown, enter
from roost.web.etag import require_version
from roost.web.principal import Principal
from roost.web.query import invalid

_MAX_SLUG = 63
MAX_NAME = 255
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ADMINS = frozenset({"owner", "admin"})


def slug_of(name: str) -> str:
    """Make a slug that nobody is likely to have out of a name."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    words = "-".join(re.findall(r"[a-z0-9]+", plain))[: _MAX_SLUG - 9].strip("-")
    return f"{words or 'workspace'}-{secrets.token_hex(4)}"


def in_reach(principal: Principal, workspace_id: UUID) -> bool:
    """Whether the credential reaches that workspace at all.

    Sessions and unrestricted tokens act for the user, wherever they are a member; a token with
    narrower scopes is bound to its workspace.
    """
    return "*" in principal.scopes or workspace_id == principal.workspace_id


async def create_workspace(
    transaction: Transaction, principal: Principal, body: WorkspaceCreate, context: Context
) -> tuple[UUID, Shown]:
    """Make a workspace with the caller as its owner; CONFLICT when the slug is taken."""
    if "*" not in principal.scopes:
        raise ProblemError(errors.FORBIDDEN, "a token with narrower scopes stays in its workspace")
    slug = slug_of(body.name) if body.slug is UNSET else _checked(body.slug)
    workspace_id = uuid7()
    await enter(transaction, replace(context, workspace_id=workspace_id))
    try:
        await insert_owned(transaction, workspace_id, principal.user_id, slug, body.name)
    except asyncpg.UniqueViolationError as error:
        raise _taken(slug) from error
    shown = await _show(transaction, principal, workspace_id)
    await enter(transaction, context)
    return workspace_id, shown


async def change_workspace(  # noqa: PLR0913 -- who, what, where, and on which condition
    transaction: Transaction,
    principal: Principal,
    workspace_id: UUID,
    patch: WorkspacePatch,
    context: Context,
    *,
    expected: int | None,
) -> Shown:
    """Rename a workspace; for its owners and administrators."""
    await _lock(transaction, principal, workspace_id, _ADMINS, expected)
    values: dict[str, object] = {}
    if patch.name is not UNSET:
        values["new_name"] = patch.name
    if patch.slug is not UNSET:
        values["new_slug"] = _checked(patch.slug)
    await enter(transaction, replace(context, workspace_id=workspace_id))
    if values:
        names = tuple(sorted(name.removeprefix("new_") for name in values))
        statement = workspace_queries.workspace_update(names)
        try:
            await transaction.row(statement, workspace=workspace_id, **values)
        except asyncpg.UniqueViolationError as error:
            raise _taken(str(values.get("new_slug"))) from error
    shown = await _show(transaction, principal, workspace_id)
    await enter(transaction, context)
    return shown


async def delete_workspace(
    transaction: Transaction,
    principal: Principal,
    workspace_id: UUID,
    context: Context,
    *,
    expected: int | None,
) -> None:
    """Put a workspace out of everybody's sight; for its owners. CONFLICT when it is their last.

    Members who have no other one are given one of their own: without any they could not log in.
    """
    place = {"workspace": workspace_id, "user": principal.user_id}
    inside = replace(context, workspace_id=workspace_id)
    await enter(transaction, inside)
    # Two workspaces of one person, deleted at once, would each see the other.
    await transaction.rows(workspace_queries.LOCK_MEMBERS, **place)
    await _lock(transaction, principal, workspace_id, frozenset({"owner"}), expected)
    if await transaction.row(workspace_queries.OTHERS, **place) is None:
        raise ProblemError(errors.CONFLICT, "this is the only workspace you have")
    # Again: who was added before the workspace was locked is among them now.
    for member in await transaction.rows(workspace_queries.LOCK_MEMBERS, **place):
        await _house(transaction, member, inside)
    await enter(transaction, inside)
    await transaction.row(workspace_queries.DELETE_WORKSPACE, workspace=workspace_id)
    await enter(transaction, context)


async def _house(transaction: Transaction, member: Any, context: Context) -> None:  # noqa: ANN401 -- a record
    # Memberships elsewhere show themselves to that user alone.
    await enter(transaction, Context(context.workspace_id, member["id"]))
    place = {"workspace": context.workspace_id, "user": member["id"]}
    if await transaction.row(workspace_queries.OTHERS, **place) is not None:
        return
    title = (member["name"] or member["email"].partition("@")[0])[:MAX_NAME]
    home = uuid7()
    await enter(transaction, replace(context, workspace_id=home))
    await insert_owned(transaction, home, member["id"], slug_of(title), title)


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


async def _lock(
    transaction: Transaction,
    principal: Principal,
    workspace_id: UUID,
    roles: frozenset[str],
    expected: int | None,
) -> None:
    place = {"workspace": workspace_id, "user": principal.user_id}
    if not in_reach(principal, workspace_id):
        raise ProblemError(errors.WORKSPACE_NOT_FOUND)
    row = await transaction.row(queries.LOCK_WORKSPACE, workspace=workspace_id)
    found = await transaction.row(workspace_queries.ROLE, **place) if row else None
    if row is None or found is None:
        raise ProblemError(errors.WORKSPACE_NOT_FOUND)
    if found["role"] not in roles:
        wanted = " or ".join(sorted(roles))
        raise ProblemError(errors.FORBIDDEN, f"this needs the role {wanted} in that workspace")
    require_version(expected, row["version"])


async def _show(transaction: Transaction, principal: Principal, workspace_id: UUID) -> Shown:
    row = await transaction.row(
        workspace_queries.READ_WORKSPACE, workspace=workspace_id, user=principal.user_id
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
