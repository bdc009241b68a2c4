"""What a client asks for: the query string of `/v1/shape`, and a subset's body."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from roost.sync.identifiers import IdentifierError, read_columns, read_table
from roost.sync.offsets import BEFORE_ALL, NOW, Offset, read_offset
from roost.sync.refusal import RefusalError, invalid, plain, refused

LONGEST_WHERE: Final = 64 * 1024
"""Bytes of a clause."""
_MOST_FIELDS: Final = 1000
_PARAM: Final = re.compile(r"params\[([^\]]*)\]")
_DIGITS: Final = 20
_NO_REAL_PLACE: Final = (BEFORE_ALL, NOW)


@dataclass(frozen=True, slots=True)
class Subset:
    """A part of a shape that is wanted once: rows, in an order, from somewhere on."""

    where: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    order_by: str | None = None
    limit: int | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class ShapeRequest:
    """One request, read and checked as far as that goes without the database."""

    table: tuple[str, str]
    offset: Offset = BEFORE_ALL
    handle: str | None = None
    live: bool = False
    sse: bool = False
    cursor: str = ""
    where: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[str, ...] | None = None
    full: bool = False
    changes_only: bool = False
    subset: Subset | None = None


def read_request(query: bytes, body: bytes | None = None) -> ShapeRequest:
    """Read a query string, and the body of a POST. RefusalError with what is wrong."""
    given = _pairs(query)
    subset = _subset(given) if body is None else _subset_of_body(body)
    offset = _offset(given, required=subset is None)
    handle = given.get("handle") or None
    live = _flag(given, "live")
    sse = _flag(given, "live_sse") or _flag(given, "experimental_live_sse")
    if offset in _NO_REAL_PLACE:
        if live:
            name = "offset == -1" if offset == BEFORE_ALL else "offset is 'now'"
            raise invalid("live", f"can't be true when {name}")
        if subset is None:
            handle = None
    elif handle is None and subset is None:
        raise invalid("handle", "can't be blank when offset != -1")
    if sse and not live:
        raise invalid("live_sse", "can't be true unless live is also true")
    return ShapeRequest(
        table=_table(given),
        offset=offset,
        handle=handle,
        live=live,
        sse=sse,
        cursor=given.get("cursor", ""),
        where=_where(given.get("where"), "where"),
        params=_params(given),
        columns=_columns(given),
        full=_choice(given, "replica", "default", "full") == "full",
        changes_only=_choice(given, "log", "full", "changes_only") == "changes_only",
        subset=subset,
    )


def table_of(query: bytes) -> tuple[str, str]:
    """Read which table a request is about, whatever else it asks. RefusalError."""
    return _table(_pairs(query))


def read_dropped(query: bytes) -> tuple[str | None, ShapeRequest | None]:
    """Read which shapes a DELETE means: by handle, by what defines them, or both. RefusalError."""
    given = _pairs(query)
    handle = given.get("handle") or None
    if handle is not None and "table" not in given:
        return handle, None
    return handle, read_request(query + b"&offset=-1")


def _pairs(query: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            query.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except (UnicodeDecodeError, ValueError):
        raise plain(400, "The query string cannot be read: is it UTF-8, percent-encoded?") from None
    found = dict(pairs)
    for name, value in found.items():
        if "\x00" in value:
            raise invalid(name, "must not have a NUL character")
    return found


def _flag(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "false") != "false"


def _choice(given: Mapping[str, str], name: str, *allowed: str) -> str:
    value = given.get(name) or allowed[0]
    if value not in allowed:
        raise invalid(name, f"is invalid: it may be {' or '.join(allowed)}")
    return value


def _offset(given: Mapping[str, str], *, required: bool) -> Offset:
    text = given.get("offset", "")
    if not text:
        if required:
            raise invalid("offset", "can't be blank")
        return BEFORE_ALL
    offset = read_offset(text)
    if offset is None:
        raise invalid("offset", "has invalid format")
    return offset


def _table(given: Mapping[str, str]) -> tuple[str, str]:
    text = given.get("table", "")
    if not text.strip():
        raise invalid("table", "can't be blank")
    try:
        return read_table(text)
    except IdentifierError as error:
        raise invalid("table", f"cannot be read: {error}") from None


def _columns(given: Mapping[str, str]) -> tuple[str, ...] | None:
    text = given.get("columns")
    if text is None or not text.strip():
        return None
    try:
        return read_columns(text)
    except IdentifierError as error:
        raise invalid("columns", f"cannot be read: {error}") from None


def _where(text: str | None, name: str) -> str | None:
    if text is None or not text.strip():
        return None
    if len(text.encode()) > LONGEST_WHERE:
        raise invalid(name, f"bigger than maximum size ({LONGEST_WHERE} bytes)")
    return text


def _is_number(text: str) -> bool:
    """Whether it is a whole number that is worth reading: Python refuses the longest."""
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _params(given: Mapping[str, str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in given.items():
        match = _PARAM.fullmatch(name)
        if match is not None:
            if not _is_number(match[1]):
                raise invalid("params", "Parameters can only use numbers as keys")
            found[str(int(match[1]))] = value
    if found and set(found) != {str(number) for number in range(1, len(found) + 1)}:
        raise invalid("params", "Parameters must be numbered sequentially, starting from 1")
    return found


def _subset(given: Mapping[str, str]) -> Subset | None:
    prefix = "subset__"
    parts = {name[len(prefix) :]: value for name, value in given.items() if name.startswith(prefix)}
    if not parts:
        return None
    document: dict[str, Any] = {
        name: parts[name] for name in ("where", "order_by") if parts.get(name)
    }
    for name in ("limit", "offset"):
        if parts.get(name):
            text = parts[name]
            document[name] = int(text) if _is_number(text) else text
    if parts.get("params"):
        try:
            document["params"] = msgspec.json.decode(parts["params"])
        except msgspec.DecodeError:
            raise refused({"subset": {"params": "must be a JSON object"}}) from None
    return _checked(document)


def _subset_of_body(body: bytes) -> Subset:
    try:
        document = msgspec.json.decode(body or b"{}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = {"error": "Invalid JSON in request body", "details": str(error)}
        raise RefusalError(400, msgspec.json.encode(text)) from None
    if not isinstance(document, dict):
        raise plain(400, "The body must be a JSON object")
    inner = document.get("subset", document)
    if not isinstance(inner, dict):
        raise refused({"subset": ["must be a JSON object"]})
    return _checked({name: value for name, value in inner.items() if value is not None})


def _checked(document: dict[str, Any]) -> Subset:
    texts: dict[str, str | None] = {}
    for name in ("where", "order_by"):
        value = document.get(name)
        if value is not None and not isinstance(value, str):
            raise refused({"subset": {name: "must be a text"}})
        if value is not None and "\x00" in value:
            raise refused({"subset": {name: "must not have a NUL character"}})
        texts[name] = _where(value, name)
    limit, offset = _count(document, "limit", 1), _count(document, "offset", 0)
    if (limit is not None or offset is not None) and texts["order_by"] is None:
        problem = "order_by is required when limit or offset is present"
        raise refused({"subset": {"order_by": problem}})
    return Subset(texts["where"], _subset_params(document), texts["order_by"], limit, offset)


def _count(document: dict[str, Any], name: str, least: int) -> int | None:
    value = document.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 63:
        raise refused({"subset": {name: f"must be a whole number from {least} on"}})
    return value


def _subset_params(document: dict[str, Any]) -> dict[str, str]:
    value = document.get("params", {})
    if not isinstance(value, dict):
        raise refused({"subset": {"params": "must be a JSON object"}})
    found: dict[str, str] = {}
    for name, each in value.items():
        if not _is_number(name):
            raise refused({"subset": {"params": "Parameters can only use numbers as keys"}})
        if not isinstance(each, str) or "\x00" in each:
            raise refused({"subset": {"params": f"${name} must be a text"}})
        found[str(int(name))] = each
    return found
