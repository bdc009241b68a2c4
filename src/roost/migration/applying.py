"""Writing what was planned, a batch a transaction."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import asyncpg
import msgspec

from roost.db.pool import Transaction
from roost.migration import plan, quarantine, writes
from roost.migration.failure import refused_row
from roost.migration.ledger import Ledger
from roost.migration.model import Counts, Item, Progress, State, Verdict
from roost.migration.planning import decide_batch
from roost.migration.retreat import give_up
from roost.migration.targets.target import Change

REFUSED: Final = (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError)
"""What PostgreSQL says to a row that it does not take."""


class StaleError(Exception):
    """A row is not as it was when the batch was planned."""


async def apply(ledger: Ledger) -> None:
    """Write batch after batch; take it all back when a row is refused and nothing may be."""
    for start, batch in ledger.batches(ledger.done):
        try:
            await _apply_part(ledger, start, batch)
        except REFUSED as error:
            await give_up(ledger, refused_row(error, batch[0]), ledger.done)
            return
    await ledger.write(partial(_applied, ledger))


async def _apply_part(ledger: Ledger, start: int, batch: list[Item]) -> None:
    """Apply a batch; halve it where the database refuses a row, until that is found."""
    try:
        try:
            await ledger.write(partial(_apply_batch, ledger, start, batch))
        except (StaleError, asyncpg.UniqueViolationError):
            await ledger.write(partial(_replan, ledger, start, batch))
            await ledger.write(partial(_apply_batch, ledger, start, batch))
    except REFUSED as error:
        if len(batch) > 1:
            half = len(batch) // 2
            await _apply_part(ledger, start, batch[:half])
            await _apply_part(ledger, start + half, batch[half:])
        elif ledger.config.continue_on_error:
            item, refusal = batch[0], refused_row(error, batch[0])
            item.verdict, item.reason, item.detail = (
                Verdict.INVALID,
                refusal.reason,
                refusal.message,
            )
            item.draft = None
            await ledger.write(partial(_replan, ledger, start, batch))
            await ledger.write(partial(_apply_batch, ledger, start, batch))
        else:
            raise


async def _replan(
    ledger: Ledger, start: int, batch: Sequence[Item], transaction: Transaction
) -> None:
    await ledger.hold(transaction, start)
    stop = start + len(batch)
    await transaction.row(writes.CLEAR_ITEMS, **ledger.this, start=start, stop=stop)
    await decide_batch(ledger, start, batch, transaction)


async def _apply_batch(
    ledger: Ledger, start: int, batch: list[Item], transaction: Transaction
) -> None:
    if await _is_done(ledger, start + len(batch), transaction):
        return
    await ledger.hold(transaction, start)
    stop = start + len(batch)
    rows = await transaction.rows(writes.PLANNED, **ledger.this, start=start, stop=stop)
    created: dict[str, list[Item]] = {}
    changed: dict[str, list[Change]] = {}
    for row, item in zip(rows, batch, strict=True):
        if row["verdict"] == Verdict.CREATE:
            created.setdefault(plan.table_of(item), []).append(item)
        elif row["resolution"] == plan.OVERWRITE:
            version = None if row["version"] in (None, "null") else int(row["version"])
            kept = msgspec.json.decode(row["kept"] or "{}")
            change = Change(item, version, kept)
            changed.setdefault(plan.table_of(item), []).append(change)
    for table in plan.ORDER:
        target = ledger.targets[table]
        if table in created:
            await target.create(transaction, ledger.place, created[table])
        if table in changed:
            count = await target.overwrite(transaction, ledger.place, changed[table])
            if count != len(changed[table]):
                raise StaleError
    await quarantine.keep(transaction, ledger.place, ledger.targets, batch)
    await ledger.advance(transaction, stop)


async def _is_done(ledger: Ledger, stop: int, transaction: Transaction) -> bool:
    """Whether this batch was committed after all, when nobody could say so."""
    row = await ledger.load(transaction)
    progress = msgspec.json.decode(row["progress"], type=Progress)
    return row["state"] == State.APPLYING and progress.done >= stop


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
    await transaction.row(writes.KEYS_STORED, **ledger.this)
    ledger.done = len(ledger.items)
    await ledger.move(transaction, State.COMPLETED, counts=counts, ended=True)
