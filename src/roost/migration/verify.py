"""Reading back what was written, and comparing it with the plan, item by item."""

from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from roost.db.pool import Transaction
from roost.migration import quarantine, writes
from roost.migration.applying import complete
from roost.migration.conflicts import secrets_of
from roost.migration.content import digest
from roost.migration.drafts import PreferenceDraft, TaskDraft
from roost.migration.failure import unverified_items
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Resolution, Verdict
from roost.migration.resolving import copied
from roost.migration.retreat import give_up
from roost.migration.stream import Batch
from roost.migration.targets.registry import Targets, table_of
from roost.migration.targets.sealing import all_open, opens_to
from roost.migration.targets.target import PUT, Found, Place
from roost.migration.targets.tasks import without_later


async def verify(ledger: Ledger) -> None:
    """Read back what was written; a mismatch takes all of it back."""
    wrong: list[dict[str, Any]] = []
    async with aclosing(ledger.batches()) as batches:
        async for batch in batches:
            wrong += await ledger.write(partial(_verify_batch, ledger, batch))
    if wrong:
        await give_up(ledger, unverified_items(wrong), ledger.total)
        return
    await ledger.write(partial(_verified, ledger))


async def _verify_batch(
    ledger: Ledger, batch: Batch, transaction: Transaction
) -> list[dict[str, Any]]:
    await ledger.hold(transaction)
    place = {**ledger.this, "start": batch.start, "stop": batch.stop}
    rows = await transaction.rows(writes.PLANNED, **place)
    wrong = await verify_batch(transaction, ledger.place, ledger.targets, rows, batch.items)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)
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
        kept = _written(item, row, place)
        if kept is None or kept.draft is None:
            continue
        if isinstance(kept.draft, PreferenceDraft):
            targets.preferences.know(str(kept.target_id), kept.draft.key)
        table = table_of(kept)
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


def _written(item: Item, row: Any, place: Place) -> Item | None:  # noqa: ANN401 -- a record
    """The item whose row this verdict has written; None when it has written none."""
    item = quarantine.as_planned(item, row, place.user_id)
    if row["verdict"] == Verdict.INVALID:
        return quarantine.kept(item)
    if row["resolution"] == Resolution.KEEP_BOTH:
        return copied(item, place)
    return item if row["verdict"] == Verdict.CREATE or row["is_changing"] else None


def _has_secrets(row: Any, item: Item, found: Found, place: Place) -> bool:  # noqa: ANN401 -- a record
    """Whether the secrets are the source's: of a merge, those that it brought."""
    secrets = secrets_of(item)
    if secrets is None:
        return True
    kept = msgspec.json.decode(row["kept"] or "{}") if row["is_changing"] else {}
    if PUT not in kept:
        return opens_to(place.box, found.sealed, secrets)
    there = {name: found.sealed.get(name, b"") for name in kept[PUT]}
    return opens_to(place.box, there, {name: secrets[name] for name in kept[PUT]})


def _fault(row: Any, item: Item, found: Found | None, place: Place) -> str | None:  # noqa: ANN401 -- a record
    if found is None:
        return "MISSING"
    if not all_open(place.box, found.sealed):
        return "SECRET_UNREADABLE"
    is_new = row["resolution"] == Resolution.KEEP_BOTH or row["version"] in (None, "null")
    planned_with = 0 if is_new else int(row["version"])
    if found.version is not None and found.version > planned_with + 1:
        # Somebody has changed it since, through Roost: that is no fault of the migration's.
        return None
    if not _has_secrets(row, item, found, place):
        return "DIFFERENT"
    content = found.normal()
    if isinstance(item.draft, TaskDraft):
        content = without_later(content, {each.id for each in item.draft.messages})
    return None if digest(content) == row["digest"] else "DIFFERENT"
