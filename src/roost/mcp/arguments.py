"""What a model gives, on its way into a path, a query string or a header."""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import Raw

from roost.web.query import invalid

KEY: Final = "idempotencyKey"
VERSION: Final = "ifVersion"
# What has a slash in it would lead to another route.
_SEGMENT: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PRINTED: Final = re.compile(r"[\x20-\x7e]{1,255}")


def segment(name: str, given: Mapping[str, Raw]) -> str:
    """Give what goes into the place of that name in a path."""
    value = _value(name, given[name]) if name in given else None
    if value is None:
        raise invalid(name, "is required", "required")
    if not isinstance(value, str) or not _SEGMENT.fullmatch(value):
        raise invalid(name, "must be an id as Roost gives them", "uuid")
    return value


def texts(name: str, raw: Raw) -> list[str]:
    """Give the values of a parameter; null is none."""
    value = _value(name, raw)
    values = value if isinstance(value, list) else [value]
    return [_text(name, one) for one in values if one is not None]


def headers(given: Mapping[str, Raw]) -> list[tuple[bytes, bytes]]:
    """Give the headers that some arguments stand for."""
    found = []
    key = _value(KEY, given[KEY]) if KEY in given else None
    if key is not None:
        if not isinstance(key, str) or not _PRINTED.fullmatch(key):
            raise invalid(KEY, "must be 1 to 255 printable ASCII characters")
        found.append((b"idempotency-key", key.encode()))
    version = _value(VERSION, given[VERSION]) if VERSION in given else None
    if version is not None:
        if type(version) is not int or version < 1:
            raise invalid(VERSION, "must be a version as Roost gives them")
        found.append((b"if-match", b"%d" % version))
    return found


def _value(name: str, raw: Raw) -> Any:  # noqa: ANN401 -- whatever JSON holds
    try:
        return msgspec.json.decode(raw)
    except msgspec.DecodeError as error:
        raise invalid(name, str(error)) from error


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return msgspec.json.encode(value).decode()
    raise invalid(name, "must be a text, a number, true or false, or a list of them")
