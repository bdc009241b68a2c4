"""Carrying a plan out, a batch a transaction."""

from contextlib import aclosing, suppress
from functools import partial
from typing import Final

import asyncpg

from roost.db.faults import ContentionError
from roost.db.pool import Transaction
from roost.migration import asking, quarantine, writes
from roost.migration.content import content_of
from roost.migration.drafts import TaskDraft
from roost.migration.failure import Failure, refused_row
from roost.migration.ledger import Ledger, Work
from roost.migration.model import Counts, State
from roost.migration.pipelining import PATIENCE, NotYetError, Turn, in_turn
from roost.migration.renaming import TakenError, plan_the_rest, see_if_taken
from roost.migration.retreat import give_up
from roost.migration.stream import Batch
from roost.migration.writing import StaleError, plan_and_write, write_batch

REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL says to a row that it does not take."""

REPLANS: Final = 10
"""Times that a single row is planned anew because it is not as it was."""


class RefusedError(Exception):
    """The database does not take a row, and nothing may be left out."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def apply(ledger: Ledger) -> None:
    """Write batch after batch; take it all back when a row is refused and nothing may be."""
    try:
        while await _is_cut_short(ledger):
            pass
    except RefusedError as refused:
        await give_up(ledger, refused.failure, ledger.done)
        return
    await ledger.write(partial(_applied, ledger))


async def _is_cut_short(ledger: Ledger) -> bool:
    """Write batches to the last; whether an id was taken before, and the rest is planned anew."""
    try:
        async with aclosing(ledger.batches(ledger.done, content_of)) as batches:
            await in_turn(batches, partial(_apply_next, ledger))
    except TakenError as taken:
        await plan_the_rest(ledger, taken.instead)
        return True
    return False


async def _apply_next(ledger: Ledger, batch: Batch, turn: Turn) -> None:
    """Write a batch while the one before is being written, if it can't touch the same rows."""
    if all(isinstance(item.draft, TaskDraft) for item in batch.items):
        ahead = partial(_write_ahead, ledger, batch, turn)
        try:
            await ledger.write(partial(_go_on, ledger, batch), ahead)
        except (StaleError, NotYetError, *REFUSED):
            await turn.come()
        else:
            return
    await turn.come()
    await _apply_part(ledger, batch)


async def _write_ahead(ledger: Ledger, batch: Batch, turn: Turn, transaction: Transaction) -> None:
    await write_batch(ledger, batch, transaction)
    await turn.come(PATIENCE)


async def _apply_part(ledger: Ledger, batch: Batch) -> None:
    """Apply a batch; halve it where it can't be done as a whole, until that is one row."""
    try:
        await _apply_as_it_is_now(ledger, batch)
    except StaleError:
        await _apply_halves(ledger, batch)
    except REFUSED as error:
        if len(batch.items) > 1:
            await _apply_halves(ledger, batch)
            return
        batch = refused_batch(ledger, batch, error)
        await ledger.write(partial(_apply_anew, ledger, batch))


async def _apply_halves(ledger: Ledger, batch: Batch) -> None:
    half = len(batch.items) // 2
    await _apply_part(ledger, Batch(batch.start, batch.items[:half]))
    await _apply_part(ledger, Batch(batch.start + half, batch.items[half:]))


async def _apply_as_it_is_now(ledger: Ledger, batch: Batch) -> None:
    """Apply a batch, planned anew if it is stale; StaleError if several rows do not hold still."""
    with suppress(StaleError, asyncpg.UniqueViolationError):
        await ledger.write(partial(_apply_batch, ledger, batch))
        return
    await see_if_taken(ledger, batch)
    anew = partial(_apply_anew, ledger, batch)
    if len(batch.items) > 1:
        await ledger.write(anew)
    else:
        await persist(ledger, batch, anew)


async def persist(ledger: Ledger, one: Batch, work: Work[None]) -> None:
    """Plan and write a single row until it holds still; ContentionError if it never does."""
    for _ in range(REPLANS):
        with suppress(StaleError):
            await ledger.write(work)
            return
    # It takes many who write to a row without a pause.
    message = f"others kept changing what {one.items[0].key} would change"
    raise ContentionError(message)


def refused_batch(ledger: Ledger, one: Batch, error: asyncpg.PostgresError) -> Batch:
    """Give what becomes of the one item that the database refuses; RefusedError if it must not."""
    refusal = refused_row(error, one.items[0])
    if not ledger.config.continue_on_error:
        raise RefusedError(refusal) from error
    item = quarantine.refused(one.items[0], ledger.place.user_id, refusal.message)
    return Batch(one.start, [item])


async def _apply_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await write_batch(ledger, batch, transaction)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def _apply_anew(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await plan_and_write(ledger, batch, transaction)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def _go_on(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def _applied(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    counts = await ledger.counts(transaction, applied=True)
    if ledger.config.validate_after_migration:
        ledger.done = 0
        await ledger.move(transaction, State.VERIFYING, counts=counts)
    else:
        await finish(ledger, counts, transaction)


async def finish(ledger: Ledger, counts: Counts, transaction: Transaction) -> None:
    """End it well, every key safely stored; or ask about the conflicts that arose on the way."""
    ledger.done = ledger.total
    if counts.unresolved:
        await transaction.row(asking.MARK_LATE, **ledger.this)
        await ledger.move(transaction, State.AWAITING_RESOLUTION, counts=counts)
        return
    await transaction.row(writes.KEYS_STORED, **ledger.this, stored=True)
    await ledger.move(transaction, State.COMPLETED, counts=counts, ended=True)
