"""Making the plan: verdicts written down batch by batch; nothing of the user's is touched."""

from collections.abc import Sequence
from functools import partial

from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.migration import plan, writes
from roost.migration.content import encode
from roost.migration.failure import invalid_item
from roost.migration.ledger import Ledger
from roost.migration.model import ConflictResolution, Item, State


async def make_plan(ledger: Ledger, *, stop: bool) -> None:
    """Give every item its verdict; `stop` says that a plan may have to be looked at first."""
    await ledger.write(partial(_store_keys, ledger))
    for start, batch in ledger.batches(0):
        await ledger.write(partial(_plan_batch, ledger, start, batch))
    await ledger.write(partial(_planned, ledger, stop=stop))


async def _store_keys(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    await transaction.row(writes.CLEAR_KEYS, **ledger.this)
    await transaction.row(writes.CLEAR_ITEMS, **ledger.this, start=0, stop=len(ledger.items) + 1)
    rows = [
        {
            "id": str(uuid7()),
            "key": report.key,
            "kind": report.kind.value,
            "sha256": report.sha256,
            "size": report.bytes,
            "item_count": report.found,
            "note": report.note,
        }
        for report in ledger.keys
    ]
    await transaction.row(writes.STORE_KEYS, **ledger.this, rows=encode(rows).decode())
    await ledger.advance(transaction, 0)


async def _plan_batch(
    ledger: Ledger, start: int, batch: list[Item], transaction: Transaction
) -> None:
    await ledger.hold(transaction, start)
    await decide_batch(ledger, start, batch, transaction)
    await ledger.advance(transaction, start + len(batch))


async def decide_batch(
    ledger: Ledger, start: int, batch: Sequence[Item], transaction: Transaction
) -> None:
    """Decide on a batch and write the verdicts down."""
    numbered = list(enumerate(batch, start))
    policy = ledger.config.conflict_resolution
    decisions = await plan.decide(transaction, ledger.place, ledger.targets, numbered, policy)
    await plan.store(transaction, ledger.place, ledger.this["migration"], decisions)


async def _planned(ledger: Ledger, transaction: Transaction, *, stop: bool) -> None:
    await ledger.hold(transaction)
    counts = await ledger.counts(transaction)
    config = ledger.config
    if stop and (config.dry_run or config.review):
        await ledger.move(transaction, State.PLANNED, counts=counts, ended=config.dry_run)
        return
    invalid = await transaction.row(writes.FIRST_INVALID, **ledger.this)
    if invalid is not None and not config.continue_on_error:
        await ledger.move(
            transaction, State.FAILED, counts=counts, failure=invalid_item(invalid), ended=True
        )
    elif counts.conflict and config.conflict_resolution is ConflictResolution.INTERACTIVE:
        await ledger.move(transaction, State.AWAITING_RESOLUTION, counts=counts)
    else:
        ledger.done = 0
        await ledger.move(transaction, State.APPLYING, counts=counts)
