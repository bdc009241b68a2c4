"""Cancelling: at once where a migration waits; where it runs, its process is asked to stop."""

import asyncpg
import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.migration import asking, writes
from roost.migration.content import encode
from roost.migration.failure import CANCELLED, CANCELLING, Failure, cancelling
from roost.migration.model import RUNNING, State
from roost.migration.resolutions import WAITING
from roost.migration.standing import locked, not_now
from roost.migration.targets.target import Place


async def cancel(transaction: Transaction, place: Place) -> bool:
    """Cancel what waits with nothing written, and ask the rest to stop; whether it was asked.

    MIGRATION_NOT_FOUND, MIGRATION_STATE; MIGRATION_IN_PROGRESS when another one runs, and this one
    has something to take back.
    """
    row = await locked(transaction, place)
    state = State(row["state"])
    this = {"workspace": place.workspace_id, "migration": place.migration_id}
    if state not in RUNNING:
        if state not in WAITING:
            raise not_now(state, "it has ended")
        if not await transaction.rows(asking.LATE, **this):
            await transaction.row(writes.CANCEL, **this)
            return False
    error = msgspec.json.decode(row["error"], type=Failure) if row["error"] else None
    if error is None:
        asked = encode(cancelling()).decode()
        try:
            await transaction.row(writes.ASK_TO_CANCEL, **this, error=asked)
        except asyncpg.UniqueViolationError as other:
            raise ProblemError(errors.MIGRATION_IN_PROGRESS) from other
    elif error.code not in (CANCELLING, CANCELLED):
        raise not_now(state, "it has failed, and is being taken back")
    return True
