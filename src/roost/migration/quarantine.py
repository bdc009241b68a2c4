"""What could not be read is kept all the same: as a document, sealed where it may hold a secret."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from roost.db.pool import Transaction
from roost.migration import ids
from roost.migration.content import content_of
from roost.migration.drafts import DocumentDraft, SecretDraft
from roost.migration.failure import REFUSED
from roost.migration.mapping.documents import to_seal, verbatim
from roost.migration.model import Item, Kind, Verdict
from roost.migration.targets.registry import Targets, table_of
from roost.migration.targets.target import Place

_SEALED: Final = (Kind.ENVIRONMENT, Kind.SECRET)


def kept(item: Item) -> Item | None:
    """The row that keeps an invalid item's raw text; None when there is nothing to keep."""
    if item.verdict is not Verdict.INVALID or item.raw is None or item.target_id is None:
        return None
    text, encoding = verbatim(item.raw)
    draft: DocumentDraft | SecretDraft
    if item.kind in _SEALED or to_seal(item.raw):
        name = f"quarantine:{item.key}:{item.target_id}"
        draft = SecretDraft(name, text, item.key)
    else:
        draft = DocumentDraft(
            id=item.target_id,
            key=item.key,
            sub_id=f"{item.position if item.position is not None else ''}@{item.offset or 0}",
            raw=text,
            content_type="text/plain",
            encoding=encoding,
        )
    return msgspec.structs.replace(item, draft=draft, content=None, digest=None)


def refused(item: Item, owner: UUID, message: str) -> Item:
    """What becomes of an item whose row the database refused: its content is quarantined."""
    content = content_of(item)
    name = ["refused", item.target_id]
    return msgspec.structs.replace(
        item,
        target_id=ids.legacy(owner, item.key, name),
        verdict=Verdict.INVALID,
        reason=REFUSED,
        detail=message,
        draft=None,
        raw=content,
        content=None,
        digest=None,
    )


def as_planned(item: Item, row: Any, owner: UUID) -> Item:  # noqa: ANN401 -- a record
    """The item as its row says it was decided on: one that was refused is another."""
    if row["reason"] == REFUSED and item.draft is not None:
        return refused(item, owner, row["detail"])
    return item


async def keep(
    transaction: Transaction, place: Place, targets: Targets, items: Sequence[Item]
) -> None:
    """Put invalid items' raw texts where they are kept, those that are not there yet."""
    rows = [row for item in items if (row := kept(item)) is not None]
    for table in ("document", "secret"):
        here = [row for row in rows if table_of(row) == table]
        if here:
            ids = [str(row.target_id) for row in here]
            known = await targets[table].found(transaction, place, ids)
            new = [row for row in here if row.target_id not in known]
            if new:
                await targets[table].create(transaction, place, new)
