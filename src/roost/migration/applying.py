"""Writing what was planned, a batch a transaction."""

from contextlib import aclosing, suppress
from functools import partial
from typing import Final

import asyncpg
import msgspec

from roost.db.faults import ContentionError
from roost.db.pool import Transaction
from roost.migration import quarantine, writes
from roost.migration.backup import back_up_between
from roost.migration.content import content_of
from roost.migration.drafts import TaskDraft
from roost.migration.failure import Failure, refused_row
from roost.migration.ledger import Ledger
from roost.migration.model import Counts, Item, Resolution, State, Verdict
from roost.migration.pipelining import PATIENCE, NotYetError, Turn, in_turn
from roost.migration.planning import decide_batch
from roost.migration.resolving import copied
from roost.migration.retreat import give_up
from roost.migration.stream import Batch
from roost.migration.targets.registry import ORDER, table_of
from roost.migration.targets.target import Change

REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL says to a row that it does not take."""

REPLANS: Final = 10
"""Times that a single row is planned anew because it is not as it was."""


class StaleError(Exception):
    """A row is not as it was when the batch was planned."""


class RefusedError(Exception):
    """The database does not take a row, and nothing may be left out."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def apply(ledger: Ledger) -> None:
    """Write batch after batch; take it all back when a row is refused and nothing may be."""
    try:
        async with aclosing(ledger.batches(ledger.done, content_of)) as batches:
            await in_turn(batches, partial(_apply_next, ledger))
    except RefusedError as refused:
        await give_up(ledger, refused.failure, ledger.done)
        return
    await ledger.write(partial(_applied, ledger))


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
    await _write_batch(ledger, batch, transaction)
    await turn.come(PATIENCE)


async def _apply_part(ledger: Ledger, batch: Batch) -> None:
    """Apply a batch; halve it where it can't be done as a whole, until that is one row."""
    try:
        await _apply_as_it_is_now(ledger, batch)
    except (*REFUSED, StaleError) as error:
        if len(batch.items) > 1:
            half = len(batch.items) // 2
            await _apply_part(ledger, Batch(batch.start, batch.items[:half]))
            await _apply_part(ledger, Batch(batch.start + half, batch.items[half:]))
            return
        if isinstance(error, StaleError):
            message = f"others kept changing what {batch.items[0].key} would change"
            raise ContentionError(message) from error
        await _refused(ledger, batch, error)


async def _apply_as_it_is_now(ledger: Ledger, batch: Batch) -> None:
    """Apply a batch, planned anew when a row is not as it was; StaleError when none holds still."""
    with suppress(StaleError, asyncpg.UniqueViolationError):
        await ledger.write(partial(_apply_batch, ledger, batch))
        return
    # Of a single row it takes many who write to it without a pause.
    for left in reversed(range(1 if len(batch.items) > 1 else REPLANS)):
        await ledger.write(partial(_replan, ledger, batch))
        try:
            await ledger.write(partial(_apply_batch, ledger, batch))
        except StaleError:
            if not left:
                raise
        else:
            return


async def _refused(ledger: Ledger, batch: Batch, error: asyncpg.PostgresError) -> None:
    """Leave the one row out that the database does not take, or RefusedError."""
    refusal = refused_row(error, batch.items[0])
    if not ledger.config.continue_on_error:
        raise RefusedError(refusal) from error
    item = quarantine.refused(batch.items[0], ledger.place.user_id, refusal.message)
    batch = Batch(batch.start, [item])
    await ledger.write(partial(_replan, ledger, batch))
    await ledger.write(partial(_apply_batch, ledger, batch))


async def _replan(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await decide_batch(ledger, batch, transaction)
    if ledger.config.backup_before_migration:
        await back_up_between(ledger, batch.start, batch.stop, transaction)


async def _apply_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await _write_batch(ledger, batch, transaction)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def _go_on(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def _write_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    place = {**ledger.this, "start": batch.start, "stop": batch.stop}
    rows = await transaction.rows(writes.PLANNED, **place)
    owner = ledger.place.user_id
    pairs = zip(batch.items, rows, strict=True)
    items = [quarantine.as_planned(item, row, owner) for item, row in pairs]
    created: dict[str, list[Item]] = {}
    changed: dict[str, list[Change]] = {}
    for row, item in zip(rows, items, strict=True):
        if row["verdict"] == Verdict.CREATE:
            created.setdefault(table_of(item), []).append(item)
        elif row["resolution"] == Resolution.KEEP_BOTH:
            copy = copied(item, ledger.place)
            created.setdefault(table_of(copy), []).append(copy)
        elif row["is_changing"]:
            version = None if row["version"] in (None, "null") else int(row["version"])
            kept = msgspec.json.decode(row["kept"] or "{}")
            changed.setdefault(table_of(item), []).append(Change(item, version, kept))
    await _write(ledger, created, changed, transaction)
    await quarantine.keep(transaction, ledger.place, ledger.targets, items)


async def _write(
    ledger: Ledger,
    created: dict[str, list[Item]],
    changed: dict[str, list[Change]],
    transaction: Transaction,
) -> None:
    for table in ORDER:
        target = ledger.targets[table]
        if table in created:
            await target.create(transaction, ledger.place, created[table])
        if table in changed:
            count = await target.overwrite(transaction, ledger.place, changed[table])
            if count != len(changed[table]):
                raise StaleError


async def _applied(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    counts = await ledger.counts(transaction, applied=True)
    ledger.done = 0
    if ledger.config.validate_after_migration:
        await ledger.move(transaction, State.VERIFYING, counts=counts)
    else:
        await complete(ledger, counts, transaction)


async def complete(ledger: Ledger, counts: Counts, transaction: Transaction) -> None:
    """End it well: every key is safely stored."""
    await transaction.row(writes.KEYS_STORED, **ledger.this, stored=True)
    ledger.done = ledger.total
    await ledger.move(transaction, State.COMPLETED, counts=counts, ended=True)
