"""Lists: one shape of statement, of parameters and of answer for all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import CTE, ColumnElement, Select, func, literal_column, select

from roost.db.jsontext import object_text
from roost.db.keyset import Key, Ordering, after, cursor_place, page
from roost.db.statements import SHAPES, Statement
from roost.db.tenancy import tenant_read
from roost.web.paging import (
    COUNT_CAP,
    PageQuery,
    SortKey,
    SortQuery,
    decode_cursor,
    encode_cursor,
    page_reply,
    read_sort,
)
from roost.web.query import invalid
from roost.web.reply import Reply

Fields = Mapping[str, ColumnElement[Any]]
"""The names of a page's columns, and where their values are."""


@dataclass(eq=False, slots=True)
class Listing:
    """A list: its rows before any filter, and what they may be filtered and ordered by.

    `rows` selects nothing itself, and must use the tenant. `unique` tells its rows apart where the
    order does not. `as_text` writes a row as JSON, by default all `fields`. `beside` are columns
    of the answer that are not of its rows. `ctes` go before all of it.
    """

    name: str
    rows: Select[*tuple[Any, ...]]
    fields: Fields
    unique: ColumnElement[Any] | None
    orderings: Mapping[str, Ordering]
    default: str
    conditions: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    as_text: Callable[[Any], ColumnElement[str]] | None = None
    beside: tuple[ColumnElement[Any], ...] = ()
    ctes: tuple[CTE, ...] = ()
    _names: dict[str, str] = field(init=False)
    _default: tuple[SortKey, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Note the spellings of the orders."""
        self._names = {name: name for name in self.orderings}
        self._names |= {_snake(name): name for name in self.orderings}
        self._default = read_sort(None, None, None, self._names, self.default)

    def read_sort(self, query: PageQuery) -> tuple[SortKey, ...]:
        """Read the order asked for, in camel or snake case."""
        if not isinstance(query, SortQuery):
            return self._default
        if query.sort is None and query.sort_by is None and query.sort_order is None:
            return self._default
        return read_sort(query.sort, query.sort_by, query.sort_order, self._names, self.default)

    def keys(self, sort: tuple[SortKey, ...]) -> list[Key]:
        """Give the order's keys, with what tells rows apart last."""
        keys = [Key(self.orderings[key.name], key.descending) for key in sort]
        if self.unique is not None:
            keys.append(Key(Ordering(self.unique, nullable=False), sort[-1].descending))
        return keys


@lru_cache(maxsize=SHAPES)
def page_statement(
    listing: Listing, filters: tuple[str, ...], sort: tuple[SortKey, ...], *, by_cursor: bool
) -> Statement:
    """Give the statement of a page: its JSON, how many there are up to the cap, and what follows.

    Places: those of the filters, `limit`, and `offset` or the cursor's.
    """
    matching = listing.rows.where(*(listing.conditions[name] for name in filters))
    keys = listing.keys(sort)
    rows = matching.add_columns(*(value.label(name) for name, value in listing.fields.items()))
    if by_cursor:
        rows = rows.where(after(keys))

    def as_text(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
        return object_text({name: columns[name] for name in listing.fields})

    items, cursor, source = page(rows, keys, listing.as_text or as_text, with_offset=not by_cursor)
    counted = matching.add_columns(literal_column("1")).limit(COUNT_CAP + 1).subquery("counted")
    total = select(func.count()).select_from(counted).scalar_subquery()
    body = select(
        items.label("items"), cursor.label("cursor"), total.label("total"), *listing.beside
    )
    return tenant_read(f"select {listing.name}", body.select_from(source), ctes=listing.ctes)


def prepare(
    listing: Listing, query: PageQuery, given: Mapping[str, object]
) -> tuple[Statement, dict[str, object], tuple[SortKey, ...]]:
    """Find the statement of a page, and the values of its places.

    `given` has the conditions that are on, by name, and the values of their places; None is off.
    """
    values = {name: value for name, value in given.items() if value is not None}
    filters = tuple(name for name in listing.conditions if name in values)
    sort = listing.read_sort(query)
    values["limit"] = query.limit
    if query.cursor is None:
        values["offset"] = ((query.page or 1) - 1) * query.limit
    elif query.page is not None:
        raise invalid("cursor", "can't go with page", "conflict")
    else:
        for number, value in enumerate(_read_cursor(listing.keys(sort), sort, query.cursor)):
            values[cursor_place(number)] = value
    statement = page_statement(listing, filters, sort, by_cursor=query.cursor is not None)
    return statement, values, sort


def answer(
    query: PageQuery,
    sort: tuple[SortKey, ...],
    row: Any,  # noqa: ANN401 -- a record
    *,
    items: str | None = None,
) -> Reply:
    """Make the answer out of the statement's row; `items` stand in for the row's own."""
    following = row["cursor"]
    cursor = encode_cursor(sort, msgspec.json.decode(following)) if following else None
    shown = row["items"] if items is None else items
    by_cursor = query.cursor is not None
    return page_reply(shown, query, row["total"], cursor, by_cursor=by_cursor)


def _written(kind: Callable[[str], object]) -> Callable[[str], object]:
    """Read what is written as Roost writes it; Python takes more than PostgreSQL does."""

    def read(value: str) -> object:
        found = kind(value)
        if str(found) != value:
            raise ValueError
        return found

    return read


def _text(value: str) -> str:
    if "\x00" in value:
        raise ValueError
    return value


_READERS: dict[type, Callable[[str], object]] = {
    UUID: _written(UUID),
    datetime: datetime.fromisoformat,
    int: _written(int),
    float: float,
    str: _text,
}


def _read_cursor(keys: list[Key], sort: tuple[SortKey, ...], cursor: str) -> list[str | None]:
    """Read the cursor's values and see that each is of its column's kind."""
    values = decode_cursor(sort, cursor, len(keys))
    for key, value in zip(keys, values, strict=True):
        reader = _READERS.get(key.ordering.expression.type.python_type, _text)
        try:
            if value is not None:
                reader(value)
            elif not key.ordering.nullable:
                raise ValueError  # noqa: TRY301 -- it is told like a value of the wrong kind
        except ValueError as error:
            raise invalid("cursor", "is not one that Roost gave out") from error
    return values


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
