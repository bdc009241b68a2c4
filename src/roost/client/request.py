"""Requests, and how their parts are written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec

from roost.client.model import Id


@dataclass(frozen=True, slots=True)
class Request:
    """A request below `/api/v1`.

    `repeatable` says that to send it twice does no more than to send it once.
    """

    method: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True


def path(*parts: Id | int) -> str:
    """Make a path out of its parts."""
    return "".join(f"/{quote(str(part), safe='')}" for part in parts)


def query(values: Mapping[str, Any]) -> dict[str, Any]:
    """Write the parameters of a query; None is left out."""
    return {camel(name): _parameter(value) for name, value in values.items() if value is not None}


def _parameter(value: object) -> object:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Iterable) and not isinstance(value, str):
        return [_parameter(each) for each in value]
    return str(value)


def body(values: Mapping[str, Any]) -> bytes:
    """Write a body of named fields."""
    return msgspec.json.encode({camel(name): value for name, value in values.items()})


def given(**values: Any) -> dict[str, Any]:  # noqa: ANN401 -- whatever a field holds
    """Keep what was given."""
    return {name: value for name, value in values.items() if value is not None}


def camel(name: str) -> str:
    """Write a name of Python's as the API writes names."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def key() -> dict[str, str]:
    """Make the header by which the same POST again is told from another."""
    return {"idempotency-key": uuid4().hex}
