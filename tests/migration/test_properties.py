"""For any dump whatever: everything accounted for, nothing crashes, nothing depends on luck."""

import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.migration.drafts import DocumentDraft, EnvironmentDraft, TaskDraft
from roost.migration.ids import own_uuid
from roost.migration.keys import EXACT, PREFIXES
from roost.migration.model import Item, Kind
from roost.migration.octets import Octets, utf8
from roost.migration.parse import parse, parse_keys, storable
from roost.migration.scanning import own_ids
from roost.migration.text import is_safe
from tests.fixtures import garbage
from tests.migration.parsing import NOW, OWNER, check, parsed, store

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | ANY_TEXT
    | st.sampled_from(
        ["", "DONE", "\x00", "\ud800", "2025-06-09T08:00:00.000Z", "1e400", "__proto__"]
    )
)
NAMES = st.sampled_from(
    [
        *("id", "title", "status", "messages", "data", "text", "content", "output", "role", "type"),
        *("createdAt", "updatedAt", "isArchived", "pullRequest", "head", "repo", "name", "userId"),
        *("isActive", "githubToken", "sandboxConfig", "environment", "labels", "state", "tasks"),
        *("environments", "version", "__proto__", "action", "command", "input", "environmentId"),
    ]
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(NAMES | ANY_TEXT, inner, max_size=6)
    ),
    max_leaves=25,
)
ODD_TASKS = garbage.dates() + garbage.ids() + garbage.texts() + garbage.conversations()
MEMBERS = (
    st.sampled_from([json.dumps(each) for each in ODD_TASKS])
    | st.sampled_from([json.dumps(each) for each in garbage.environments()])
    | st.sampled_from([json.dumps(each) for each in garbage.queued()])
    | st.sampled_from(garbage.raw_items())
    | ANYTHING.map(json.dumps)
    | st.dictionaries(NAMES, ANYTHING, min_size=1, max_size=8).map(json.dumps)
)
SHAPES = st.sampled_from(
    [
        '{"state":{"tasks":[%s]},"version":0}',
        '{"state":{"environments":[%s]},"version":0}',
        '{"state":{"tasks":[%s]}}',
        '{"tasks":[%s],"more":1}',
        "[%s]",
        '{"state":[%s],"version":1}',
        '{"state":{"tasks":[1],"tasks":[%s]},"state":{"tasks":[%s]}}',
        '{"state":%s}',
        '{"state":{"tasks":{"a":%s}}}',
        "%s",
    ]
)


@st.composite
def raw_values(draw: st.DrawFn) -> str:
    """A raw string: some shape around some members, then damaged, or not."""
    members = ",".join(draw(st.lists(MEMBERS, max_size=5)))
    raw = draw(SHAPES).replace("%s", members)
    for _ in range(draw(st.integers(0, 3))):
        kind = draw(st.sampled_from(["keep", "encode", "cut", "insert", "spaces"]))
        if kind == "encode":
            raw = json.dumps(raw)
        elif kind == "cut":
            raw = raw[: draw(st.integers(0, len(raw)))]
        elif kind == "insert":
            at = draw(st.integers(0, len(raw)))
            raw = (
                raw[:at]
                + draw(st.sampled_from(['"', "\\", "]", "}", "[", "{", ",", "\x00", "\udfff"]))
                + raw[at:]
            )
        elif kind == "spaces":
            raw = raw.replace(",", " ,\n").replace(":", ": ")
    return raw


KEYS = (
    st.sampled_from([*EXACT, *(f"{prefix}x" for prefix, _ in PREFIXES), "mine"])
    | st.sampled_from(["task-store", "tasks", "environments", "task-store-backup"])
    | ANY_TEXT
)
DUMPS = st.dictionaries(
    KEYS, raw_values() | ANY_TEXT | st.sampled_from(list(garbage.keys().values())), max_size=6
)


def assert_storable(value: Any) -> None:
    """PostgreSQL takes every text in it; JSON of it is plain."""
    stack, seen = [value], 0
    while stack:
        each = stack.pop()
        seen += 1
        if isinstance(each, str):
            assert is_safe(each)
        elif isinstance(each, dict):
            stack.extend(each)
            stack.extend(each.values())
        elif isinstance(each, list | tuple):
            stack.extend(each)
        elif isinstance(each, float):
            assert each - each == 0


def assert_row(item: Item) -> None:
    """A planned item's draft keeps the limits of its table."""
    draft = item.draft
    if isinstance(draft, TaskDraft):
        assert 1 <= len(draft.title) <= 255
        assert len(draft.description) <= 100_000
        assert draft.created_at.tzinfo is UTC
        assert draft.updated_at.tzinfo is UTC
        assert [message.position for message in draft.messages] == list(range(len(draft.messages)))
        assert len({message.id for message in draft.messages}) == len(draft.messages)
        for message in draft.messages:
            payload = json.loads(message.payload)
            assert isinstance(payload, dict)
            assert_storable([payload, message.text, message.type])
        assert_storable([draft.title, draft.description, draft.labels, draft.metadata])
        assert_storable([draft.repository, draft.branch, draft.status_message])
    elif isinstance(draft, EnvironmentDraft):
        assert 1 <= len(draft.name) <= 255
        assert_storable([draft.name, draft.description, draft.config, draft.secrets])
    elif isinstance(draft, DocumentDraft):
        assert_storable([draft.raw, draft.key, draft.sub_id])
    elif draft is not None:
        assert_storable([getattr(draft, name) for name in draft.__struct_fields__])
    assert_storable([item.key, item.source_id, item.field, item.detail, item.reason])
    assert_storable([[warn.code, warn.field, warn.detail] for warn in item.warnings])


def hold(keys: dict[str, str]) -> None:
    """All that must be true of any dump."""
    hold_raw({key: utf8(value) for key, value in keys.items()})


def hold_raw(raw: dict[str, Octets]) -> None:
    """Likewise, of raw strings as they are read."""
    result = parse(raw, OWNER, NOW)
    check(result, len(raw))
    taken = [(item.kind, item.target_id) for item in result.items if item.draft is not None]
    assert len(set(taken)) == len(taken)
    assert sum(getattr(item.draft, "is_active", False) for item in result.items) <= 1
    for item in result.items:
        assert_row(item)
    assert parse(dict(reversed(raw.items())), OWNER, NOW) == result


QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


@settings(max_examples=300, deadline=None, suppress_health_check=QUIET)
@given(DUMPS)
def test_every_dump_is_accounted_for(keys: dict[str, str]) -> None:
    hold(keys)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None, suppress_health_check=QUIET)
@given(DUMPS)
def test_very_many_dumps_are_accounted_for(keys: dict[str, str]) -> None:
    hold(keys)


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(st.lists(st.sampled_from(garbage.raw_items()), max_size=6), st.data())
def test_sound_tasks_are_the_same_whatever_lies_between_them(
    bad: list[str], data: st.DataObject
) -> None:
    sound = [garbage.task(number, title=f"sound {number}") for number in range(4)]
    alone = [item.draft for item in parsed({"task-store": store(sound)}).items]
    members = [json.dumps(each) for each in sound]
    for each in bad:
        members.insert(data.draw(st.integers(0, len(members))), each)
    raw = f'{{"state":{{"tasks":[{",".join(members)}]}},"version":0}}'
    found = [item.draft for item in parsed({"task-store": raw}).items]
    kept = [draft for draft in found if isinstance(draft, TaskDraft) and draft in alone]
    assert kept == alone
    positions = {item.position for item in parsed({"task-store": raw}).items}
    assert positions == set(range(len(members)))


def own_of(keys: Mapping[str, Octets]) -> set[tuple[Kind, str, str]]:
    """The UUIDs that a light scan finds: by kind and key, in canonical form."""
    return {(kind, key, own) for kind, key, _, own in own_ids(keys)}


@settings(max_examples=200, deadline=None, suppress_health_check=QUIET)
@given(DUMPS)
def test_a_light_scan_finds_every_id_that_a_row_keeps(keys: dict[str, str]) -> None:
    raw = {key: utf8(value) for key, value in keys.items()}
    kept = {
        (item.kind, item.key, item.target_id)
        for item in parse(raw, OWNER, NOW).items
        if isinstance(item.draft, TaskDraft | EnvironmentDraft)
        and item.target_id == own_uuid(item.source_id)
    }
    assert kept <= own_of(raw)
    for kind, key, source_id, own in own_ids(raw):
        assert kind in (Kind.TASK, Kind.ENVIRONMENT)
        assert key in {storable(each) for each in raw}
        assert own_uuid(source_id) == own


@settings(max_examples=200, deadline=None, suppress_health_check=QUIET)
@given(DUMPS)
def test_views_of_a_dump_are_parsed_like_bytes(keys: dict[str, str]) -> None:
    raw = {key: utf8(value) for key, value in keys.items()}
    views = {key: memoryview(bytearray(value)) for key, value in raw.items()}
    assert parse(views, OWNER, NOW) == parse(raw, OWNER, NOW)
    assert own_of(views) == own_of(raw)


def test_an_item_is_made_when_it_is_asked_for() -> None:
    raw = {"task-store": utf8(store([garbage.task(number) for number in range(10)]))}
    report, items = next(parse_keys(raw, OWNER, NOW))
    assert report.found == 0
    next(items)
    assert report.found == 1
    assert len(list(items)) == 9
    assert (report.found, report.planned) == (10, 10)
