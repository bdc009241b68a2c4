"""Writes the app had queued while it was offline: work that exists nowhere else."""

from collections.abc import Iterator
from typing import Any, Final

from roost.migration.context import Context, Raw
from roost.migration.drafts import Warn
from roost.migration.mapping.documents import member
from roost.migration.mapping.fields import shown
from roost.migration.model import Item, Kind

_TYPES: Final = ("insert", "update", "delete")


def write(context: Context, key: str, value: object, raw: Raw, label: str | None) -> Iterator[Item]:
    """One queued write, kept as a document and reported: never replayed unasked, never dropped.

    It is an object, or a pair `[id, object]` as a serialised Map holds it.
    """
    operation: object = value
    source_id: object = label
    if type(value) is list and len(value) == 2:  # noqa: PLR2004
        source_id, operation = value
    if type(operation) is dict and operation.get("id") is not None:
        source_id = operation["id"]
    item = member(context, key, value, raw, source_id=source_id, kind=Kind.OFFLINE_WRITE)
    if item.verdict is None and type(operation) is dict:
        item.warnings += (Warn("OFFLINE_WRITE", None, _summary(operation)),)
        if context.is_foreign(operation.get("userId")):
            item.warnings += (Warn("OTHER_USER", "userId"),)
    elif item.verdict is None:
        item.warnings += (Warn("UNKNOWN_WRITE", None, "no operation that is known"),)
    yield item


def session(
    context: Context, key: str, value: object, raw: Raw, label: str | None
) -> Iterator[Item]:
    """One chat session of `sessions-store`, kept as a document."""
    source_id = value.get("id") if type(value) is dict else None
    source_id = label if source_id is None else source_id
    yield member(context, key, value, raw, source_id=source_id)


def _summary(operation: dict[str, Any]) -> str:
    kind = operation.get("type")
    verb = kind if kind in _TYPES else f"unknown operation {shown(kind)}"
    return f"{verb} in {shown(operation.get('table'))}, never sent by the app"
