"""Merge patches: RFC 7396's own examples, and an independent telling of what they mean."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.web.merge import merge_patch

_scalars = st.none() | st.booleans() | st.integers() | st.text(max_size=3)
_json = st.recursive(
    _scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=12,
)
_objects = st.dictionaries(st.sampled_from("abc"), _json, max_size=3)
_Leaves = dict[tuple[str, ...], Any]


def _leaves(value: Any, path: tuple[str, ...] = ()) -> _Leaves:
    """Take an object apart: every path that ends, in a value or in an empty object."""
    if not isinstance(value, dict) or not value:
        return {path: value}
    found: _Leaves = {}
    for name, inner in value.items():
        found |= _leaves(inner, (*path, name))
    return found


def _reference(target: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Apply the patch leaf by leaf, which is how a person would read it aloud."""
    result: dict[str, Any] = _copy(target)
    for path, value in _leaves(patch).items():
        if not path:
            continue
        place = result
        for name in path[:-1]:
            if not isinstance(place.get(name), dict):
                place[name] = {}
            place = place[name]
        last = path[-1]
        if value is None:
            place.pop(last, None)
        elif value == {} and isinstance(value, dict):
            place[last] = place[last] if isinstance(place.get(last), dict) else {}
        else:
            place[last] = value
    return result


def _copy(value: Any) -> Any:
    return {k: _copy(v) for k, v in value.items()} if isinstance(value, dict) else value


@given(_objects, _objects)
def test_a_patch_means_the_same_read_leaf_by_leaf(
    target: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = repr((target, patch))
    assert repr(_sorted(merge_patch(target, patch))) == repr(_sorted(_reference(target, patch)))
    assert repr((target, patch)) == before


@given(_objects, _objects)
def test_a_patch_twice_is_a_patch_once(target: dict[str, Any], patch: dict[str, Any]) -> None:
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_rfc_hold(target: Any, patch: Any, result: Any) -> None:
    assert merge_patch(target, patch) == result
