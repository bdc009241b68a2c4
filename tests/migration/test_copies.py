"""An item beside the one that it is in conflict with."""

import json
from copy import deepcopy
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from roost.migration.content import content_of, digest, normal
from roost.migration.copies import copy_of
from roost.migration.drafts import (
    DocumentDraft,
    EnvironmentDraft,
    PreferenceDraft,
    SecretDraft,
    TaskDraft,
)
from roost.migration.ids import own_uuid
from roost.migration.model import Item, Kind
from tests.migration.parsing import OWNER, items_of, parsed, task_item

_MESSAGES = [{"role": "user", "text": "go"}, {"role": "assistant", "text": "done"}]
_SOURCE = {"id": 7, "title": "Fix it", "messages": _MESSAGES}
_ENVIRONMENT = {"id": 1, "name": "n" * 255, "isActive": True, "githubToken": "fake-token"}


def _copied(item: Item, owner: UUID = OWNER) -> Item:
    return copy_of(item, owner, digest(normal(content_of(item))))


def _environment() -> Item:
    raw = json.dumps({"state": {"environments": [_ENVIRONMENT]}, "version": 0})
    return items_of(parsed({"environments": raw}), "environments")[0]


def _other(kind: Kind, draft: Any) -> Item:
    return Item(
        key="notes", kind=kind, source_id="s", target_id=getattr(draft, "id", "t"), draft=draft
    )


def _document(raw: str = "text") -> Item:
    draft = DocumentDraft(id="d", key="notes", sub_id="s", raw=raw, content_type="text/plain")
    return _other(Kind.DOCUMENT, draft)


def _everything() -> list[Item]:
    return [
        task_item(_SOURCE)[0],
        _environment(),
        _document(),
        _other(Kind.PREFERENCE, PreferenceDraft("theme", "dark")),
        _other(Kind.SECRET, SecretDraft("token", "fake", "notes")),
    ]


@pytest.mark.parametrize("item", _everything(), ids=lambda item: item.kind.value)
def test_a_second_run_makes_the_same_copy_and_leaves_the_original_alone(item: Item) -> None:
    before = deepcopy(item)
    copy = _copied(item)
    assert replace(item, content=None) == replace(before, content=None)
    assert replace(copy, content=None) == replace(_copied(item), content=None)
    assert copy.target_id != item.target_id
    assert own_uuid(copy.target_id) == copy.target_id
    assert (copy.key, copy.kind, copy.source_id) == (item.key, item.kind, item.source_id)
    assert content_of(copy) != content_of(item)
    other = _copied(item, UUID(int=1))
    assert other.target_id != copy.target_id


def test_a_copied_task_has_a_conversation_of_its_own() -> None:
    item, original = task_item(_SOURCE)
    copy = _copied(item)
    draft = copy.draft
    assert isinstance(draft, TaskDraft)
    assert draft.id == copy.target_id
    assert draft.metadata == {**original.metadata, "copyOf": item.target_id}
    ids = [each.id for each in draft.messages]
    assert len({*ids, *(each.id for each in original.messages)}) == 4
    assert all(UUID(each).version == 5 for each in ids)
    said = [(each.position, each.text, each.payload) for each in draft.messages]
    assert said == [(each.position, each.text, each.payload) for each in original.messages]


def test_two_contents_give_two_copies() -> None:
    first, _ = task_item(_SOURCE)
    second, _ = task_item({**_SOURCE, "title": "Fix that"})
    assert first.target_id == second.target_id
    copies = [_copied(first), _copied(second)]
    assert copies[0].target_id != copies[1].target_id
    drafts = [each.draft for each in copies if isinstance(each.draft, TaskDraft)]
    assert len({each.id for draft in drafts for each in draft.messages}) == 4
    assert _copied(_document("a")).target_id != _copied(_document("b")).target_id


def test_a_copied_environment_says_so_and_is_not_the_active_one() -> None:
    item = _environment()
    original, copy = item.draft, _copied(item)
    draft = copy.draft
    assert isinstance(original, EnvironmentDraft)
    assert isinstance(draft, EnvironmentDraft)
    assert original.is_active
    assert not draft.is_active
    assert draft.id == copy.target_id
    assert draft.name == "n" * 248 + " (copy)"
    assert draft.config["copyOf"] == item.target_id
    assert draft.secrets == original.secrets


def test_what_has_a_name_gets_another() -> None:
    document = _copied(_document()).draft
    assert isinstance(document, DocumentDraft)
    assert document.sub_id == "s#copy"
    preference = copy_of(_everything()[3], OWNER, bytes.fromhex("0123456789ab")).draft
    assert isinstance(preference, PreferenceDraft)
    assert preference.key == "theme~01234567"
    secret = copy_of(_everything()[4], OWNER, bytes.fromhex("0123456789ab")).draft
    assert isinstance(secret, SecretDraft)
    assert secret.name == "token~01234567"


def test_an_item_without_a_draft_has_no_copy() -> None:
    with pytest.raises(TypeError, match="without a draft"):
        copy_of(Item(key="k", kind=Kind.CACHE), OWNER, b"")
