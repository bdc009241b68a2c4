"""Access tokens: made once, shown once, revoked at once."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from msgspec import UNSET
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity import credentials, token_queries
from roost.identity.model import TokenCreate
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


async def create_token(
    transaction: Transaction, principal: Principal, body: TokenCreate, secret: str
) -> tuple[UUID, str]:
    """Store a new token; gives its id and its JSON, which has no secret.

    A token made with a token expires with it at the latest.
    """
    scopes = sorted(principal.scopes) if body.scopes is UNSET else list(body.scopes)
    require_scopes(principal, scopes)
    expires_at = expiry(body, datetime.now(UTC))
    limit = await _own_expiry(transaction, principal)
    if limit is not None:
        if expires_at is not None and expires_at > limit:
            raise ProblemError(errors.FORBIDDEN, "a token can't outlive the one it is made with")
        expires_at = expires_at or limit
    token_id = uuid7()
    row: Any = await transaction.row(
        token_queries.INSERT_TOKEN,
        new_workspace_id=principal.workspace_id,
        new_id=token_id,
        new_user_id=principal.user_id,
        new_name=body.name,
        new_token_hash=credentials.digest(secret),
        new_hint=credentials.hint(secret),
        new_scopes=list(dict.fromkeys(scopes)),
        new_expires_at=expires_at,
    )
    return token_id, row["body"]


async def _own_expiry(transaction: Transaction, principal: Principal) -> datetime | None:
    if principal.kind != "token":
        return None
    row = await transaction.row(
        token_queries.EXPIRY, workspace=principal.workspace_id, token=principal.credential_id
    )
    return row["expires_at"] if row else None


async def revoke_token(transaction: Transaction, principal: Principal, token_id: UUID) -> None:
    """Revoke one's own token, or as an administrator anybody's in the workspace."""
    row = await transaction.row(
        token_queries.REVOKE,
        workspace=principal.workspace_id,
        token=token_id,
        user=principal.user_id,
        any_user=principal.is_admin,
    )
    if row is None:
        raise ProblemError(errors.TOKEN_NOT_FOUND)
