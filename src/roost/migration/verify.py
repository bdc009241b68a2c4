"""Reading back what was written, and comparing it with the plan, item by item."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from roost.db.pool import Transaction
from roost.migration import plan, quarantine, writes
from roost.migration.applying import complete
from roost.migration.content import digest
from roost.migration.drafts import TaskDraft
from roost.migration.failure import unverified_items
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Verdict
from roost.migration.plan import Targets
from roost.migration.retreat import give_up
from roost.migration.targets.sealing import all_open
from roost.migration.targets.target import Found, Place
from roost.migration.targets.tasks import without_later


async def verify(ledger: Ledger) -> None:
    """Read back what was written; a mismatch takes all of it back."""
    wrong: list[dict[str, Any]] = []
    for start, batch in ledger.batches(0):
        wrong += await ledger.write(partial(_verify_batch, ledger, start, batch))
    if wrong:
        await give_up(ledger, unverified_items(wrong), len(ledger.items))
        return
    await ledger.write(partial(_verified, ledger))


async def _verify_batch(
    ledger: Ledger, start: int, batch: list[Item], transaction: Transaction
) -> list[dict[str, Any]]:
    await ledger.hold(transaction)
    stop = start + len(batch)
    rows = await transaction.rows(writes.PLANNED, **ledger.this, start=start, stop=stop)
    wrong = await verify_batch(transaction, ledger.place, ledger.targets, rows, batch)
    await ledger.advance(transaction, stop)
    return wrong


async def _verified(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    await complete(ledger, await ledger.counts(transaction, applied=True), transaction)


async def verify_batch(
    transaction: Transaction,
    place: Place,
    targets: Targets,
    rows: Sequence[Any],
    batch: Sequence[Item],
) -> list[dict[str, Any]]:
    """Name the items whose row is not as planned. `rows` are their verdicts."""
    written: dict[str, list[str]] = {}
    expected: list[tuple[Any, Item, str]] = []
    for row, item in zip(rows, batch, strict=True):
        kept = item
        if row["verdict"] == Verdict.INVALID:
            kept = quarantine.kept(item) or item
        elif row["verdict"] != Verdict.CREATE and row["resolution"] != plan.OVERWRITE:
            continue
        if kept.draft is not None:
            table = plan.table_of(kept)
            written.setdefault(table, []).append(str(kept.target_id))
            expected.append((row, kept, table))
    found = {
        table: await targets[table].found(transaction, place, ids) for table, ids in written.items()
    }
    wrong = []
    for row, item, table in expected:
        reason = _fault(row, item, found[table].get(str(item.target_id)), place)
        if reason is not None:
            wrong.append(
                {
                    "key": item.key,
                    "kind": item.kind.value,
                    "targetId": item.target_id,
                    "position": row["position"],
                    "reason": reason,
                }
            )
    return wrong


def _fault(row: Any, item: Item, found: Found | None, place: Place) -> str | None:  # noqa: ANN401 -- a record
    if found is None:
        return "MISSING"
    if not all_open(place.box, found.sealed):
        return "SECRET_UNREADABLE"
    if row["digest"] is None:
        return None
    planned_with = 0 if row["version"] in (None, "null") else int(row["version"])
    if found.version is not None and found.version > planned_with + 1:
        # Somebody has changed it since, through Roost: that is no fault of the migration's.
        return None
    content = found.normal()
    if isinstance(item.draft, TaskDraft):
        content = without_later(content)
    return None if digest(content) == row["digest"] else "DIFFERENT"
