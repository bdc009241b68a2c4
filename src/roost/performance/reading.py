"""Asking the database about itself: each question is one statement, its rows made JSON there."""

from typing import Any, Generic, TypeVar

import msgspec

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context

T = TypeVar("T", bound=msgspec.Struct)
OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
"""The schemas whose tables are looked at; `n` is pg_namespace."""
SINCE = "coalesce(stats_reset, pg_postmaster_start_time())"
"""Since when a row of pg_stat_database counts."""
WINDOW_DAYS = f"extract(epoch from now() - {SINCE})::float8 / 86400"
"""For how many days it has counted."""


def as_json(name: str, sql: str, places: tuple[str, ...] = ()) -> Statement:
    """Make a statement that gives the rows of `sql`, a constant, as one JSON text: `body`."""
    whole = f"select coalesce(json_agg(answer), '[]')::text as body from ({sql}) answer"  # noqa: S608 -- as said
    return Statement(f"select performance.{name}", whole, places, {})


class Question(Generic[T]):
    """A statement that gives rows of `kind`; `name` is what telemetry shows."""

    def __init__(self, name: str, kind: type[T], sql: str, places: tuple[str, ...] = ()) -> None:
        """Keep it; `places` says what each `$n` stands for."""
        self._statement = as_json(name, sql, places)
        self._decode = msgspec.json.Decoder(list[kind]).decode  # type: ignore[valid-type]

    async def ask(self, database: Database, **values: object) -> list[T]:
        """Give the answer as it is now."""
        row: Any = await database.read(self._statement, Context(), **values)
        return self._decode(row["body"])

    async def within(self, transaction: Transaction, **values: object) -> list[T]:
        """Give the answer as it is in a transaction, with what that has changed."""
        row: Any = await transaction.row(self._statement, **values)
        return self._decode(row["body"])
