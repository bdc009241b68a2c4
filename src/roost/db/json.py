"""JSON made where the rows are: the database writes it, and Python hands it on as text.

A row's columns get camelCase names, and moments become RFC 3339 text in UTC, always with six
fractional digits. Sub-selects may use `TENANT_ID` and `USER_ID` of `db.tenancy`.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Label,
    Select,
    Subquery,
    Text,
    cast,
    func,
    literal_column,
    select,
)

_FORMAT: ColumnElement[str] = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""", Text)
_UTC: ColumnElement[str] = literal_column("'UTC'", Text)


def rfc3339(column: ColumnElement[Any]) -> ColumnElement[str]:
    """Write a moment as `2026-01-02T03:04:05.000006Z`; null stays null."""
    return func.to_char(func.timezone(_UTC, column), _FORMAT)


def camel(name: str) -> str:
    """Write a snake_case name in camelCase; one that is camelCase already stays as it is."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def camel_row(columns: Mapping[str, ColumnElement[Any]]) -> list[Label[Any]]:
    """Label the columns of a JSON object, in order; moments become text.

    The keys are the names, in snake_case or camelCase.
    """
    return [_value(column).label(camel(name)) for name, column in columns.items()]


def json_object(columns: Mapping[str, ColumnElement[Any]]) -> ColumnElement[Any]:
    """Make a nested object, for use as one column of a row."""
    pairs: list[ColumnElement[Any]] = []
    for name, column in columns.items():
        pairs += [literal_column(f"'{camel(name)}'", Text), _value(column)]
    return func.json_build_object(*pairs)


def row_json(rows: Subquery) -> ColumnElement[str]:
    """Write each row of an aliased sub-select as one object, beside other columns of it."""
    return cast(func.row_to_json(rows.table_valued()), Text)


def list_json(rows: Subquery) -> ColumnElement[str]:
    """Aggregate the rows of an aliased sub-select into one array, `[]` for none."""
    empty: ColumnElement[Any] = literal_column("'[]'")
    return cast(func.coalesce(func.json_agg(rows.table_valued()), empty), Text)


def as_json(rows: Select[*tuple[Any, ...]], alias: str = "item") -> ColumnElement[str]:
    """Give the one row of `rows` as an object, in text; null when there is no row."""
    found = rows.subquery(alias)
    return select(row_json(found)).scalar_subquery()


def as_json_list(rows: Select[*tuple[Any, ...]], alias: str = "item") -> ColumnElement[str]:
    """Give the rows of `rows`, in their order, as an array, in text; `[]` when there are none."""
    found = rows.subquery(alias)
    return select(list_json(found)).scalar_subquery()


def _value(column: ColumnElement[Any]) -> ColumnElement[Any]:
    return rfc3339(column) if isinstance(column.type, DateTime) else column
