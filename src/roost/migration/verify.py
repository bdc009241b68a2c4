"""Reading back what was written, and comparing it with the plan, item by item."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any

import msgspec

from roost.db.pool import Transaction
from roost.migration import quarantine, writes
from roost.migration.applying import finish
from roost.migration.conflicts import secrets_of
from roost.migration.content import digest
from roost.migration.drafts import EnvironmentDraft, PreferenceDraft, SealedText, TaskDraft
from roost.migration.failure import unverified_items
from roost.migration.ledger import Ledger
from roost.migration.model import Item, Resolution, Verdict
from roost.migration.pipelining import Turn, in_turn
from roost.migration.planned_tasks import planned_tasks
from roost.migration.removed import is_changed_by_others, removed_by_others
from roost.migration.resolving import copied
from roost.migration.retreat import give_up
from roost.migration.stream import Batch
from roost.migration.targets.registry import table_of
from roost.migration.targets.sealing import all_open, opens_to
from roost.migration.targets.target import PUT, Found, Place
from roost.migration.targets.tasks import has_authors, without_later


class Expected(msgspec.Struct):
    """A row that a verdict has written; `said` are the messages that the source brought."""

    verdict: Any
    table: str
    target_id: str
    said: frozenset[str] = frozenset()
    secrets: Mapping[str, str | SealedText] | None = None
    active: bool | None = None


class _Verification:
    """One reading of all that was written; `wrong` are the items whose row is not as planned."""

    def __init__(self, ledger: Ledger) -> None:
        self.wrong: list[dict[str, Any]] = []
        self._ledger = ledger
        self._done = 0

    async def tasks(self, span: range, turn: Turn) -> None:
        """Compare tasks with the plan alone."""
        await self._step(span, None, turn)

    async def items(self, batch: Batch, turn: Turn) -> None:
        """Compare what the dump says."""
        await self._step(range(batch.start, batch.stop), batch.items, turn)

    async def _step(self, span: range, items: Sequence[Item] | None, turn: Turn) -> None:
        """Read and compare while the step before does, and write down that it was done."""
        ledger = self._ledger
        wrong: list[dict[str, Any]] = []
        key: str | None = None

        async def ahead(transaction: Transaction) -> None:
            nonlocal key
            place = {**ledger.this, "start": span.start, "stop": span.stop}
            rows = await transaction.rows(writes.PLANNED, **place)
            key = rows[-1]["key"]
            wrong[:] = await _compare(ledger, _expected(ledger, rows, items), transaction)
            await turn.come()

        async def advance(transaction: Transaction) -> None:
            await ledger.hold(transaction)
            await ledger.advance(transaction, self._done + len(span), key)

        await ledger.write(advance, ahead)
        self._done += len(span)
        self.wrong += wrong


async def verify(ledger: Ledger) -> None:
    """Read back what was written; a mismatch takes all of it back."""
    planned = planned_tasks(await ledger.write(partial(_keys, ledger)))
    verification = _Verification(ledger)
    await in_turn(planned.parts(ledger.config.batch_size), verification.tasks)
    async with aclosing(ledger.batches(only=planned.others)) as batches:
        await in_turn(batches, verification.items)
    if verification.wrong:
        await give_up(ledger, unverified_items(verification.wrong), ledger.total)
        return
    await ledger.write(partial(_verified, ledger))


async def wrong_in(ledger: Ledger, batch: Batch, transaction: Transaction) -> list[dict[str, Any]]:
    """Read a batch back; gives the items whose row is not as planned."""
    place = {**ledger.this, "start": batch.start, "stop": batch.stop}
    rows = await transaction.rows(writes.PLANNED, **place)
    return await _compare(ledger, _expected(ledger, rows, batch.items), transaction)


async def _keys(ledger: Ledger, transaction: Transaction) -> Sequence[Any]:
    return await transaction.rows(writes.PLANNED_KEYS, **ledger.this)


async def _verified(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    await finish(ledger, await ledger.counts(transaction, applied=True), transaction)


def _expected(ledger: Ledger, rows: Sequence[Any], items: Sequence[Item] | None) -> list[Expected]:
    if items is None:
        created = [row for row in rows if row["verdict"] == Verdict.CREATE]
        return [Expected(row, "task", str(row["target_id"])) for row in created]
    pairs = zip(rows, items, strict=True)
    return [each for row, item in pairs if (each := _expected_of(ledger, item, row))]


def _expected_of(ledger: Ledger, item: Item, row: Any) -> Expected | None:  # noqa: ANN401 -- a record
    kept = _written(item, row, ledger.place)
    if kept is None or kept.draft is None:
        return None
    if isinstance(kept.draft, PreferenceDraft):
        ledger.targets.preferences.know(str(kept.target_id), kept.draft.key)
    drafts = kept.draft.messages if isinstance(kept.draft, TaskDraft) else ()
    said = frozenset(each.id for each in drafts)
    active = None
    if isinstance(kept.draft, EnvironmentDraft) and row["verdict"] == Verdict.CREATE:
        active = kept.draft.is_active
    return Expected(row, table_of(kept), str(kept.target_id), said, secrets_of(kept), active)


async def _compare(
    ledger: Ledger, expected: Sequence[Expected], transaction: Transaction
) -> list[dict[str, Any]]:
    """Name the items whose row is not as planned."""
    ids: dict[str, list[str]] = {}
    for each in expected:
        ids.setdefault(each.table, []).append(each.target_id)
    place, targets = ledger.place, ledger.targets
    found = {table: await targets[table].found(transaction, place, ids[table]) for table in ids}
    removed = {
        table: await removed_by_others(
            transaction, place, table, set(ids[table]) - found[table].keys()
        )
        for table in ids
    }
    wrong = []
    for each in expected:
        row = found[each.table].get(each.target_id)
        is_off = row is not None and row.active is False and each.active
        if (
            row is not None
            and is_off
            and await is_changed_by_others(transaction, place, each.table)
        ):
            # Whoever has switched another off meanwhile has left none active.
            row.active = None
        reason = _fault(each, row, place)
        if reason is not None and each.target_id not in removed[each.table]:
            wrong.append(
                {
                    "key": each.verdict["key"],
                    "kind": each.verdict["kind"],
                    "targetId": each.target_id,
                    "position": each.verdict["position"],
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


def _has_secrets(expected: Expected, found: Found, place: Place) -> bool:
    """Whether the secrets are the source's: of a merge, those that it brought."""
    row, secrets = expected.verdict, expected.secrets
    if secrets is None:
        return True
    kept = msgspec.json.decode(row["kept"] or "{}") if row["is_changing"] else {}
    if PUT not in kept:
        return opens_to(place.box, found.sealed, secrets)
    there = {name: found.sealed.get(name, b"") for name in kept[PUT]}
    return opens_to(place.box, there, {name: secrets[name] for name in kept[PUT]})


def _fault(expected: Expected, found: Found | None, place: Place) -> str | None:
    if found is None:
        return "MISSING"
    if not all_open(place.box, found.sealed):
        return "SECRET_UNREADABLE"
    row = expected.verdict
    is_new = row["resolution"] == Resolution.KEEP_BOTH or row["version"] in (None, "null")
    planned_with = 0 if is_new else int(row["version"])
    if found.version is not None and found.version > planned_with + 1:
        # Somebody has changed it since, through Roost: that is no fault of the migration's.
        return None
    is_well = _has_secrets(expected, found, place) and _is_as_planned(
        expected, found, place, is_new=is_new
    )
    return None if is_well else "DIFFERENT"


def _is_as_planned(expected: Expected, found: Found, place: Place, *, is_new: bool) -> bool:
    if expected.active is not None and found.active is (not expected.active):
        return False
    content = found.normal()
    if expected.table == "task":
        if is_new and not has_authors(content, str(place.user_id), expected.said):
            return False
        content = without_later(content, expected.said)
    same: bool = digest(content) == expected.verdict["digest"]
    return same
