"""An item as a row of its own beside the one that it is in conflict with."""

from typing import Any, Final
from uuid import UUID

from msgspec.structs import replace

from roost.migration import ids
from roost.migration.drafts import (
    DocumentDraft,
    Draft,
    EnvironmentDraft,
    MessageDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.model import Item

_LONGEST_NAME: Final = 255
_SUFFIX: Final = " (copy)"
_MARK: Final = 8
"""Hexadecimal digits of the digest that tell a user's named copies apart."""


def copy_of(item: Item, owner: UUID, content_digest: bytes) -> Item:
    """The item under another id: the same one each time the same content is brought.

    TypeError when the item has no draft, and thus no row.
    """
    digest = content_digest.hex()
    target_id = ids.legacy(owner, item.key, [item.source_id, digest])
    draft = _draft(item.draft, target_id, item.target_id, digest[:_MARK])
    return replace(item, target_id=target_id, draft=draft, content=None, digest=None)


def _draft(draft: Draft | None, new: str, old: str | None, mark: str) -> Draft:
    match draft:
        case TaskDraft():
            return replace(
                draft,
                id=new,
                metadata=_marked(draft.metadata, old),
                messages=[_message(each, new) for each in draft.messages],
            )
        case EnvironmentDraft():
            return replace(
                draft,
                id=new,
                name=draft.name[: _LONGEST_NAME - len(_SUFFIX)] + _SUFFIX,
                # One is active at most, and the original may be.
                is_active=False,
                config=_marked(draft.config, old),
            )
        case DocumentDraft():
            return replace(draft, id=new, sub_id=f"{draft.sub_id}#copy")
        case PreferenceDraft():
            return replace(draft, key=f"{draft.key}~{mark}")
        case SecretDraft():
            return replace(draft, name=f"{draft.name}~{mark}")
        case None:
            message = "an item without a draft has no copy"
            raise TypeError(message)


def _marked(members: dict[str, Any], original: str | None) -> dict[str, Any]:
    return {**members, "copyOf": original}


def _message(draft: MessageDraft, task_id: str) -> MessageDraft:
    return replace(draft, id=ids.uuid5(f"{task_id}{draft.id}".encode()))
