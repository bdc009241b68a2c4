"""Statements: composed with SQLAlchemy Core, compiled once, run on asyncpg as text."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql.asyncpg import dialect as asyncpg_dialect

_DIALECT = asyncpg_dialect()  # type: ignore[no-untyped-call]  # untyped in the library

SHAPES = 512
"""How many shapes of a statement a room keeps: clients choose filters and orders."""


_NAME = re.compile(r"(?:select|insert|update|delete) [A-Za-z0-9_.:-]{1,100}")


_FIRST = re.compile(r"^\s*(\w+)\s+")


def _named(name: str, sql: str) -> str:
    """Write the name into the text, for whoever reads pg_stat_activity or pg_stat_statements.

    Behind the first word: PostgreSQL 18 leaves comments before it out of what it keeps.
    """
    if not _NAME.fullmatch(name):
        return sql
    return _FIRST.sub(rf"\1 /* {name} */ ", sql, count=1)


class Statement:
    """SQL with `$n` places; `name` is what telemetry shows, its verb first."""

    __slots__ = ("_compile", "_constants", "_places", "_sql", "name")

    def __init__(
        self, name: str, sql: str, places: tuple[str, ...], constants: Mapping[str, object]
    ) -> None:
        self.name = name
        self._sql: str | None = _named(name, sql)
        self._places = places
        self._constants = constants
        self._compile: Callable[[], None] | None = None

    @property
    def sql(self) -> str:
        """The text; compiled when it is first asked for."""
        if self._sql is None and self._compile is not None:
            self._compile()
        return self._sql or ""

    @property
    def places(self) -> tuple[str, ...]:
        """What each `$n` stands for, in order."""
        if self._sql is None and self._compile is not None:
            self._compile()
        return self._places

    @property
    def constants(self) -> Mapping[str, object]:
        """The values that come with the statement, by place."""
        if self._sql is None and self._compile is not None:
            self._compile()
        return self._constants

    def arguments(self, values: Mapping[str, object]) -> list[object]:
        """Order `values` by place; a place without a value raises KeyError."""
        places, constants = self.places, self._constants
        return [values[place] if place in values else constants[place] for place in places]


def compiled(
    name: str, statement: Executable, check: Callable[[str], None] | None = None
) -> Statement:
    """Make a statement, compiled at its first use, which takes about a millisecond.

    Keep the result per shape. `check` is given the SQL, and raises when something is wrong with it.
    """
    made = Statement(name, "", (), {})
    made._sql = None  # noqa: SLF001 -- it is made here

    def compile_now() -> None:
        result: Any = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
        sql = str(result)
        if check is not None:
            check(sql)
        required = {bind.key for bind in result.binds.values() if bind.required}
        made._places = tuple(result.positiontup or ())  # noqa: SLF001 -- likewise
        made._constants = {  # noqa: SLF001 -- likewise
            place: value for place, value in result.params.items() if place not in required
        }
        made._sql = _named(name, sql)  # noqa: SLF001 -- likewise
        made._compile = None  # noqa: SLF001 -- likewise

    made._compile = compile_now  # noqa: SLF001 -- likewise
    return made
