"""Lists of this room: one shape of statement, of parameters and of answer for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, func, literal_column, select

from roost.db.jsontext import object_text
from roost.db.keyset import Key, Ordering, after, cursor_place, page
from roost.db.statements import SHAPES, Statement
from roost.db.tenancy import tenant_read
from roost.identity.model import SortQuery
from roost.web.paging import COUNT_CAP, SortKey, decode_cursor, encode_cursor, page_reply, read_sort
from roost.web.query import invalid
from roost.web.reply import Reply

Fields = Mapping[str, ColumnElement[Any]]
"""The wire's names, and where their values are."""


@dataclass(frozen=True, eq=False, slots=True)
class Listing:
    """A list: its rows before any filter, and what they may be filtered and ordered by.

    `rows` selects nothing itself, and must use the tenant. `unique` tells its rows apart.
    """

    name: str
    rows: Select[*tuple[Any, ...]]
    fields: Fields
    unique: ColumnElement[Any]
    orderings: Mapping[str, Ordering]
    default: str
    conditions: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)

    def read_sort(self, query: SortQuery) -> tuple[SortKey, ...]:
        """Read the order asked for, in camel or snake case."""
        names = {name: name for name in self.orderings}
        names |= {_snake(name): name for name in self.orderings}
        return read_sort(query.sort, query.sort_by, query.sort_order, names, self.default)


@lru_cache(maxsize=SHAPES)
def _statement(
    listing: Listing, filters: tuple[str, ...], sort: tuple[SortKey, ...], *, by_cursor: bool
) -> Statement:
    matching = listing.rows.where(*(listing.conditions[name] for name in filters))
    keys = [Key(listing.orderings[key.name], key.descending) for key in sort]
    keys.append(Key(Ordering(listing.unique, nullable=False), sort[-1].descending))
    rows = matching.add_columns(*(value.label(name) for name, value in listing.fields.items()))
    if by_cursor:
        rows = rows.where(after(keys))

    def as_text(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
        return object_text({name: columns[name] for name in listing.fields})

    items, cursor, source = page(rows, keys, as_text, with_offset=not by_cursor)
    counted = matching.add_columns(literal_column("1")).limit(COUNT_CAP + 1).subquery("counted")
    total = select(func.count()).select_from(counted).scalar_subquery()
    body = select(items.label("items"), cursor.label("cursor"), total.label("total"))
    return tenant_read(f"select {listing.name}", body.select_from(source))


def prepare(
    listing: Listing, query: SortQuery, given: Mapping[str, object]
) -> tuple[Statement, dict[str, object], tuple[SortKey, ...]]:
    """Find the statement of a page, and the values of its places.

    `given` has the filters that are on, and their values; None is off.
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
        for number, value in enumerate(decode_cursor(sort, query.cursor)):
            values[cursor_place(number)] = value
    return _statement(listing, filters, sort, by_cursor=query.cursor is not None), values, sort


def answer(
    query: SortQuery,
    sort: tuple[SortKey, ...],
    row: Any,  # noqa: ANN401 -- a record
) -> Reply:
    """Make the answer out of the statement's row."""
    following = row["cursor"]
    cursor = encode_cursor(sort, msgspec.json.decode(following)) if following else None
    by_cursor = query.cursor is not None
    return page_reply(row["items"], query, row["total"], cursor, by_cursor=by_cursor)


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
