"""From a list's parameters to its statement: which conditions, which values, which order."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from roost.db.keyset import cursor_place
from roost.tasks.filters import ORDERINGS, SORT_NAMES
from roost.tasks.model import TaskQuery
from roost.tasks.search import read_search
from roost.tasks.service import in_range
from roost.web.paging import SortKey, decode_cursor, read_sort
from roost.web.query import invalid

_READERS: dict[Any, Callable[[str], object]] = {
    UUID: UUID,
    datetime: datetime.fromisoformat,
    int: int,
    float: float,
}


@dataclass(slots=True)
class Listing:
    """A list, read: the shape of its statement and the values for its places."""

    filters: tuple[str, ...]
    sort: tuple[SortKey, ...]
    by_cursor: bool
    values: dict[str, Any] = field(default_factory=dict)


def read_listing(query: TaskQuery, user_id: UUID, *, alike: bool) -> Listing:
    """Read the parameters; `alike` says whether the database can compare misspelt words."""
    names: list[str] = []
    values: dict[str, Any] = {"limit": query.limit}
    for name in ("status", "priority", "label"):
        _add(names, values, name, getattr(query, name))
    for name in ("created_after", "created_before", "updated_after", "updated_before"):
        _add(names, values, name, in_range(name, getattr(query, name)))
    _people(names, values, "created_by", query.created_by, me=user_id)
    _people(names, values, "assignee", query.assignee, me=user_id, none="unassigned")
    _people(names, values, "environment", query.environment, none="no_environment")
    if query.archived is not None:
        names.append("archived" if query.archived else "not_archived")
    if query.search is not None:
        _search(names, values, query.search, alike=alike)
    sort = read_sort(query.sort, query.sort_by, query.sort_order, SORT_NAMES, "-createdAt")
    by_cursor = query.cursor is not None
    if query.cursor is not None:
        if query.page is not None:
            raise invalid("cursor", "can't go with page", "conflict")
        for number, value in enumerate(_checked(sort, decode_cursor(sort, query.cursor))):
            values[cursor_place(number)] = value
    else:
        values["offset"] = ((query.page or 1) - 1) * query.limit
    return Listing(tuple(names), sort, by_cursor, values)


def _checked(sort: tuple[SortKey, ...], cursor: list[str | None]) -> list[str | None]:
    """Refuse a cursor whose values are not of its fields' kinds."""
    kinds = [ORDERINGS[key.name].expression.type.python_type for key in sort]
    for kind, value in zip([*kinds, UUID], cursor, strict=True):
        try:
            if value is not None:
                _READERS.get(kind, str)(value)
        except ValueError as error:
            raise invalid("cursor", "is not one that Roost gave out") from error
    return cursor


def _add(names: list[str], values: dict[str, Any], name: str, value: object) -> None:
    if value is not None:
        names.append(name)
        values[name] = value


def _people(  # noqa: PLR0913 -- it fills two collections for one parameter
    names: list[str],
    values: dict[str, Any],
    name: str,
    given: list[str] | None,
    *,
    me: UUID | None = None,
    none: str | None = None,
) -> None:
    """Read a list of ids, in which `me` and `none` may stand."""
    if given is None:
        return
    ids: list[UUID] = []
    with_none = False
    for text in given:
        if text == "me" and me is not None:
            ids.append(me)
        elif text == "none" and none is not None:
            with_none = True
        else:
            ids.append(_uuid(name, text))
    if with_none and none is not None and not ids:
        names.append(none)
        return
    names.append(f"{name}_or_none" if with_none else name)
    values[name] = ids


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        wire = "createdBy" if name == "created_by" else name
        raise invalid(wire, f"must list ids; {text[:50]!r} is none", "uuid") from error


def _search(names: list[str], values: dict[str, Any], text: str, *, alike: bool) -> None:
    terms = read_search(text)
    if terms.words is not None:
        names.append("words_or_alike" if alike else "words")
        values["words"] = terms.words
        if alike:
            values["typed"] = list(terms.typed)
    if terms.pieces:
        names.append("pieces")
        values["pieces"] = list(terms.pieces)
