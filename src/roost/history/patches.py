"""Differences of JSON documents as RFC 6902 writes them."""

from typing import Any

import jsonpatch

from roost.web.numbers import read_numbers, write_numbers


def patch_text(before: str | None, after: str | None) -> str:
    """Write the JSON patch from one document's text to another's.

    From nothing it adds the whole document; to nothing it is empty.
    """
    if after is None:
        return "[]"
    if before is None:
        return f'[{{"op":"add","path":"","value":{after}}}]'
    operations = difference(read_numbers(before), read_numbers(after))
    return write_numbers(operations).decode()


def difference(before: Any, after: Any) -> list[Any]:  # noqa: ANN401 -- any JSON value
    """Give the operations that make `after` of `before`."""
    patch = jsonpatch.JsonPatch.from_diff(before, after, dumps=_text)
    operations: list[Any] = patch.patch
    return operations


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return write_numbers(value).decode()
