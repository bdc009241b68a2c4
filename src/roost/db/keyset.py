"""Keyset paging: the rows after a given row, in any order, at a cost that does not grow."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import Integer

from roost.db.jsontext import array_text


class Ordering:
    """A thing that rows can be ordered by; unknown values come last either way."""

    def __init__(self, expression: ColumnElement[Any], *, nullable: bool | None = None) -> None:
        self.expression = expression
        self.nullable = getattr(expression, "nullable", True) if nullable is None else nullable

    def clause(self, *, descending: bool) -> ColumnElement[Any]:
        """Give the ORDER BY term."""
        term = self.expression.desc() if descending else self.expression.asc()
        return term.nulls_last() if self.nullable else term


@dataclass(frozen=True, slots=True)
class Key:
    """One term of an order."""

    ordering: Ordering
    descending: bool


def cursor_place(number: int) -> str:
    """Name the place of a cursor's nth value."""
    return f"after_{number}"


def _bound(key: Key, number: int) -> ColumnElement[Any]:
    text = bindparam(cursor_place(number), type_=Text)
    return cast(text, key.ordering.expression.type)


def after(keys: Sequence[Key]) -> ColumnElement[bool]:
    """Say which rows come after the cursor's; the last key must tell all rows apart.

    Orders of one direction over columns that are never null become a row comparison, which an
    index answers by itself.
    """
    directions = {key.descending for key in keys}
    if len(directions) == 1 and not any(key.ordering.nullable for key in keys):
        row = tuple_(*(key.ordering.expression for key in keys))
        bounds = tuple_(*(_bound(key, number) for number, key in enumerate(keys)))
        return row < bounds if keys[0].descending else row > bounds
    return _lexical(keys, 0)


def _lexical(keys: Sequence[Key], number: int) -> ColumnElement[bool]:
    key, bound = keys[number], _bound(keys[number], number)
    value = key.ordering.expression
    beyond = value < bound if key.descending else value > bound
    same = value == bound
    if key.ordering.nullable:
        beyond = or_(beyond, and_(value.is_(None), bound.is_not(None)))
        same = value.is_not_distinct_from(bound)
    if number + 1 == len(keys):
        return beyond
    return or_(beyond, and_(same, _lexical(keys, number + 1)))


def page(
    rows: Select[Any],
    keys: Sequence[Key],
    json: Callable[[Any], ColumnElement[str]],
    *,
    with_offset: bool,
) -> tuple[ColumnElement[str], ColumnElement[str | None], Any]:
    """Cut a page out of `rows`; gives its JSON, its next cursor's values, and its FROM.

    `json` makes the JSON text of one row from the page's columns. Places: `limit`, `offset`.
    """
    limit = bindparam("limit", type_=Integer)
    ordered = rows.add_columns(
        *(key.ordering.expression.label(f"key_{number}") for number, key in enumerate(keys))
    ).order_by(*(key.ordering.clause(descending=key.descending) for key in keys))
    ordered = ordered.limit(limit + 1)
    if with_offset:
        ordered = ordered.offset(bindparam("offset", type_=Integer))
    inner = ordered.subquery("ordered")
    number = func.row_number().over().label("row_number")
    source = select(inner, number).subquery("page")
    within = source.c.row_number <= limit
    items = array_text(json(source.c), within)
    values = func.json_build_array(*(cast(source.c[f"key_{n}"], Text) for n in range(len(keys))))
    last = func.max(cast(values, Text)).filter(source.c.row_number == limit)
    cursor = case((func.count(literal_column("*")) > limit, last), else_=None)
    return items, cursor, source
