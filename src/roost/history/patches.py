"""Differences of JSON documents as RFC 6902 writes them."""

from decimal import Decimal
from typing import Any, Final

import jsonpatch
import msgspec

_encode: Final = msgspec.json.Encoder(decimal_format="number").encode
# A float would lose digits.
_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode


def patch_text(before: str | None, after: str | None) -> str:
    """Write the JSON patch from one document's text to another's.

    From nothing it adds the whole document; to nothing it is empty.
    """
    if after is None:
        return "[]"
    if before is None:
        return f'[{{"op":"add","path":"","value":{after}}}]'
    operations = difference(_decode(before), _decode(after))
    return _encode(operations).decode()


def difference(before: Any, after: Any) -> list[Any]:  # noqa: ANN401 -- any JSON value
    """Give the operations that make `after` of `before`."""
    patch = jsonpatch.JsonPatch.from_diff(before, after, dumps=_text)
    operations: list[Any] = patch.patch
    return operations


def _text(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return _encode(value).decode()
