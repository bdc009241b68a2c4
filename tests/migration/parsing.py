"""What the tests of parsing share: an owner, a moment, and a short way to parse."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from roost.db.sealing import SecretBox
from roost.migration.drafts import DocumentDraft, EnvironmentDraft, TaskDraft
from roost.migration.dump import Unpacker
from roost.migration.model import Item, Verdict
from roost.migration.octets import utf8
from roost.migration.parse import Parsed, parse

OWNER = UUID("0b0b0b0b-0000-4000-8000-000000000001")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def parsed(keys: dict[str, str], owner: UUID = OWNER, now: datetime = NOW) -> Parsed:
    """Parse raw strings by key, and hold what must hold for every dump."""
    result = parse({key: utf8(raw) for key, raw in keys.items()}, owner, now)
    check(result, len(keys))
    return result


def check(result: Parsed, keys: int) -> None:
    """Every key and every item has exactly one outcome."""
    assert len(result.keys) == keys
    assert len({report.key for report in result.keys}) == keys
    assert sum(report.found for report in result.keys) == len(result.items)
    for report in result.keys:
        assert report.found == report.planned + report.invalid + report.skipped
        assert (report.found == 0) == (report.note == "EMPTY")
    for item in result.items:
        assert (item.verdict is None) == (item.draft is not None)
        assert item.verdict in (None, Verdict.INVALID, Verdict.SKIP)
        assert (item.reason is None) == (item.verdict is None)


def store(tasks: Any, **envelope: Any) -> str:
    """A task store's raw string."""
    return json.dumps({"state": {"tasks": tasks}, "version": 0, **envelope}, ensure_ascii=False)


def items_of(result: Parsed, key: str) -> list[Item]:
    """The items of one key."""
    return [item for item in result.items if item.key == key]


def one_task(source: Any) -> TaskDraft:
    """The draft of a single stored task."""
    return task_item(source)[1]


def task_item(source: Any) -> tuple[Item, TaskDraft]:
    """The item and draft of a single stored task."""
    raw = source if isinstance(source, str) else json.dumps(source)
    item = parsed({"task-store": f'{{"state":{{"tasks":[{raw}]}},"version":0}}'}).items[0]
    assert isinstance(item.draft, TaskDraft), item
    return item, item.draft


def codes(item: Item) -> set[str]:
    """The codes of an item's warnings."""
    return {warning.code for warning in item.warnings}


def environments(*sources: Any) -> list[EnvironmentDraft]:
    """The drafts of stored environments."""
    raw = json.dumps({"state": {"environments": sources}, "version": 0})
    found = [item.draft for item in parsed({"environments": raw}).items]
    return [draft for draft in found if isinstance(draft, EnvironmentDraft)]


def document(item: Item) -> DocumentDraft:
    """The item's draft, which has to be a document."""
    assert isinstance(item.draft, DocumentDraft)
    return item.draft


def unpacked(content: bytes, size: int, box: SecretBox, length: int = 1 << 20) -> bytearray:
    """What a stored dump becomes, read in pieces of so many bytes."""
    unpacker = Unpacker(size, box)
    for at in range(0, len(content), length):
        unpacker.feed(content[at : at + length])
    return unpacker.finish()
