"""Where a migration stands: its row, locked, and what is said when a step does not follow."""

from typing import Any

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.migration import writes
from roost.migration.model import State
from roost.migration.targets.target import Place


async def locked(transaction: Transaction, place: Place) -> Any:  # noqa: ANN401 -- a record
    """Lock the row of the user's migration and give it; MIGRATION_NOT_FOUND."""
    row = await transaction.row(
        writes.LOCK,
        workspace=place.workspace_id,
        migration=place.migration_id,
        user=place.user_id,
    )
    if row is None:
        raise ProblemError(errors.MIGRATION_NOT_FOUND)
    return row


def not_now(state: State, why: str) -> ProblemError:
    """MIGRATION_STATE, with the state and why a step does not follow from it."""
    message = f"the migration is {state.value}: {why}"
    return ProblemError(errors.MIGRATION_STATE, message, extra={"state": state.value})
