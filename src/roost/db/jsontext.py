"""JSON made where the rows are: objects as text, put together by `concat`.

`concat` keeps each argument's output function for the whole statement, where `row_to_json` and
`json_agg` look it up for every value; on a page of 20 tasks that is a fifth of PostgreSQL's time.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ARRAY,
    Boolean,
    ColumnElement,
    DateTime,
    Float,
    Integer,
    Numeric,
    Select,
    Text,
    Uuid,
    case,
    cast,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSON

_MOST_ARGUMENTS = 90
"""PostgreSQL takes 100 arguments a call."""


_FORMAT: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""", Text)
_UTC: ColumnElement[str] = literal_column("'UTC'", Text)


def rfc3339(moment: ColumnElement[Any]) -> ColumnElement[str]:
    """Write a moment as `2026-01-02T03:04:05.000006Z`; null stays null."""
    return func.to_char(func.timezone(_UTC, moment), _FORMAT)


class Finished:
    """Marks an expression whose text is JSON already; null becomes `null`."""

    def __init__(self, text: ColumnElement[str]) -> None:
        self.text = text


def object_text(
    fields: Mapping[str, ColumnElement[Any] | Finished], *, plain: frozenset[str] = frozenset()
) -> ColumnElement[str]:
    """Write one JSON object as text from columns, by their SQL types.

    `plain` names text fields that never hold what must be escaped (a checked enumeration).
    """
    parts: list[ColumnElement[Any]] = []
    glue = "{"
    for name, value in fields.items():
        quoted, text = _value(value, plain=name in plain)
        mark = '"' if quoted else ""
        parts += [_literal(f'{glue}"{name}":{mark}'), text]
        glue = f"{mark},"
    parts.append(_literal(glue[:-1] + "}"))
    chunks = [
        func.concat(*parts[start : start + _MOST_ARGUMENTS])
        for start in range(0, len(parts), _MOST_ARGUMENTS)
    ]
    return chunks[0] if len(chunks) == 1 else func.concat(*chunks)


def array_text(
    objects: ColumnElement[str], where: ColumnElement[bool] | None = None
) -> ColumnElement[str]:
    """Aggregate JSON texts to one array's text, in the order the rows come; `[]` for none."""
    joined: Any = func.string_agg(objects, _literal(","))
    if where is not None:
        joined = joined.filter(where)
    return func.concat(_literal("["), joined, _literal("]"))


def rows_text(rows: Select[*tuple[Any, ...]], alias: str = "item") -> ColumnElement[str]:
    """Write the rows of `rows`, in their order, as an array; the labels are the names."""
    found = rows.subquery(alias)
    fields = {column.name: column for column in found.c}
    return select(array_text(object_text(fields))).select_from(found).scalar_subquery()


def _literal(text: str) -> ColumnElement[str]:
    escaped = text.replace("'", "''")
    return literal_column(f"'{escaped}'", Text)


def _value(value: ColumnElement[Any] | Finished, *, plain: bool) -> tuple[bool, ColumnElement[Any]]:
    """Give whether quotes go around it, and the expression of its text."""
    if isinstance(value, Finished):
        return False, _or_null(value.text)
    kind = value.type
    nullable = getattr(value, "nullable", True)
    if isinstance(kind, Boolean):
        words = (_literal("true"), _literal("false"), _literal("null"))
        known = case((value, words[0]), else_=words[1])
        return False, case((value.is_(None), words[2]), else_=known) if nullable else known
    if isinstance(kind, Uuid | DateTime) or plain:
        text = rfc3339(value) if isinstance(kind, DateTime) else value
        return (False, _quoted_or_null(cast(text, Text))) if nullable else (True, text)
    if isinstance(kind, Integer | Float | Numeric | JSON):
        return False, _or_null(cast(value, Text)) if nullable else value
    if isinstance(kind, Text | ARRAY):
        text = func.to_json(value)
        return False, _or_null(cast(text, Text)) if nullable else text
    message = f"no way to write {kind!r} as JSON"
    raise TypeError(message)


def _or_null(text: ColumnElement[str]) -> ColumnElement[str]:
    return func.coalesce(text, _literal("null"))


def _quoted_or_null(text: ColumnElement[str]) -> ColumnElement[str]:
    quote = _literal('"')
    return _or_null(quote + text + quote)
