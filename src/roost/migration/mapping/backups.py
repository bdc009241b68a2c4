"""Copies that other tools left of the stores: recognised, never imported a second time."""

from collections.abc import Iterator
from typing import Final

from roost.migration.context import Context
from roost.migration.drafts import Warn
from roost.migration.mapping.documents import kept
from roost.migration.mapping.stores import Element, open_store
from roost.migration.model import Item, Kind, Verdict
from roost.migration.reader import MalformedError, read

_COPIED: Final = {
    "tasks": ("task-store", Kind.TASK),
    "environments": ("environments", Kind.ENVIRONMENT),
}


def backup(context: Context, key: str, raw: bytes, names: tuple[str, ...]) -> Iterator[Item]:
    """Leave a copy out when the store itself has all that is in it, equal; else keep it verbatim.

    Its rows are not brought to life: what the store lacks, its owner may have deleted.
    """
    store = open_store(raw, names)
    if not store.elements and not store.broken and not store.leftovers:
        return
    original, kind = _COPIED[names[0]]
    missing = sum(not _is_there(context, original, kind, each) for each in store.elements)
    if missing or store.broken or store.leftovers:
        detail = f"{missing} items are not in {original}, or otherwise"
        if store.broken:
            detail += f", {len(store.broken)} parts could not be read"
        if store.leftovers:
            detail += f", {len(store.leftovers)} parts are no items"
        warning = Warn("BACKUP_HOLDS_MORE", None, detail)
        yield kept(context, key, raw, kind=Kind.BACKUP, warnings=(warning,))
        return
    yield Item(
        key=key,
        kind=Kind.BACKUP,
        verdict=Verdict.SKIP,
        reason="BACKUP_COPY",
        detail=f"all {len(store.elements)} items are in {original}, and equal",
    )


def _is_there(context: Context, original: str, kind: Kind, element: Element) -> bool:
    """Whether the store has the same item with the same content."""
    try:
        value, _ = read(bytes(element.raw))
    except MalformedError:
        return False
    source_id = value.get("id") if type(value) is dict else None
    source_id = element.label if source_id is None else source_id
    return context.holds(kind, original, source_id, value)
