"""Deactivating users: everywhere at once, and never a workspace's last owner."""

from dataclasses import replace
from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import Trail
from roost.identity.tokens import queries as token_queries
from roost.identity.users.service import require_authority
from roost.web.etag import require_version
from roost.web.principal import Principal


async def deactivate_user(  # noqa: PLR0913 -- who, whom, where from, and on which condition
    transaction: Transaction,
    principal: Principal,
    user_id: UUID,
    context: Context,
    *,
    trail: Trail,
    expected: int | None,
) -> None:
    """Deactivate a user, and end their sessions and tokens everywhere.

    CONFLICT when a workspace would be left without an active owner; PRECONDITION_FAILED when the
    user has another version than `expected`.
    """
    row = await require_authority(transaction, principal, user_id, context)
    require_version(expected, row["version"])
    await transaction.enter(Context(user_id=user_id))
    homes = await transaction.rows(queries.HOMES, user=user_id)
    for home in homes:
        place = {"workspace": home["workspace_id"], "user": user_id}
        await transaction.enter(replace(context, workspace_id=home["workspace_id"]))
        # A deleted one needs no owner: to delete it is the way out, and it can't be purged at once.
        if home["role"] == "owner" and home["deleted_at"] is None:
            # The lock comes first, in a statement of its own: the next one then sees what those
            # who held it before have done.
            await transaction.row(queries.LOCK_WORKSPACE, workspace=home["workspace_id"])
            if await transaction.row(queries.OWNER_BESIDE, **place) is None:
                raise ProblemError(
                    errors.CONFLICT, "the user is the last owner of a workspace: delete it first"
                )
        await transaction.row(token_queries.REVOKE_ALL, **place)
        if home["deleted_at"] is None:  # each of their workspaces loses them
            here = trail.within(home["workspace_id"])
            await here.record(transaction, "user.deactivated", ("user", user_id))
    await transaction.enter(context)
    await transaction.row(queries.user_update(("is_active",)), user=user_id, new_is_active=False)
    await transaction.row(queries.END_SESSIONS, user=user_id)
