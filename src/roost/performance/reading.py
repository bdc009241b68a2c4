"""Asking the database about itself: each question is one statement, its rows made JSON there."""

from typing import Any, Generic, TypeVar

import msgspec

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context

_FINE_SECONDS = 2 * 3600.0
T = TypeVar("T", bound=msgspec.Struct)
OURS = "n.nspname !~ '^pg_' and n.nspname <> 'information_schema'"
"""The schemas whose tables are looked at; `n` is pg_namespace."""
SINCE = "coalesce(stats_reset, pg_postmaster_start_time())"
"""Since when a row of pg_stat_database counts."""
WINDOW_DAYS = f"extract(epoch from now() - {SINCE})::float8 / 86400"
"""For how many days it has counted."""


_COLUMNS = {
    "delta": "at, query_id, calls, total_ms, rows, blocks_hit, blocks_read, temp_blocks, wal_bytes",
    "latency": "route, name, calls, errors, total_ms, slowest_ms, buckets",
    "gauge": "at, name, value, {highest}",
}


def rows_of(table: str, *, coarse: bool) -> str:
    """Give SQL for what is remembered of the last `$1` seconds, as a table in brackets.

    By the minute; or by the hour as far as hours are written, and by the minute from there on.
    """
    columns = _COLUMNS[table]
    since = "where at > now() - make_interval(secs => $1)"
    hourly = columns.format(highest="highest")
    columns = columns.format(highest="value as highest")
    minutes = f"select {columns} from performance.{table} {since}"  # noqa: S608 -- constants
    if not coarse:
        return f"({minutes})"
    rolled = "select coalesce(max(at), '-infinity') from performance.rolled"
    hours = f"select {hourly} from performance.{table}_hour {since}"  # noqa: S608 -- constants
    return f"({hours} union all {minutes} and at > ({rolled}))"


def as_json(name: str, sql: str, places: tuple[str, ...] = ()) -> Statement:
    """Make a statement that gives the rows of `sql`, a constant, as one JSON text: `body`."""
    whole = f"select coalesce(json_agg(answer), '[]')::text as body from ({sql}) answer"  # noqa: S608 -- as said
    return Statement(f"select performance.{name}", whole, places, {})


def is_coarse(seconds: float) -> bool:
    """Whether so long a range is read by the hour."""
    return seconds > _FINE_SECONDS


class Ranged(Generic[T]):
    """A question of the last `$1` seconds, put to minutes or to hours.

    In `sql` stands `@rows` for those of `table`, as `rows_of` gives them.
    """

    def __init__(
        self,
        name: str,
        kind: type[T],
        table: str,
        sql: str,
        places: tuple[str, ...] = ("seconds",),
    ) -> None:
        """Keep both; the first of `places` is `seconds`."""
        fine, coarse = (sql.replace("@rows", rows_of(table, coarse=each)) for each in (False, True))
        self._fine = Question(name, kind, fine, places)
        self._coarse = Question(f"{name}_by_hour", kind, coarse, places)

    async def ask(self, database: Database, *, seconds: float, **values: object) -> list[T]:
        """Give the answer as it is now."""
        question = self._coarse if is_coarse(seconds) else self._fine
        return await question.ask(database, seconds=seconds, **values)


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

    async def one(self, database: Database, **values: object) -> T | None:
        """Give the first row of the answer; None when there is none."""
        found = await self.ask(database, **values)
        return found[0] if found else None

    async def within(self, transaction: Transaction, **values: object) -> list[T]:
        """Give the answer as it is in a transaction, with what that has changed."""
        row: Any = await transaction.row(self._statement, **values)
        return self._decode(row["body"])
