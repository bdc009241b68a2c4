"""Pages of lists: by number, or by a keyset cursor whose cost does not grow."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from roost.web.query import invalid
from roost.web.reply import Reply

COUNT_CAP = 10_000
"""Totals are exact up to here, and "at least" beyond, so that a page's cost never grows."""
MAX_PAGE = 1_000_000
MAX_KEYS = 5


class PageQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The parameters that every list takes."""

    page: Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Page number, from 1.")] | None = None
    limit: Annotated[int, Meta(ge=1, le=100, description="Items a page, 1 to 100.")] = 20
    cursor: Annotated[str, Meta(description="`nextCursor` of the page before.")] | None = None


class SortQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of lists that can be sorted."""

    sort: Annotated[str, Meta(description="Fields, `-` before for descending.")] | None = None
    sort_by: str | None = None
    sort_order: str | None = None


@dataclass(frozen=True, slots=True)
class SortKey:
    """One field of an order."""

    name: str
    descending: bool


def read_sort(
    text: str | None, by: str | None, order: str | None, names: Mapping[str, str], default: str
) -> tuple[SortKey, ...]:
    """Read `sort=-priority,createdAt`, or `sortBy` and `sortOrder`, in snake or camel case.

    `names` maps each accepted spelling to the field. VALIDATION_ERROR on any other.
    """
    if text is not None and by is not None:
        raise invalid("sortBy", "can't go with sort", "conflict")
    parameter = "sort"
    if by is not None:
        parameter = "sortBy"
        if order is not None and order.lower() not in {"asc", "desc"}:
            raise invalid("sortOrder", "must be asc or desc")
        text = ("-" if (order or "desc").lower() == "desc" else "") + by
    elif order is not None:
        raise invalid("sortOrder", "needs sortBy", "conflict")
    keys: list[SortKey] = []
    if text is not None and text.count(",") >= MAX_KEYS:
        raise invalid(parameter, f"may name {MAX_KEYS} fields at most")
    for part in (default if text is None else text).split(","):
        name = part.strip()
        bare = name[1:] if name[:1] in {"+", "-"} else name
        if bare not in names:
            allowed = ", ".join(sorted(set(names.values())))
            raise invalid(parameter, f"knows no field {bare[:50]!r}; there are {allowed}")
        if any(key.name == names[bare] for key in keys):
            raise invalid(parameter, f"names {bare} twice")
        keys.append(SortKey(names[bare], name.startswith("-")))
    return tuple(keys)


def _order(sort: tuple[SortKey, ...]) -> str:
    return ",".join(("-" if key.descending else "") + key.name for key in sort)


def encode_cursor(sort: tuple[SortKey, ...], values: list[Any]) -> str:
    """Make the opaque cursor of the row with these values of its order's keys."""
    cursor = msgspec.json.encode([_order(sort), *values])
    return base64.urlsafe_b64encode(cursor).decode().rstrip("=")


def decode_cursor(sort: tuple[SortKey, ...], cursor: str, count: int) -> list[str | None]:
    """Read a cursor's `count` values; VALIDATION_ERROR when it is none, or of another order."""
    order = _order(sort)
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        found = msgspec.json.decode(raw, type=list[str | None])
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise invalid("cursor", "is not one that Roost gave out") from error
    if len(found) != count + 1:
        raise invalid("cursor", "is not one that Roost gave out")
    if found[0] != order:
        raise invalid("cursor", f"is of the order {found[0]!r}; use the same sort", "conflict")
    return found[1:]


def page_reply(
    items: str, query: PageQuery, counted: int, next_cursor: str | None, *, by_cursor: bool
) -> Reply:
    """Wrap a page of items, made by the database, with its pagination."""
    exact = counted <= COUNT_CAP
    total = min(counted, COUNT_CAP)
    pages = -(-total // query.limit)
    pagination = {
        "page": None if by_cursor else (query.page or 1),
        "limit": query.limit,
        "total": total,
        "totalIsExact": exact,
        "totalPages": pages,
        "nextCursor": next_cursor,
    }
    return Reply(b'{"data":%s,"pagination":%s}' % (items.encode(), msgspec.json.encode(pagination)))
