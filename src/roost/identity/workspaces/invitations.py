"""Invitations: a link that makes whoever follows it a member, once."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access import credentials
from roost.identity.audit.trail import Trail
from roost.identity.users.service import Shown
from roost.identity.workspaces import invitation_queries as statements
from roost.identity.workspaces import member_queries
from roost.identity.workspaces import queries as workspace_queries
from roost.identity.workspaces.invitation_model import InvitationCreate
from roost.identity.workspaces.service import show_workspace
from roost.identity.workspaces.standing import ADMINS, lock_workspace, require_roaming
from roost.web.principal import Principal


async def create_invitation(
    transaction: Transaction,
    principal: Principal,
    body: InvitationCreate,
    secret: str,
    trail: Trail,
) -> tuple[UUID, str]:
    """Store a new invitation; gives its id and its JSON, which has no secret."""
    await lock_workspace(transaction, principal, ADMINS)
    invitation_id = uuid7()
    row: Any = await transaction.row(
        statements.INSERT_INVITATION,
        new_workspace_id=principal.workspace_id,
        new_id=invitation_id,
        new_token_hash=credentials.digest(secret),
        new_role=body.role,
        new_email=body.email,
        new_created_by=principal.user_id,
        new_expires_at=datetime.now(UTC) + timedelta(seconds=body.expires_in),
    )
    await trail.record(
        transaction,
        "invitation.created",
        ("invitation", invitation_id),
        role=body.role,
        personal=body.email is not None,
    )
    return invitation_id, row["body"]


async def revoke_invitation(
    transaction: Transaction, principal: Principal, invitation_id: UUID, trail: Trail
) -> None:
    """End an invitation; INVITATION_NOT_FOUND when the workspace has no open one of that id."""
    # The lock is also that of those who accept.
    await lock_workspace(transaction, principal, ADMINS)
    row = await transaction.row(
        statements.REVOKE_INVITATION,
        workspace=principal.workspace_id,
        invitation=invitation_id,
    )
    if row is None:
        raise ProblemError(errors.INVITATION_NOT_FOUND)
    await trail.record(transaction, "invitation.revoked", ("invitation", invitation_id))


async def preview(database: Database, secret: str) -> str:
    """Give the JSON of what an invitation is for; INVITATION_NOT_FOUND unless it can be used."""
    row = None
    if credentials.is_opaque_secret(secret):
        hashed = credentials.digest(secret).hex()
        row = await database.read(statements.PREVIEW, Context(credential=hashed))
    if row is None:
        raise ProblemError(errors.INVITATION_NOT_FOUND)
    body: str = row["body"]
    return body


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """An invitation that can be used, for as long as its workspace is locked."""

    id: UUID
    workspace_id: UUID
    role: str
    email: str | None


async def accept_invitation(
    transaction: Transaction, principal: Principal, secret: str, context: Context, trail: Trail
) -> Shown:
    """Make the caller a member, and use the invitation up; gives the workspace.

    INVITATION_NOT_FOUND for one that can't be used. It stays unused after FORBIDDEN, for those it
    is not meant for, and CONFLICT, for those who are members already.
    """
    require_roaming(principal)
    user_id = principal.user_id
    invitation = await open_invitation(transaction, secret, context)
    await use_invitation(transaction, user_id, invitation, trail)
    shown = await show_workspace(transaction, user_id, invitation.workspace_id)
    await transaction.enter(context)
    return shown


async def open_invitation(
    transaction: Transaction, secret: str, context: Context
) -> OpenInvitation:
    """Find an invitation and lock its workspace, in which the transaction is afterwards.

    INVITATION_NOT_FOUND for one that can't be used.
    """
    workspace_id, invitation_id = await _find(transaction, secret, context)
    await transaction.enter(replace(context, workspace_id=workspace_id))
    place = {"workspace": workspace_id, "invitation": invitation_id}
    missing = ProblemError(errors.INVITATION_NOT_FOUND)
    # One after the other: who comes second finds it used.
    if await transaction.row(queries.LOCK_WORKSPACE, workspace=workspace_id) is None:
        raise missing
    row = await transaction.row(statements.OPEN_INVITATION, **place)
    if row is None:
        raise missing
    return OpenInvitation(invitation_id, workspace_id, row["role"], row["email"])


async def use_invitation(
    transaction: Transaction, user_id: UUID, invitation: OpenInvitation, trail: Trail
) -> None:
    """Make a user a member; the transaction is in that workspace, in the user's name."""
    workspace_id = invitation.workspace_id
    await _require_meant(transaction, user_id, invitation.email)
    role = await transaction.row(workspace_queries.ROLE, workspace=workspace_id, user=user_id)
    if role is not None:
        raise ProblemError(errors.CONFLICT, "you are a member of that workspace already")
    await transaction.row(
        queries.INSERT_MEMBERSHIP,
        new_id=uuid7(),
        new_workspace_id=workspace_id,
        new_user_id=user_id,
        new_role=invitation.role,
    )
    place = {"workspace": workspace_id, "invitation": invitation.id}
    await transaction.row(statements.ACCEPT_INVITATION, **place, user=user_id)
    await trail.within(workspace_id).record(
        transaction,
        "member.joined",
        ("user", user_id),
        role=invitation.role,
        invitation=str(invitation.id),
    )


async def _find(transaction: Transaction, secret: str, context: Context) -> tuple[UUID, UUID]:
    row = None
    if credentials.is_opaque_secret(secret):
        hashed = credentials.digest(secret)
        await transaction.enter(replace(context, credential=hashed.hex()))
        row = await transaction.row(statements.FIND_INVITATION, token_hash=hashed)
    if row is None:
        raise ProblemError(errors.INVITATION_NOT_FOUND)
    return row["workspace_id"], row["id"]


async def _require_meant(transaction: Transaction, user_id: UUID, email: str | None) -> None:
    if email is None:
        return
    if await transaction.row(member_queries.HAS_EMAIL, user=user_id, email=email) is None:
        raise ProblemError(
            errors.FORBIDDEN,
            "the invitation is for an e-mail address that you have not proved to be yours",
            hint="Log in by a provider that has verified the address, or ask for another one.",
        )
