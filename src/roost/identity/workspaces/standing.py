"""What one may in a workspace at this moment, whatever was remembered when one asked."""

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.tables import ROLES
from roost.identity.workspaces import queries as workspace_queries
from roost.web.etag import require_version
from roost.web.principal import Principal

OWNERS = frozenset({"owner"})
ADMINS = frozenset({"owner", "admin"})
EVERYBODY = frozenset(ROLES)


def require_roaming(principal: Principal) -> None:
    """Raise FORBIDDEN unless the credential acts for its user in all of their workspaces."""
    if "*" not in principal.scopes:
        raise ProblemError(
            errors.FORBIDDEN,
            "this needs a session, or a token with the scope '*': one with narrower scopes stays "
            "in its workspace",
        )


async def lock_workspace(
    transaction: Transaction,
    principal: Principal,
    roles: frozenset[str] = EVERYBODY,
    expected: int | None = None,
) -> str:
    """Lock the principal's workspace; gives the role that they have in it now.

    A principal may have been remembered for a moment, and the rights be gone meanwhile:
    WORKSPACE_NOT_FOUND or FORBIDDEN. PRECONDITION_FAILED when another version was expected.
    """
    place = {"workspace": principal.workspace_id, "user": principal.user_id}
    row = await transaction.row(queries.LOCK_WORKSPACE, workspace=principal.workspace_id)
    found = await transaction.row(workspace_queries.ROLE, **place) if row else None
    if row is None or found is None:
        raise ProblemError(errors.WORKSPACE_NOT_FOUND)
    role: str = found["role"]
    if role not in roles:
        wanted = " or ".join(sorted(roles))
        raise ProblemError(errors.FORBIDDEN, f"this needs the role {wanted} in that workspace")
    require_version(expected, row["version"])
    return role
