"""Stores in every envelope, keys of every kind, ids that stay."""

import json
from typing import Any
from uuid import UUID

import pytest

from roost.migration.drafts import (
    PreferenceDraft,
    TaskDraft,
)
from roost.migration.model import Item, Kind, Verdict
from tests.migration.parsing import OWNER, codes, document, items_of, parsed, store

A, B = "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6b", "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6c"


def task(task_id: Any, title: str = "t", **extra: Any) -> dict[str, Any]:
    """A stored task."""
    return {"id": task_id, "title": title, "status": "DONE", "messages": [], **extra}


TWO = [task(A), task(B)]
VERSIONS: list[Any] = [1, "0", -1, 1e9, None, {}]


def titles(items: list[Item]) -> list[str]:
    """The titles of the planned tasks."""
    return [item.draft.title for item in items if isinstance(item.draft, TaskDraft)]


@pytest.mark.parametrize(
    "raw",
    [
        store(TWO),
        json.dumps({"state": {"tasks": TWO}}),
        *[store(TWO, version=version) for version in VERSIONS],
        json.dumps({"tasks": TWO}),
        json.dumps(TWO),
        json.dumps({"state": TWO}),
        json.dumps({"state": {"tasks": {"x": TWO[0], "y": TWO[1]}}, "version": 0}),
        json.dumps({A: TWO[0], B: TWO[1]}),
        json.dumps(store(TWO)),
        json.dumps(json.dumps(store(TWO))),
        json.dumps({"state": json.dumps({"tasks": TWO}), "version": 0}),
        json.dumps({"state": {"tasks": json.dumps(TWO)}, "version": 0}),
        json.dumps({"version": 0, "state": {"tasks": TWO}}, indent=2),
        f"\n {store(TWO)} \n",
    ],
)
def test_every_envelope_gives_the_same_tasks(raw: str) -> None:
    items = parsed({"task-store": raw}).items
    assert [item.target_id for item in items] == [A, B]


@pytest.mark.parametrize(
    "raw",
    [
        "",
        "  ",
        "null",
        '""',
        '"null"',
        '{"version":0}',
        '{"state":null,"version":0}',
        '{"state":{},"version":0}',
        '{"state":{"tasks":null}}',
        '{"state":{"tasks":[]},"version":0}',
        '{"tasks":{}}',
        "{}",
        "[]",
    ],
)
@pytest.mark.parametrize("key", ["task-store", "environments", "claude-docker-task-store"])
def test_an_empty_store_is_nothing_to_migrate_and_no_error(key: str, raw: str) -> None:
    raw = raw.replace("tasks", "environments") if key == "environments" else raw
    result = parsed({key: raw})
    assert result.items == []
    assert result.keys[0].note == "EMPTY"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("invalid-json", "NOT_JSON"),
        ("[object Object]", "NOT_JSON"),
        ("undefined", "NOT_JSON"),
        ("NaN", "NOT_JSON"),
        ("5", "NOT_A_STORE"),
        ('"hello"', "NOT_A_STORE"),
        ('{"state":5,"version":0}', "NOT_A_STORE"),
        ('{"state":{"tasks":7}}', "NOT_A_LIST"),
        ("{", "TRUNCATED"),
        ('{"sta', "TRUNCATED"),
    ],
)
def test_what_is_no_store_is_quarantined_as_it_is(raw: str, reason: str) -> None:
    items = parsed({"task-store": raw, "tasks": store(TWO)}).items
    assert [(item.key, item.reason) for item in items if item.verdict] == [("task-store", reason)]
    assert items[0].raw is not None
    assert items[0].raw.decode() in raw
    assert titles(items) == ["t", "t"]


def test_a_cut_store_gives_its_leading_tasks_wherever_it_is_cut() -> None:
    members = [task(A, "one"), task(B, 'two \\ " é'), task("x", "three")]
    raw = json.dumps({"state": {"tasks": members}, "version": 0}, separators=(",", ":"))
    ends = [raw.index(json.dumps(each, separators=(",", ":"))) for each in members]
    ends = [at + len(json.dumps(members[n], separators=(",", ":"))) for n, at in enumerate(ends)]
    for cut in range(1, len(raw)):
        result = parsed({"task-store": raw[:cut], "theme": "dark"})
        items = items_of(result, "task-store")
        whole = sum(end <= cut for end in ends)
        assert titles(items) == [each["title"] for each in members[:whole]], cut
        broken = [item for item in items if item.verdict is Verdict.INVALID]
        assert [item.reason for item in broken] == ["TRUNCATED"], cut
        assert broken[0].offset is not None
        assert broken[0].raw is not None
        assert raw[:cut].encode()[broken[0].offset :] == broken[0].raw
        assert items_of(result, "theme")[0].draft == PreferenceDraft("theme", "dark")


def test_a_cut_store_that_was_encoded_over_again_is_salvaged_too() -> None:
    raw = json.dumps(store(TWO))
    items = parsed({"task-store": raw[: len(raw) - 40]}).items
    assert titles(items) == ["t"]
    assert [item.reason for item in items if item.verdict] == ["TRUNCATED"]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"id":"x","title":NaN}', "NOT_JSON"),
        ("undefined", "NOT_JSON"),
        ("[object Object]", "NOT_JSON"),
        ("Infinity", "NOT_JSON"),
        ('{"id":"\\x"}', "BAD_ESCAPE"),
        ("null", "NOT_AN_OBJECT"),
        ("5", "NOT_AN_OBJECT"),
        ('"text"', "NOT_AN_OBJECT"),
        ("[]", "NOT_AN_OBJECT"),
        ("{}", "NOT_A_TASK"),
        ('{"colour":"blue"}', "NOT_A_TASK"),
    ],
)
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_bad_item_never_takes_its_neighbours_along(bad: str, reason: str, position: int) -> None:
    members = [json.dumps(each) for each in TWO]
    members.insert(position, bad)
    raw = f'{{"state":{{"tasks":[{",".join(members)}]}}}}'
    items = parsed({"task-store": raw}).items
    assert [item.target_id for item in items if item.draft] == [A, B]
    broken = next(item for item in items if item.verdict)
    assert (broken.reason, broken.position, broken.raw) == (reason, position, bad.encode())
    assert broken.offset is not None
    assert broken.offset >= len(raw[: raw.index("[")])


def test_what_lies_beside_the_list_is_kept() -> None:
    raw = json.dumps({"state": {"tasks": TWO, "filter": "é"}, "version": 0, "extra": [1]})
    items = parsed({"task-store": raw}).items
    kept = {
        document(item).sub_id: document(item).raw for item in items if item.kind is Kind.DOCUMENT
    }
    assert kept == {"state.filter": '"\\u00e9"', "extra": "[1]"}


def test_of_two_states_the_last_counts_and_the_first_is_quarantined() -> None:
    first, last = json.dumps({"tasks": [task(A)]}), json.dumps({"tasks": [task(B)]})
    raw = f'{{"state":{first},"state":{last}}}'
    items = parsed({"task-store": raw}).items
    assert [item.target_id for item in items if item.draft] == [B]
    assert [item.reason for item in items if item.verdict] == ["DUPLICATE_KEY"]


def test_the_version_is_recorded() -> None:
    assert parsed({"task-store": store(TWO, version="0")}).keys[0].version == '"0"'


class TestIds:
    def test_a_uuid_stays_and_all_others_are_derived_and_kept(self) -> None:
        odd: list[Any] = ["task-1", "1", 1, "01J0ZQ8Y3V5W7X9Z1B3D5F7H9K", {"a": 1}, "0" * 300]
        nil = "00000000-0000-0000-0000-000000000000"
        items = parsed({"task-store": store([task(each) for each in [A.upper(), nil, *odd]])}).items
        ids = [item.target_id for item in items]
        assert ids[0] == A
        assert len(set(ids)) == len(ids)
        assert all(UUID(str(each)).version == 5 for each in ids[1:])
        for item, source in zip(items[1:], [nil, *odd], strict=True):
            assert isinstance(item.draft, TaskDraft)
            assert item.draft.metadata["legacy"]["id"] == source

    def test_they_depend_on_owner_and_key_and_nothing_else(self) -> None:
        def first(key: str, owner: UUID, *tasks: dict[str, Any]) -> str | None:
            return parsed({key: store(tasks)}, owner).items[-1].target_id

        mine = first("task-store", OWNER, task("x"))
        assert first("task-store", OWNER, task("x", "renamed")) == mine
        assert first("task-store", OWNER, task("y"), task("x")) == mine
        assert first("tasks", OWNER, task("x")) != mine
        assert first("task-store", UUID(int=5), task("x")) != mine

    @pytest.mark.parametrize("nothing", [None, "", "  "])
    def test_without_one_it_comes_from_the_content(self, nothing: Any) -> None:
        rows = [task(nothing, "a"), task(nothing, "b"), task(nothing, "a")]
        items = parsed({"task-store": store(rows)}).items
        ids = [item.target_id for item in items]
        assert len(set(ids)) == 3
        moved = parsed({"task-store": store([rows[1], rows[0], task(A), rows[2]])}).items
        assert [moved[1].target_id, moved[0].target_id, moved[3].target_id] == ids
        assert all("ID_MISSING" in codes(item) for item in items)

    @pytest.mark.parametrize("task_id", [A, "task-1", 7])
    def test_equal_twins_are_left_out_and_unequal_ones_kept(self, task_id: Any) -> None:
        rows = [task(task_id, "a"), task(task_id, "a"), task(task_id, "b"), task(task_id, "b")]
        items = parsed({"task-store": store(rows)}).items
        assert [item.reason for item in items] == [None, "DUPLICATE", None, "DUPLICATE"]
        assert items[0].target_id == items[1].target_id != items[2].target_id
        assert codes(items[2]) >= {"DUPLICATE_ID"}

    def test_equal_does_not_depend_on_the_order_of_fields(self) -> None:
        row = task(A)
        turned = dict(reversed(row.items()))
        items = parsed({"task-store": store([row, turned])}).items
        assert [item.reason for item in items] == [None, "DUPLICATE"]

    def test_one_id_in_two_keys_is_one_row_or_two_by_content(self) -> None:
        keys = {"tasks": store([task(A), task(B, "other")]), "task-store": store(TWO)}
        result = parsed(keys)
        assert [item.draft is not None for item in items_of(result, "task-store")] == [True, True]
        assert [item.reason for item in items_of(result, "tasks")] == ["DUPLICATE", None]
        assert parsed(dict(reversed(keys.items()))) == result

    def test_members_of_a_map_take_its_names(self) -> None:
        rows = {"task-1": {"title": "a"}, A: {"title": "b"}}
        items = parsed({"task-store": store(rows)}).items
        assert [item.source_id for item in items] == ["task-1", A]
        assert items[1].target_id == A
