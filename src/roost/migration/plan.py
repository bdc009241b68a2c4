"""The plan: a verdict for each item, against what the database has."""

from collections.abc import Mapping, Sequence
from uuid import UUID

from roost.db.pool import Transaction
from roost.migration import ids, quarantine
from roost.migration.conflicts import Conflict, of_item
from roost.migration.content import digest_of
from roost.migration.decision import Decision
from roost.migration.drafts import DocumentDraft, PreferenceDraft
from roost.migration.model import ConflictResolution, Item, Resolution, Verdict
from roost.migration.resolving import Choice, resolve
from roost.migration.targets.registry import ORDER, Targets, table_of
from roost.migration.targets.target import Found, Place

POLICIES = {
    ConflictResolution.AUTO_SKIP: Resolution.SKIP,
    ConflictResolution.AUTO_OVERWRITE: Resolution.OVERWRITE,
    ConflictResolution.AUTO_MERGE: Resolution.MERGE,
}


def prepare(item: Item, position: int, owner: UUID, targets: Targets) -> None:
    """Settle the id of an item that the parse left open: of a document, of what is quarantined.

    A document's own UUID may be another kind's or another user's too: it gets one by owner.
    """
    draft = item.draft
    if isinstance(draft, DocumentDraft) and item.target_id == ids.own_uuid(item.source_id):
        item.target_id = ids.legacy(owner, item.key, [item.kind.value, item.source_id])
    elif isinstance(draft, PreferenceDraft) and item.target_id is not None:
        targets.preferences.know(item.target_id, draft.key)
    elif item.verdict is Verdict.INVALID and item.raw is not None:
        name = ["quarantine", item.offset, position, ids.content_hash(item.raw.hex()).hex()]
        item.target_id = ids.legacy(owner, item.key, name)


async def decide(
    transaction: Transaction,
    place: Place,
    targets: Targets,
    batch: Sequence[tuple[int, Item]],
    choices: Mapping[int, Choice],
) -> list[Decision]:
    """Give each item of a batch its verdict; reads what exists in a statement a table.

    `choices` says by position how conflicts are to be resolved.
    """
    existing = await found_by_table(transaction, place, targets, [item for _, item in batch])
    decisions: list[Decision] = []
    conflicts: list[Conflict] = []
    for position, item in batch:
        if item.draft is None:
            verdict = item.verdict or Verdict.INVALID
            kept = quarantine.kept(item)
            shown = digest_of(kept) if kept is not None else None
            decisions.append(Decision(position, item, verdict, field=item.field, digest=shown))
            continue
        found = existing[table_of(item)].get(str(item.target_id))
        decision = _decision(position, item, found, place)
        decisions.append(decision)
        if isinstance(decision, Conflict):
            conflicts.append(decision)
    await resolve(transaction, place, targets, conflicts, choices)
    return decisions


async def found_by_table(
    transaction: Transaction, place: Place, targets: Targets, items: Sequence[Item]
) -> dict[str, dict[str, Found]]:
    """The rows that exist of the items' ids, by table."""
    wanted: dict[str, list[str]] = {}
    for item in items:
        if item.draft is not None and item.target_id is not None:
            wanted.setdefault(table_of(item), []).append(item.target_id)
    return {
        table: await targets[table].found(transaction, place, wanted[table])
        for table in ORDER
        if table in wanted
    }


def _decision(position: int, item: Item, found: Found | None, place: Place) -> Decision:
    if found is None:
        return Decision(position, item, Verdict.CREATE, digest=digest_of(item))
    return of_item(position, item, found, place) or Decision(position, item, Verdict.SAME)
