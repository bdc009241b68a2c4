"""The rows that a plan will touch, kept before they are touched."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from roost.db.pool import Transaction
from roost.migration import writes
from roost.migration.archive import Archive, store_archive
from roost.migration.ledger import Ledger
from roost.migration.model import Kind
from roost.migration.targets.registry import ORDER, kind_table
from roost.migration.targets.sealing import SEALED, sealed_record


async def back_up(ledger: Ledger) -> None:
    """Keep every row that the plan will change, a batch at a time."""
    await ledger.write(partial(_clear, ledger))
    after = 0
    while after >= 0:
        after = await ledger.write(partial(_back_up_some, ledger, after))


async def _clear(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    await transaction.row(writes.CLEAR_BACKUPS, **ledger.this)


async def _back_up_some(ledger: Ledger, start: int, transaction: Transaction) -> int:
    """Keep a batch from position `start` on; where the next begins, or -1."""
    await ledger.hold(transaction)
    return await back_up_between(ledger, start, writes.EVERY, transaction)


async def back_up_between(ledger: Ledger, start: int, stop: int, transaction: Transaction) -> int:
    """Keep rows of items from `start` to before `stop`; where to go on, or -1 when all are."""
    most = ledger.config.batch_size
    place = {**ledger.this, "start": start, "stop": stop}
    rows = await transaction.rows(writes.TOUCHED, **place, most=most)
    contents = await _contents(ledger, rows, transaction)
    await store_archive(transaction, ledger.place, 0, Archive(rows=contents))
    return rows[-1]["position"] + 1 if len(rows) == most else -1


async def _contents(
    ledger: Ledger, rows: Sequence[Any], transaction: Transaction
) -> dict[str, list[dict[str, Any]]]:
    ids: dict[str, list[str]] = {}
    for row in rows:
        if row["kind"] == Kind.PREFERENCE:
            ledger.targets.preferences.know(str(row["target_id"]), row["preference"])
        ids.setdefault(kind_table(row["kind"]), []).append(str(row["target_id"]))
    contents: dict[str, list[dict[str, Any]]] = {}
    # Tasks first: the environments that they name come along.
    for table in reversed(ORDER):
        if table not in ids:
            continue
        found = await ledger.targets[table].found(transaction, ledger.place, ids[table])
        for each in found.values():
            content = each.values()
            if each.sealed:
                content[SEALED] = sealed_record(each.sealed)
            contents.setdefault(table, []).append(content)
            if content.get("environmentId"):
                ids.setdefault("environment", []).append(content["environmentId"])
    return contents
