"""From a list's parameters to its statement: which conditions, which values, which order."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from roost.db.keyset import cursor_place
from roost.environments.model import EnvironmentQuery
from roost.environments.queries import ORDERINGS
from roost.web.paging import SortKey, decode_cursor, read_sort
from roost.web.query import invalid

_CURSOR, _USER = "cursor", "userId"
_SORT_NAMES = {name: name for name in ORDERINGS} | {
    "created_at": "createdAt",
    "updated_at": "updatedAt",
}


@dataclass(slots=True)
class Listing:
    """A list, read: the shape of its statement and the values for its places."""

    filters: tuple[str, ...]
    sort: tuple[SortKey, ...]
    by_cursor: bool
    values: dict[str, Any] = field(default_factory=dict)


def read_listing(query: EnvironmentQuery, user_id: UUID) -> Listing:
    """Read the parameters; VALIDATION_ERROR names the one that can't be used."""
    given = {
        "search": query.search,
        "is_active": query.is_active,
        "repository": query.repository,
        "owner": None if query.user_id is None else _user(query.user_id, user_id),
    }
    values: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    filters = tuple(values)
    values["limit"] = query.limit
    sort = read_sort(query.sort, query.sort_by, query.sort_order, _SORT_NAMES, "-createdAt")
    if query.cursor is None:
        values["offset"] = ((query.page or 1) - 1) * query.limit
        return Listing(filters, sort, by_cursor=False, values=values)
    if query.page is not None:
        raise invalid(_CURSOR, "can't go with page", "conflict")
    for number, value in enumerate(_cursor(sort, query.cursor)):
        values[cursor_place(number)] = value
    return Listing(filters, sort, by_cursor=True, values=values)


def _cursor(sort: tuple[SortKey, ...], cursor: str) -> list[str]:
    """Read the cursor's values and see that each is of its column's kind."""
    values: list[str] = []
    kinds = [_KINDS[key.name] for key in sort]
    for kind, value in zip([*kinds, UUID], decode_cursor(sort, cursor), strict=True):
        try:
            kind(value or "")
        except ValueError as error:
            raise invalid(_CURSOR, "is not one that Roost gave out") from error
        values.append(value or "")
    return values


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError
    return value


_KINDS: Mapping[str, Callable[[str], object]] = {
    "name": _text,
    "createdAt": datetime.fromisoformat,
    "updatedAt": datetime.fromisoformat,
}


def _user(text: str, me: UUID) -> UUID:
    if text == "me":
        return me
    try:
        return UUID(text)
    except ValueError as error:
        raise invalid(_USER, "must be a user's id, or me", "uuid") from error
