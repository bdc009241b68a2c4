"""Statements: composed with SQLAlchemy Core, compiled once, run on asyncpg as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]  # untyped in the library


@dataclass(frozen=True, slots=True)
class Statement:
    """Compiled SQL with `$n` places; `name` is what telemetry shows, its verb first."""

    name: str
    sql: str
    places: tuple[str, ...]
    constants: Mapping[str, object]

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Order `values` by place; a place without a value raises KeyError."""
        constants = self.constants
        return [values[place] if place in values else constants[place] for place in self.places]


def compiled(name: str, statement: Executable) -> Statement:
    """Compile once; about a millisecond, so keep the result per shape."""
    result: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    places = tuple(result.positiontup or ())
    required = {bind.key for bind in result.binds.values() if bind.required}
    constants = {place: value for place, value in result.params.items() if place not in required}
    return Statement(name, str(result), places, constants)
