"""Merging a row with what the browser has of it: what each rule does."""

from typing import Literal

import pytest

from roost.migration.content import Content, equal
from roost.migration.merging import Base, Merged, merge
from roost.migration.merging_messages import timed

OLD, NEW = (
    {"updatedAt": "2026-01-01T00:00:00.000000Z"},
    {"updatedAt": "2026-01-02T00:00:00.000000Z"},
)


def test_the_newer_side_wins_without_a_base() -> None:
    result = merge({"title": "a", **OLD}, {"title": "b", **NEW}, None)
    assert result.content == {"title": "b", **NEW}
    assert result.losing == {"title": "a"}
    assert merge({"title": "a", **NEW}, {"title": "b", **OLD}, None).content["title"] == "a"
    assert merge({"title": "a", **OLD}, {"title": "b", **OLD}, None).content["title"] == "a"
    assert merge({"title": "a"}, {"title": "b", **NEW}, None).content["title"] == "a"


@pytest.mark.parametrize(
    ("row", "source", "expected"),
    [("a", "x", "b"), ("x", "b", "a"), ("x", "x", "b"), ("a", "b", "a")],
)
def test_the_side_that_changed_since_the_base_wins(row: str, source: str, expected: str) -> None:
    base = Base({"title": row}, {"title": source})
    result = merge({"title": "a", **OLD}, {"title": "b", **NEW}, base)
    assert result.content["title"] == expected


def test_a_member_that_was_removed_since_stays_away() -> None:
    was = {"metadata": {"x": 1, "y": 1, "legacy": {"a": 1, "b": 1}}}
    ours = {"metadata": {"y": 1, "legacy": {"a": 2, "b": 1}}}
    theirs = {"metadata": {"x": 1, "y": 1, "z": 1, "legacy": {"a": 1}}}
    result = merge(ours, theirs, Base(was, was))
    assert result.content == {"metadata": {"y": 1, "z": 1, "legacy": {"a": 2}}}
    assert result.losing == {"metadata": {"x": 1, "legacy": {"a": 1, "b": 1}}}
    assert result.chosen == {"metadata": "both"}


def test_a_member_that_one_side_lacks_is_kept_without_a_base() -> None:
    result = merge({"config": {"x": 1, "y": True}}, {"config": {"y": 1, "z": 1}}, None)
    assert result.content == {"config": {"x": 1, "y": True, "z": 1}}
    assert result.losing == {"config": {"y": 1}}


def test_labels_are_united_less_those_removed_since() -> None:
    ours, theirs = {"labels": ["a", "b", "n"]}, {"labels": ["b", "c", "m"]}
    assert merge(ours, theirs, None).content == {"labels": ["a", "b", "n", "c", "m"]}
    base = Base({"labels": ["a", "b", "c"]}, {"labels": ["a", "b", "c"]})
    result = merge(ours, theirs, base)
    assert result.content == {"labels": ["b", "n", "m"]}
    assert result.losing == {"labels": ["a", "c"]}


def test_a_new_message_comes_after_the_one_before_it() -> None:
    ours = [_message("1"), _message("2"), _message("later")]
    theirs = [_message("0"), _message("1"), _message("1b"), _message("1c"), _message("2")]
    result = merge({"messages": ours}, {"messages": theirs}, None).content["messages"]
    assert [each["id"] for each in result] == ["0", "1", "1b", "1c", "2", "later"]


def test_messages_that_say_the_same_are_one_each() -> None:
    ours = [_message("1", "go"), _message("2", "go")]
    theirs = [_message("3", "go"), _message("4", "go"), _message("5", "go")]
    result = merge({"messages": ours}, {"messages": theirs}, None).content["messages"]
    assert [each["id"] for each in result] == ["1", "2", "5"]


def test_a_conversation_that_only_the_row_knows_more_of_is_no_difference() -> None:
    ours = [_message("1") | {"createdBy": "u", "createdAt": OLD["updatedAt"]}]
    result = merge({"messages": ours}, {"messages": [_message("1")]}, None)
    assert result == Merged({"messages": ours}, {}, {}, changed=False)


def _message(identifier: str, text: str | None = None) -> Content:
    said = {"role": "user", "type": "text", "text": text or identifier}
    payload = {"text": text or identifier}
    return {"id": identifier, "position": 0, **said, "payload": payload, "createdAt": None}


def test_a_number_is_the_same_in_any_form_and_true_is_none() -> None:
    assert equal({"x": 100.0, "y": [1e20]}, {"y": [10**20], "x": 100})
    assert not equal({"x": True}, {"x": 1})
    assert not equal([0], [False])


def test_no_more_labels_than_a_task_may_have() -> None:
    ours, theirs = ([f"{side}{number}" for number in range(30)] for side in "ab")
    result = merge({"labels": ours}, {"labels": theirs}, None)
    assert result.content == {"labels": [*ours, *theirs[:20]]}
    assert result.losing == {"labels": theirs[20:]}
    assert not merge(result.content, {"labels": theirs}, None).changed


@pytest.mark.parametrize("side", ["existing", "incoming"])
@pytest.mark.parametrize("name", ["status", "completedAt"])
def test_who_chooses_the_status_or_its_moment_chooses_both(
    name: str, side: Literal["existing", "incoming"]
) -> None:
    done = {"status": "completed", "completedAt": OLD["updatedAt"], **OLD}
    pending = {"status": "pending", "completedAt": None, **NEW}
    for ours, theirs in ((done, pending), (pending, done)):
        content = merge(ours, theirs, None, {name: side}).content
        whole = ours if side == "existing" else theirs
        assert (content["status"], content["completedAt"]) == (
            whole["status"],
            whole["completedAt"],
        )


def test_a_message_of_the_merged_tasks_time_has_none_of_its_own() -> None:
    old, new = OLD["updatedAt"], NEW["updatedAt"]
    said = _message("1") | {"createdAt": old}
    for ours, theirs in (
        ({"createdAt": new, "messages": [said]}, {"createdAt": old, "messages": []}),
        ({"createdAt": old, "messages": []}, {"createdAt": new, "messages": [said]}),
    ):
        content = timed(merge(ours, theirs, None).content)
        assert [each["createdAt"] for each in content["messages"]] == [None]


def test_a_number_that_the_database_writes_out_is_the_same() -> None:
    written = {"config": {"big": 10**30, "one": 1.0}}
    assert not merge(written, {"config": {"big": 1e30, "one": 1}, **NEW}, None).losing
