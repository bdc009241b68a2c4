"""JSON read exactly where it is sound, and as far as it goes where it is not."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migration.reader import MAX_DEPTH, MalformedError, read
from roost.migration.salvage import split, unwrap

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_characters="\x00")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text('abé\U0001f600"\\', max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(JSON, st.booleans(), st.sampled_from([None, 1]))
def test_sound_json_is_read_exactly(value: Any, ascii_only: bool, indent: int | None) -> None:  # noqa: FBT001
    raw = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    assert read(raw) == (value, ())


@pytest.mark.parametrize(
    ("raw", "value", "code"),
    [
        ('{"a":9007199254740993}', "9007199254740993", "NUMBER_KEPT_AS_TEXT"),
        ('{"a":1e400}', "1e400", "NUMBER_KEPT_AS_TEXT"),
        ('{"a":0.1234567890123456789}', "0.1234567890123456789", "NUMBER_KEPT_AS_TEXT"),
        ('{"a":"\\ud800!"}', "\ufffd!", "CHARACTERS_REPLACED"),
        ('{"a":"x\\u0000y"}', "x\ufffdy", "CHARACTERS_REPLACED"),
        ('{"a":1,"a":2}', 2, "DUPLICATE_KEY"),
    ],
)
def test_what_cannot_be_stored_is_changed_and_noted(raw: str, value: Any, code: str) -> None:
    found, warnings = read(raw.encode())
    assert found == {"a": value}
    assert [(warning.code, warning.field) for warning in warnings] == [(code, "a")]


@pytest.mark.parametrize(
    "raw", ["9007199254740992", "-0", "100000000000000000000", "1e21", "5e-324"]
)
def test_numbers_that_a_browser_can_hold_stay_numbers(raw: str) -> None:
    value, warnings = read(raw.encode())
    assert value == float(raw)
    assert warnings == ()


def test_prototype_names_are_data() -> None:
    raw = b'{"__proto__":{"a":1},"constructor":2}'
    assert read(raw) == ({"__proto__": {"a": 1}, "constructor": 2}, ())


@pytest.mark.parametrize(
    ("raw", "reason", "offset", "field"),
    [
        (b'{"a":{"b":[1,NaN]}}', "NOT_JSON", 13, "a.b.1"),
        (b'{"a":Infinity}', "NOT_JSON", 5, "a"),
        (b"undefined", "NOT_JSON", 0, None),
        (b"[object Object]", "NOT_JSON", 1, "0"),
        (b'{"a":"cut', "TRUNCATED", 5, "a"),
        (b'{"a":1', "TRUNCATED", 6, "a"),
        (b'{"a":1} x', "TRAILING_TEXT", 8, None),
        (b"01", "NOT_JSON", 0, None),
        (b"", "TRUNCATED", 0, None),
        (b'{"a":"\\x"}', "BAD_ESCAPE", 5, "a"),
    ],
)
def test_a_malformed_value_names_reason_byte_and_field(
    raw: bytes, reason: str, offset: int, field: str | None
) -> None:
    with pytest.raises(MalformedError) as caught:
        read(raw)
    assert (caught.value.reason, caught.value.offset, caught.value.field) == (reason, offset, field)


@pytest.mark.parametrize("opening", [("[", "]"), ('{"a":', "}")])
def test_a_hundred_thousand_levels_neither_crash_nor_hide_the_rest(
    opening: tuple[str, str],
) -> None:
    inner = f"{opening[0] * 100_000}1{opening[1] * 100_000}"
    value, warnings = read(f'{{"deep":{inner},"after":"here"}}'.encode())
    assert value["after"] == "here"
    assert [warning.code for warning in warnings] == ["NESTED_TOO_DEEP"]
    value = value["deep"]
    for _ in range(MAX_DEPTH - 1):
        value = value[0] if opening[0] == "[" else value["a"]
    assert isinstance(value, str)
    with pytest.raises(MalformedError):
        read(b"[" * 100_000)


@given(st.integers(MAX_DEPTH - 3, MAX_DEPTH + 3))
def test_the_depth_limit_is_the_same_however_the_text_is_written(depth: int) -> None:
    nested = "[" * depth + "]" * depth
    compact, loose = read(nested.encode()), read(f" {nested} ".encode())
    assert compact == loose
    assert bool(compact[1]) == (depth > MAX_DEPTH)


@given(st.lists(JSON, max_size=6), st.data())
def test_a_cut_list_gives_exactly_its_whole_leading_members(
    members: list[Any], data: st.DataObject
) -> None:
    raw = json.dumps(members, ensure_ascii=False, separators=(",", ":")).encode()
    cut = data.draw(st.integers(1, len(raw) - 1))
    taken = split(raw[:cut])
    whole = [entry for entry in taken.entries if entry.whole]
    assert [read(bytes(entry.raw))[0] for entry in whole] == members[: len(whole)]
    # Whatever is behind the whole members is the tail: nothing is in neither, nothing in both.
    ends = [0]
    for member in members:
        ends.append(
            ends[-1]
            + 1
            + len(json.dumps(member, ensure_ascii=False, separators=(",", ":")).encode())
        )
    complete = sum(end < cut for end in ends[1:])
    assert len(whole) in (complete, sum(end <= cut for end in ends[1:]))
    tail = [entry for entry in taken.entries if not entry.whole]
    assert len(tail) + (taken.rest is not None) == 1
    for entry in taken.entries:
        assert raw[entry.offset :].startswith(bytes(entry.raw))


@given(st.dictionaries(st.text('ab"\\é', max_size=3), JSON, max_size=5), st.booleans())
def test_members_are_found_at_their_bytes(members: dict[str, Any], spaced: bool) -> None:  # noqa: FBT001
    raw = json.dumps(members, indent=1 if spaced else None).encode()
    taken = split(raw)
    assert taken.rest is None
    assert {entry.name: read(bytes(entry.raw))[0] for entry in taken.entries} == members
    for entry in taken.entries:
        assert raw[entry.offset :].startswith(bytes(entry.raw))


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_encoding_over_again_is_undone_up_to_three_times(layers: int) -> None:
    raw = '{"state":{"tasks":[]}}'
    for _ in range(layers):
        raw = json.dumps(raw)
    found = unwrap(raw.encode())
    assert (found.raw, found.layers, found.whole) == (b'{"state":{"tasks":[]}}', layers, True)


def test_an_ordinary_string_is_not_unwrapped() -> None:
    assert unwrap(b'"hello"').layers == 0


@given(st.integers(1, 60))
def test_a_cut_text_encoded_over_again_is_read_up_to_the_cut(cut: int) -> None:
    inner = '{"a":"é\\n\\u0041","b":[1,2]}'
    raw = json.dumps(inner).encode()[:cut]
    found = unwrap(raw)
    if found.layers:
        assert inner.encode().startswith(found.raw)
        assert found.whole == (cut >= len(json.dumps(inner)))
