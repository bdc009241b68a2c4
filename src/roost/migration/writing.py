"""The rows of one batch, written as its verdicts say; planned anew first, where those are old."""

import msgspec

from roost.db.pool import Transaction
from roost.migration import quarantine, writes
from roost.migration.backup import back_up_between
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Resolution, Verdict
from roost.migration.planning import decide_batch
from roost.migration.resolving import copied
from roost.migration.stream import Batch
from roost.migration.targets.registry import ORDER, table_of
from roost.migration.targets.target import Change


class StaleError(Exception):
    """A row is not as it was when the batch was planned."""


async def plan_and_write(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    """Decide on a batch anew and write it, with its rows backed up between."""
    await decide_batch(ledger, batch, transaction)
    if ledger.config.backup_before_migration:
        await back_up_between(ledger, batch.start, batch.stop, transaction)
    await write_batch(ledger, batch, transaction)


async def write_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    """Write what the plan says of a batch. StaleError, and what PostgreSQL says to a row."""
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
