"""JSON values of steps and runs: exact numbers, one spelling, a hash."""

from hashlib import sha256
from typing import Any, Final

import msgspec
from msgspec import Raw, UnsetType

from roost import errors
from roost.errors import FieldError, ProblemError
from roost.web import body
from roost.web.numbers import exactly

_DECODER: Final = msgspec.json.Decoder(float_hook=exactly)
_encode: Final = msgspec.json.Encoder(order="sorted").encode
NULL: Final = b"null"


def canonical(raw: Raw, field: str) -> bytes:
    """Write a value in its one spelling: names sorted, no spaces, numbers without exponents.

    VALIDATION_ERROR names the place when a number has too many places.
    """
    try:
        value = body.decode(bytes(raw), _DECODER)
    except ProblemError as problem:
        named = [
            FieldError(f"{field}.{found.field}".rstrip("."), found.message, found.code)
            for found in problem.errors
        ]
        raise ProblemError(problem.entry, f"{field}: {problem.detail}", errors=named) from problem
    return _encode(value)


def stored(raw: Raw | UnsetType, field: str) -> str | None:
    """Give a value as a column of JSON takes it; absent and null are both null."""
    if isinstance(raw, UnsetType):
        return None
    text = canonical(raw, field)
    return None if text == NULL else text.decode()


def within(raw: Raw, field: str, limit: int) -> bytes:
    """Give a value in its one spelling; STATE_TOO_LARGE when it has too many bytes."""
    text = canonical(raw, field)
    if len(text) > limit:
        message = f"has {len(text)} bytes of JSON without spaces; {limit} is the most"
        raise ProblemError(
            errors.STATE_TOO_LARGE,
            f"{field} {message}",
            errors=[FieldError(field, message, "too_large")],
        )
    return text


def hash_of(text: bytes) -> str:
    """Give the SHA-256 of a value in its one spelling, in hex."""
    return sha256(text).hexdigest()


def read(raw: Raw) -> Any:  # noqa: ANN401 -- any JSON value
    """Read a value; its numbers with a point or exponent are left as they are written."""
    return body.decode(bytes(raw), _DECODER)


def same_text(one: Raw, other: Raw) -> bool:
    """Whether two texts are the same value."""
    return canonical(one, "") == canonical(other, "")


def same(one: str | None, other: Any) -> bool:  # noqa: ANN401 -- a column of JSON
    """Whether a value in its one spelling is what a column of JSONB gives back."""
    if one is None or other is None:
        return one is None and other is None
    return canonical(Raw(str(other).encode()), "") == one.encode()
