"""Rows that PostgreSQL has written by `row_to_json`, given the wire's names and moments.

For one row that a function gives back this costs PostgreSQL less than `jsontext`, whose expression
of some hundred parts is set up anew for each statement.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import DateTime, Table

Row = Mapping[str, msgspec.Raw]
"""The columns' values, each as JSON."""
_NULL: Final = b"null"
_UTC: Final = b'+00:00"'
_WHOLE: Final = len('"2026-01-02T03:04:05.000006+00:00"')
_text = msgspec.json.Decoder(str)


def stamp(at: datetime) -> str:
    """Write a moment in UTC as `jsontext.rfc3339` does: with microseconds."""
    return f"{at.isoformat(timespec='microseconds')[:-6]}Z"


def moment(value: msgspec.Raw) -> msgspec.Raw | str | None:
    """Write a moment as `jsontext.rfc3339` does; null where its year is not one of 1 to 9999."""
    written = bytes(value)
    if len(written) == _WHOLE and written.endswith(_UTC):  # as nearly all are
        return msgspec.Raw(written.removesuffix(_UTC) + b'Z"')
    if written == _NULL:
        return None
    try:
        at = datetime.fromisoformat(_text.decode(written)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return stamp(at)


def moments_of(table: Table) -> frozenset[str]:
    """Name the columns that hold moments."""
    return frozenset(column.name for column in table.c if isinstance(column.type, DateTime))


def renamed(row: Row, wire: Mapping[str, str], moments: frozenset[str]) -> dict[str, object]:
    """Give a row's values by their names in `wire`, in its order, ready to be encoded."""
    return {
        name: moment(row[column]) if column in moments else row[column]
        for name, column in wire.items()
    }
