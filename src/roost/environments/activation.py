"""Which environment a user works in: at most one in each workspace is active."""

from uuid import UUID

from roost import errors
from roost.db.pool import Transaction
from roost.environments import queries
from roost.environments.service import lock_environment, written
from roost.errors import ProblemError
from roost.web.written import Written


async def activate_environment(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    expected: int | None = None,
    *,
    acting: UUID | None = None,
) -> Written:
    """Make it the active one of its user; one that is active already stays as it is.

    `acting` is the user who asks, FORBIDDEN when the environment is another's; None may always.
    """
    place = {"workspace": workspace_id, "environment": environment_id}
    found = await transaction.row(queries.OWNER, **place)
    if found is None:
        raise ProblemError(errors.ENVIRONMENT_NOT_FOUND)
    owner: UUID = found["user_id"]
    # A user's activations take turns: each sees what the one before it left active. The turn comes
    # before any row's lock, or two of them could wait for each other.
    await transaction.row(queries.ACTIVATION_LOCK, turn=f"environments {workspace_id} {owner}")
    row = await lock_environment(transaction, workspace_id, environment_id, expected)
    _require_owner(owner, acting)
    if row["is_active"]:
        return written(await transaction.row(queries.READ, **place))
    await transaction.row(queries.DEACTIVATE_OTHERS, **place, owner=owner)
    return written(await transaction.row(queries.set_active(active=True), **place))


async def deactivate_environment(
    transaction: Transaction,
    workspace_id: UUID,
    environment_id: UUID,
    expected: int | None = None,
    *,
    acting: UUID | None = None,
) -> Written:
    """Make it not active; one that is not stays as it is. `acting` as for activation."""
    place = {"workspace": workspace_id, "environment": environment_id}
    row = await lock_environment(transaction, workspace_id, environment_id, expected)
    _require_owner(row["user_id"], acting)
    if not row["is_active"]:
        return written(await transaction.row(queries.READ, **place))
    return written(await transaction.row(queries.set_active(active=False), **place))


def _require_owner(owner: UUID, acting: UUID | None) -> None:
    if acting is not None and acting != owner:
        raise ProblemError(
            errors.FORBIDDEN,
            "the environment is another user's; which of theirs is active is for them, or an "
            "administrator, to say",
        )
