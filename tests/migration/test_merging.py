"""Merging a row with what the browser has of it, for any two contents."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from roost.migration.content import Content, equal
from roost.migration.merging import Base, Merged, merge
from roost.migration.merging_parts import Side

MOMENTS = [f"2026-01-0{day}T00:00:00.000000Z" for day in (1, 2, 3)]
WORDS = st.sampled_from(["a", "b", "c"])
SCALARS = st.none() | st.booleans() | st.integers(0, 1) | WORDS
NAMES = st.sampled_from(["x", "y", "z"])
OBJECTS = st.dictionaries(NAMES, SCALARS | st.lists(SCALARS, max_size=2), max_size=3)
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from([f"m{number}" for number in range(9)]),
            "role": st.sampled_from(["user", "assistant"]),
            "type": st.just("text"),
            "text": WORDS,
            "payload": st.dictionaries(NAMES, st.booleans() | st.integers(0, 1), max_size=1),
            "createdAt": st.none() | st.sampled_from(MOMENTS),
        }
    ),
    max_size=6,
    unique_by=lambda each: str(each["id"]),
).map(lambda several: [{**each, "position": place} for place, each in enumerate(several)])
TASKS = st.fixed_dictionaries(
    {
        "id": st.just("t"),
        "title": WORDS,
        "status": st.sampled_from(["pending", "completed"]),
        "completedAt": st.none() | st.sampled_from(MOMENTS),
        "branch": st.none() | WORDS,
        "hasChanges": st.booleans(),
        "labels": st.lists(WORDS, max_size=3, unique=True),
        "metadata": st.builds(
            lambda members, legacy: members if legacy is None else {**members, "legacy": legacy},
            OBJECTS,
            st.none() | OBJECTS,
        ),
        "createdAt": st.sampled_from(MOMENTS),
        "updatedAt": st.sampled_from(MOMENTS),
        "messages": MESSAGES,
    }
)
ENVIRONMENTS = st.fixed_dictionaries(
    {
        "id": st.just("e"),
        "name": WORDS,
        "config": OBJECTS,
        "createdAt": st.sampled_from(MOMENTS),
        "updatedAt": st.sampled_from(MOMENTS),
        "secrets": st.lists(WORDS, max_size=3, unique=True).map(sorted),
    }
)
DOCUMENTS = st.fixed_dictionaries(
    {
        "id": st.just("d"),
        "key": st.just("notes"),
        "content": WORDS,
        "contentType": st.sampled_from(["text/plain", "application/json"]),
        "encoding": st.sampled_from(["text", "base64"]),
    }
)
PREFERENCES = st.fixed_dictionaries(
    {"id": st.just("p"), "key": st.just("theme"), "value": SCALARS | OBJECTS}
)
KINDS: list[st.SearchStrategy[Content]] = [TASKS, ENVIRONMENTS, DOCUMENTS, PREFERENCES]
CONTENTS = st.one_of(KINDS)
PAIRS = st.one_of([st.tuples(kind, kind) for kind in KINDS])
Case = tuple[Content, Content, Base | None]
DERIVED = {"id", "createdAt", "updatedAt"}


def _base(row: Content, source: Content) -> Base:
    without = {"messages", "secrets"}
    return Base(*({k: v for k, v in each.items() if k not in without} for each in (row, source)))


@st.composite
def merges(draw: st.DrawFn) -> Case:
    """Two contents, and perhaps a base, whose fields are often those of either."""
    kind = draw(st.sampled_from(KINDS))
    existing, incoming = draw(kind), draw(kind)
    if draw(st.booleans()):
        return existing, incoming, None
    row, source = draw(kind), draw(kind)
    for name in existing:
        row[name] = draw(st.sampled_from([row[name], existing[name]]))
        source[name] = draw(st.sampled_from([source[name], incoming[name], row[name]]))
    known = draw(st.sets(st.sampled_from(sorted(existing))))
    base = _base(
        {name: row[name] for name in row if name not in known or draw(st.booleans())},
        {name: source[name] for name in source if name not in known or draw(st.booleans())},
    )
    return existing, incoming, base


def _leaves(value: Any) -> set[str]:
    if isinstance(value, dict):
        return {f"{name}/{leaf}" for name, each in value.items() for leaf in _leaves(each)}
    if isinstance(value, list):
        return {json.dumps(each, sort_keys=True) for each in value}
    return {json.dumps(value)}


def _what(message: Content) -> str:
    return json.dumps([message[name] for name in ("role", "type", "payload")], sort_keys=True)


@given(CONTENTS)
def test_equal_sides_are_left_alone(content: Content) -> None:
    for base in (None, _base(content, content), Base({}, {})):
        assert merge(content, content, base) == Merged(content, {}, {}, changed=False)


@given(PAIRS)
def test_the_same_incoming_changes_nothing_a_second_time(pair: tuple[Content, Content]) -> None:
    existing, incoming = pair
    result = merge(existing, incoming, None).content
    assert not merge(result, incoming, None).changed


@given(merges())
def test_an_incoming_that_was_merged_already_changes_nothing(case: Case) -> None:
    existing, incoming, base = case
    result = merge(existing, incoming, base).content
    assert not merge(result, incoming, _base(result, incoming)).changed


@given(merges())
def test_nothing_of_either_side_is_lost_without_a_report(case: Case) -> None:
    existing, incoming, base = case
    result = merge(existing, incoming, base)
    for side in (existing, incoming):
        for name in side.keys() - DERIVED - {"messages"}:
            there = _leaves(result.content[name]) | _leaves(result.losing.get(name, {}))
            assert _leaves(side[name]) <= there
    assert result.losing.keys() <= result.chosen.keys()
    assert DERIVED.isdisjoint(result.losing)


@given(merges())
def test_only_fields_that_differ_are_reported(case: Case) -> None:
    existing, incoming, base = case
    result = merge(existing, incoming, base)
    for name, chosen in result.chosen.items():
        assert not equal(existing[name], incoming[name])
        if chosen != "both":
            assert equal(
                result.content[name], {"existing": existing, "incoming": incoming}[chosen][name]
            )
    for name in existing.keys() - result.chosen.keys():
        assert equal(result.content[name], existing[name])
    assert result.changed is not equal(result.content, existing)


@given(merges())
def test_the_order_of_keys_and_what_is_given_in_stay_out_of_it(case: Case) -> None:
    existing, incoming, base = case
    before = json.dumps([existing, incoming])
    result = merge(existing, incoming, base)
    assert json.dumps([existing, incoming]) == before
    turned = merge(_turned(existing), _turned(incoming), base)
    assert equal(result.content, turned.content)
    assert (result.chosen, result.changed) == (turned.chosen, turned.changed)
    assert equal(result.losing, turned.losing)


def _turned(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _turned(each) for name, each in reversed(value.items())}
    return [_turned(each) for each in value] if isinstance(value, list) else value


@given(MESSAGES, MESSAGES)
def test_conversations_are_united(existing: list[Content], incoming: list[Content]) -> None:
    result = merge({"messages": existing}, {"messages": incoming}, None)
    united = result.content["messages"]
    ids = [each["id"] for each in united]
    assert len(set(ids)) == len(ids)
    assert [each["position"] for each in united] == [*range(len(united))]
    ours = [each["id"] for each in existing]
    assert [each for each in ids if each in ours] == ours
    for message in incoming:
        twins = [each for each in united if each["id"] == message["id"]]
        if not twins:
            assert _what(message) in {_what(each) for each in existing}
        elif _what(twins[0]) != _what(message):
            assert message in result.losing["messages"]
    # One to one: as many alike as the side that has more of them.
    for what in map(_what, incoming):
        assert [*map(_what, united)].count(what) >= [*map(_what, existing)].count(what)
    if result.changed:
        assert result.chosen["messages"] != "existing"
    else:
        assert united == existing


@given(MESSAGES, st.data())
def test_the_order_is_kept_where_both_agree(
    conversation: list[Content], data: st.DataObject
) -> None:
    alike = [{**each, "payload": {"only": each["id"]}} for each in conversation]
    sides = []
    for _ in range(2):
        kept = data.draw(st.sets(st.sampled_from(range(6))))
        sides.append([each for place, each in enumerate(alike) if place in kept])
    result = merge({"messages": sides[0]}, {"messages": sides[1]}, None)
    ids = [each["id"] for each in result.content["messages"]]
    for side in sides:
        assert [each for each in ids if each in {m["id"] for m in side}] == [m["id"] for m in side]


@given(TASKS, st.data())
def test_edits_of_different_fields_since_the_base_are_both_there(
    row: Content, data: st.DataObject
) -> None:
    other = data.draw(TASKS)
    free = sorted(row.keys() - DERIVED - {"messages", "completedAt", "metadata", "labels"})
    theirs = data.draw(st.sets(st.sampled_from(free)))
    existing = row | {name: other[name] for name in free if name not in theirs}
    incoming = row | {name: other[name] for name in theirs}
    for side in (existing, incoming):
        side["updatedAt"] = data.draw(st.sampled_from(MOMENTS))
    result = merge(existing, incoming, _base(row, row)).content
    assert all(equal(result[name], other[name]) for name in free)


@given(merges(), st.data())
def test_an_explicit_choice_wins(case: Case, data: st.DataObject) -> None:
    existing, incoming, base = case
    names = sorted(existing.keys() - {"id", "contentType", "encoding"})
    sides: st.SearchStrategy[Side] = st.sampled_from(["existing", "incoming"])
    fields = data.draw(st.dictionaries(st.sampled_from(names), sides))
    result = merge(existing, incoming, base, fields)
    for name, side in fields.items():
        assert equal(result.content[name], (existing if side == "existing" else incoming)[name])
    assert result.changed is not equal(result.content, existing)


@given(TASKS, TASKS)
def test_moments_follow_what_they_are_of(existing: Content, incoming: Content) -> None:
    result = merge(existing, incoming, None).content
    assert result["updatedAt"] == max(existing["updatedAt"], incoming["updatedAt"])
    assert result["createdAt"] == min(existing["createdAt"], incoming["createdAt"])
    assert any(
        (result["status"], result["completedAt"]) == (side["status"], side["completedAt"])
        for side in (existing, incoming)
    )


@given(DOCUMENTS, DOCUMENTS)
def test_a_text_is_never_mixed(existing: Content, incoming: Content) -> None:
    text = ("content", "contentType", "encoding")
    assert merge(existing, incoming, None).content == existing
    both = merge(
        existing, incoming, _base({**existing, "content": "1"}, {**existing, "content": "2"})
    )
    assert both.content == existing
    assert both.losing == {
        name: incoming[name] for name in text if existing[name] != incoming[name]
    }
    assert (
        merge(existing, incoming, _base(existing, {**incoming, "content": "2"})).content == incoming
    )
