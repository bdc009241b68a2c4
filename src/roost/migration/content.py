"""What an item is to be in the database, in the form in which it is compared.

A content is a JSON object by the names of the wire. It is made from a draft, and read back from
a row; two contents are equal when their canonical texts are.
"""

import hashlib
import json
from datetime import datetime
from typing import Any, Final

import msgspec

from roost.db.rowjson import stamp
from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    MessageDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.model import Item, Verdict
from roost.migration.reader import is_plain

Content = dict[str, Any]
QUARANTINE: Final = "quarantine"
"""The kind of a document that holds what could not be read."""

#: From here on not every whole number is a double of its own.
_EXACT_BELOW: Final = 2**53
_WIRE: Final = {"created_at": "createdAt", "updated_at": "updatedAt"}
#: Moments that a task has from `updatedAt`, and that are guessed when that is.
_FOLLOWING: Final = ("completedAt", "archivedAt")


def _optional(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)


def _number(literal: str) -> int | float | str:
    """One form for each number: 1e2, 100.0 and 100 are the same to the database."""
    number = float(literal)
    if abs(number) >= _EXACT_BELOW:
        return repr(number)
    return int(number) if number.is_integer() else number


#: What has one form only.
_PLAIN: Final = (str, bool, type(None))

_decode: Final = msgspec.json.Decoder(float_hook=_number).decode
_canonical: Final = msgspec.json.Encoder(order="deterministic").encode
encode: Final = msgspec.json.Encoder().encode


def normal(raw: bytes) -> Any:  # noqa: ANN401 -- JSON
    """Read a content's JSON text, with its numbers in one form."""
    if is_plain(raw):
        return _decode(raw)
    return json.loads(raw, parse_int=_number, parse_float=_number)


def digest(content: Content) -> bytes:
    """The SHA-256 of a normal content, whatever the order of its keys."""
    return hashlib.sha256(_canonical(content)).digest()


def differences(incoming: Content, existing: Content) -> list[str]:
    """The fields of `incoming` that `existing` has otherwise."""
    return [name for name, value in incoming.items() if not equal(value, existing.get(name))]


def equal(left: object, right: object) -> bool:
    """Whether two JSON values are the same, in whatever form their numbers are."""
    # To Python True is 1; to JSON it is not. And 1e30 is not the 10**30 that PostgreSQL gives back.
    if left == right and _canonical(left) == _canonical(right):
        return True
    plain = isinstance(left, _PLAIN) or isinstance(right, _PLAIN)
    return not plain and canonical(left) == canonical(right)


def canonical(value: object) -> bytes:
    """The one text that a JSON value has, whatever the order of its keys and its numbers' form."""
    return _canonical(normal(encode(value)))


def known_better(item: Item, incoming: Content, existing: Content) -> Content:
    """What the row knows and the source did not say: moments guessed by the import."""
    draft = item.draft
    if not isinstance(draft, TaskDraft | EnvironmentDraft) or not draft.assumed:
        return {}
    names = [_WIRE[column] for column in draft.assumed]
    for name in _FOLLOWING:
        guessed = "updatedAt" in names and incoming.get(name) == incoming["updatedAt"]
        if guessed and existing.get(name) is not None:
            names.append(name)
    return {name: existing[name] for name in names}


def source_digest(item: Item) -> bytes:
    """The SHA-256 of what the source said of an item, the same at every import."""
    content: Content = normal(content_of(item))
    assumed = getattr(item.draft, "assumed", ())
    if assumed:
        guessed = {_WIRE[column] for column in assumed} | set(_FOLLOWING)
        content = {name: value for name, value in content.items() if name not in guessed}
    return digest(content)


def content_of(item: Item) -> bytes:
    """The JSON text of an item's content; made once."""
    if item.content is None:
        item.content = _content_of(item)
    return item.content


def digest_of(item: Item) -> bytes:
    """The digest of an item's content; made once."""
    if item.digest is None:
        item.digest = digest(normal(content_of(item)))
    return item.digest


def _content_of(item: Item) -> bytes:
    draft = item.draft
    match draft:
        case TaskDraft():
            made = _task(draft)
        case EnvironmentDraft():
            made = _environment(draft)
        case DocumentDraft():
            made = _document(draft, item)
        case PreferenceDraft():
            made = {"id": item.target_id, "key": draft.key, "value": draft.value}
        case SecretDraft():
            made = {"id": item.target_id, "name": draft.name}
        case None:
            message = "an item without a draft has no content"
            raise TypeError(message)
    return encode(made)


def _task(draft: TaskDraft) -> Content:
    return {
        "id": draft.id,
        "title": draft.title,
        "description": draft.description,
        "status": draft.status,
        "priority": draft.priority,
        "mode": draft.mode,
        "environmentId": draft.environment_id,
        "repository": draft.repository,
        "branch": draft.branch,
        "labels": draft.labels,
        "dueAt": _optional(draft.due_at),
        "completedAt": _optional(draft.completed_at),
        "archivedAt": _optional(draft.archived_at),
        "statusMessage": draft.status_message,
        "hasChanges": draft.has_changes,
        "pullRequest": draft.pull_request,
        "position": draft.position,
        "metadata": draft.metadata,
        "createdAt": stamp(draft.created_at),
        "updatedAt": stamp(draft.updated_at),
        "messages": [_message(each, draft.created_at) for each in draft.messages],
    }


def _message(draft: MessageDraft, task_created: datetime) -> Content:
    moment = draft.created_at
    return {
        "id": draft.id,
        "position": draft.position,
        "role": draft.role,
        "type": draft.type,
        "text": draft.text,
        "payload": msgspec.Raw(draft.payload),
        # A message without a time has its task's: null, so that it goes along with it.
        "createdAt": None if moment is None or moment == task_created else stamp(moment),
    }


def _environment(draft: EnvironmentDraft) -> Content:
    return {
        "id": draft.id,
        "name": draft.name,
        "description": draft.description,
        "repository": draft.repository,
        "config": draft.config,
        "createdAt": stamp(draft.created_at),
        "updatedAt": stamp(draft.updated_at),
        "secrets": sorted(draft.secrets),
    }


def _document(draft: DocumentDraft, item: Item) -> Content:
    return {
        "id": item.target_id,
        "kind": QUARANTINE if item.verdict is Verdict.INVALID else item.kind.value,
        "key": draft.key,
        "subId": draft.sub_id,
        "content": draft.raw,
        "contentType": draft.content_type,
        "encoding": draft.encoding,
    }
