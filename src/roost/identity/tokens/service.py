"""Access tokens: made once, shown once, revoked at once."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import UNSET
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity.access import credentials
from roost.identity.audit.trail import Trail
from roost.identity.model import TokenCreate
from roost.identity.tokens import queries as token_queries
from roost.identity.tokens.agents import DEFAULT_ROLE, make_agent, require_authority_over
from roost.identity.users.service import require_rank
from roost.identity.workspaces.standing import ADMINS, EVERYBODY, lock_workspace
from roost.web.principal import PERMISSIONS, Principal, grants
from roost.web.query import invalid


def require_scopes(principal: Principal, scopes: list[str]) -> None:
    """Raise FORBIDDEN when the caller would give a token more than they have."""
    for scope in scopes:
        if not _has(principal, scope):
            raise ProblemError(errors.FORBIDDEN, f"a token of yours can't have the scope {scope!r}")


def _has(principal: Principal, scope: str) -> bool:
    if scope == "*":
        return "*" in principal.scopes
    wanted = [name for name in PERMISSIONS if grants(frozenset({scope}), name)]
    return all(grants(principal.scopes, name) for name in wanted) and any(
        name in principal.permissions for name in wanted
    )


def expiry(body: TokenCreate, now: datetime) -> datetime | None:
    """Say when the token is to expire; VALIDATION_ERROR when that has passed."""
    if body.expires_in is not None:
        if body.expires_at is not None:
            raise invalid("expiresIn", "can't go with expiresAt", "conflict")
        return now + timedelta(seconds=body.expires_in)
    if body.expires_at is None:
        return None
    try:
        moment = body.expires_at.astimezone(UTC)
    except OverflowError as error:
        raise invalid("expiresAt", "is out of range") from error
    if moment <= now:
        raise invalid("expiresAt", "must be in the future", "past")
    return moment


async def create_token(  # noqa: PLR0913 -- who, what, the secret, and where from
    transaction: Transaction,
    principal: Principal,
    body: TokenCreate,
    secret: str,
    context: Context,
    *,
    trail: Trail,
) -> tuple[UUID, str]:
    """Store a new token; gives its id and its JSON, which has no secret.

    A token made with a token expires with it at the latest. A service token is an agent's, which
    is made with it, and so it outlives its maker's membership.
    """
    scopes = sorted(principal.scopes) if body.scopes is UNSET else list(dict.fromkeys(body.scopes))
    require_scopes(principal, scopes)
    role = _role(principal, body, scopes)
    expires_at = expiry(body, datetime.now(UTC))
    await lock_workspace(transaction, principal, EVERYBODY if role is None else ADMINS)
    limit = await _own_expiry(transaction, principal, context)
    if limit is not None:
        if expires_at is not None and expires_at > limit:
            raise ProblemError(errors.FORBIDDEN, "a token can't outlive the one it is made with")
        expires_at = expires_at or limit
    token_id, user_id = uuid7(), principal.user_id
    if role is not None:
        user_id = await make_agent(transaction, body.name, role, context)
    await transaction.row(
        token_queries.INSERT_TOKEN,
        new_workspace_id=principal.workspace_id,
        new_id=token_id,
        new_user_id=user_id,
        new_name=body.name,
        new_token_hash=credentials.digest(secret),
        new_hint=credentials.hint(secret),
        new_scopes=scopes,
        new_expires_at=expires_at,
    )
    agent: dict[str, Any] = {} if role is None else {"role": role, "agentId": user_id}
    await trail.record(
        transaction,
        "token.created",
        ("token", token_id),
        name=body.name,
        kind=body.kind,
        scopes=scopes,
        expiresAt=expires_at,
        **agent,
    )
    row: Any = await transaction.row(
        token_queries.READ_TOKEN, workspace=principal.workspace_id, token=token_id
    )
    return token_id, row["body"]


def _role(principal: Principal, body: TokenCreate, scopes: list[str]) -> str | None:
    """Give the role of the agent to be made, None for a personal token."""
    if body.kind == "service":
        role: str = DEFAULT_ROLE if body.role is UNSET else body.role
        require_authority_over(principal, role, scopes)
        return role
    if body.role is not UNSET:
        raise invalid("role", "is for service tokens only", "conflict")
    if principal.is_agent:
        raise ProblemError(
            errors.FORBIDDEN,
            "an agent has the one token it was made with",
            hint="An administrator makes service tokens, each with an agent of its own.",
        )
    return None


async def _own_expiry(
    transaction: Transaction, principal: Principal, context: Context
) -> datetime | None:
    if principal.kind != "token":
        return None
    # The token's row is where it was made, whichever workspace it is used in.
    await transaction.enter(replace(context, workspace_id=principal.bound_to))
    row = await transaction.row(
        token_queries.EXPIRY, workspace=principal.bound_to, token=principal.credential_id
    )
    await transaction.enter(context)
    if row is None:
        raise ProblemError(errors.UNAUTHORIZED, headers={"www-authenticate": "Bearer"})
    expires_at: datetime | None = row["expires_at"]
    return expires_at


async def revoke_token(
    transaction: Transaction, principal: Principal, token_id: UUID, trail: Trail
) -> None:
    """Revoke one's own token, or as an administrator anybody's in the workspace but an owner's.

    An owner's is an owner's to revoke. An agent is deactivated with its token; what it has done
    keeps its name.
    """
    place = {"workspace": principal.workspace_id, "token": token_id}
    found = await transaction.row(
        token_queries.OF_WHOM, **place, user=principal.user_id, any_user=principal.is_admin
    )
    if found is None:
        raise ProblemError(errors.TOKEN_NOT_FOUND)
    await require_rank(transaction, principal, found["user_id"])
    row = await transaction.row(token_queries.REVOKE, **place, user=found["user_id"])
    if row is None:
        raise ProblemError(errors.TOKEN_NOT_FOUND)
    retired = await transaction.row(token_queries.RETIRE_AGENT, user=row["user_id"])
    await trail.record(
        transaction,
        "token.revoked",
        ("token", token_id),
        name=row["name"],
        kind="service" if retired else "personal",
        userId=row["user_id"],
    )
