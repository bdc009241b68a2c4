"""Undo of a migration, and of its undo: one transaction, from the journal."""

from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import msgspec

from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.history.moments import require_kept
from roost.identity.audit.trail import Trail
from roost.migration import writes
from roost.migration.content import encode
from roost.migration.model import State
from roost.migration.once import Seal, unsealed
from roost.migration.reversal.migrations import Kept, Reversal, cause
from roost.migration.standing import locked, not_now
from roost.migration.targets.target import Place

UNDOABLE: Final = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.UNDONE})
NAMED: Final = 1_000
"""So many kept rows are named."""


class Undo(msgspec.Struct, rename="camel", kw_only=True):
    """What the last undo did. `number` counts undos, those of undos too; `before` is the state."""

    number: int
    at: datetime
    force: bool
    before: State
    removed: int
    restored: int
    kept_count: int
    kept: list[Kept]


async def undo(database: Database, place: Place, seal: Seal = unsealed, *, force: bool) -> None:
    """Take a migration back; when that was done, take the undo back.

    Rows that somebody has changed since stay, and are named; with `force` they go too. `seal` ends
    the transaction. MIGRATION_NOT_FOUND; MIGRATION_STATE while it waits or runs; MOMENT_NOT_KEPT
    when the journal does not go back to it.
    """

    async def count(transaction: Transaction) -> int:
        earlier = _earlier(await _ended(transaction, place))
        return earlier.number + 1 if earlier else 1

    number = await database.write(Context(place.workspace_id, place.user_id), count)
    context = Context(place.workspace_id, place.user_id, cause=cause(place, number))
    await database.write(context, partial(_undo, place, number, seal, force))


async def _ended(transaction: Transaction, place: Place) -> Any:  # noqa: ANN401 -- a record
    row = await locked(transaction, place)
    check_ended(State(row["state"]))
    return row


def check_ended(state: State) -> None:
    """MIGRATION_STATE when a migration in this state can't be undone."""
    if state not in UNDOABLE:
        raise not_now(state, "what has not ended can't be undone: cancel it, or wait")


def _earlier(row: Any) -> Undo | None:  # noqa: ANN401 -- a record
    return msgspec.json.decode(row["undo"], type=Undo | None) if row["undo"] else None


async def _undo(
    place: Place,
    number: int,
    seal: Seal,
    force: bool,  # noqa: FBT001 -- by partial
    transaction: Transaction,
) -> None:
    row = await _ended(transaction, place)
    await require_kept(transaction, row["created_at"])
    earlier, state = _earlier(row), State(row["state"])
    if (earlier.number + 1 if earlier else 1) != number:
        # It may have been this very request, sent twice: then it has its answer.
        await seal(transaction, place.migration_id)
        raise not_now(state, "somebody else has undone it meanwhile")
    way = Reversal(transaction, place, row["created_at"], number, force=force)
    if state is State.UNDONE and earlier is not None:
        following, done = earlier.before, await way.put_back()
    else:
        # Of one that failed, nothing was left but what somebody had worked on.
        stop = writes.EVERY if state is State.COMPLETED else 0
        following, done = State.UNDONE, await way.take_back(stop)
    report = Undo(
        number=number,
        at=datetime.now(UTC),
        force=force,
        before=state,
        removed=done.removed,
        restored=done.restored,
        kept_count=len(done.kept),
        kept=done.kept[:NAMED],
    )
    this = {"workspace": place.workspace_id, "migration": place.migration_id}
    await transaction.row(writes.KEYS_STORED, **this, stored=following is State.COMPLETED)
    values = {"state": following.value, "undo": encode(report).decode()}
    await transaction.row(writes.UNDONE, **this, **values)
    trail = Trail(place.workspace_id, place.user_id, request_id=cause(place, number))
    await trail.record(transaction, "migration.undone", ("migration", place.migration_id))
    # Last, for its answer is the migration as it is now.
    await seal(transaction, place.migration_id)
