"""Advice carried out: only when an administrator says so, CONCURRENTLY, and it can be cancelled.

As the owner of the tables, on a connection that lives as long as the work. One at a time, of all
workers: a row with a lease says which.
"""

import asyncio
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from roost.db.dsn import DatabaseConfig, connection_arguments
from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.identity.audit.trail import Trail
from roost.performance.advice import Advice
from roost.performance.reading import Question
from roost.web.structs import Outgoing

LEASE_SECONDS: Final = 30.0
_RENEWED_SECONDS: Final = 5.0
_TIDY_MS: Final = 60_000

# Whose lease has run out, was ended with its worker.
_BEGIN: Final = Statement(
    "insert performance.index_change",
    """
    with lost as (
        update performance.index_change
        set state = 'failed', ended_at = now(), error = 'the worker that did it has ended'
        where state = 'running' and leased_until < now() returning id)
    insert into performance.index_change (id, sql, table_name, requested_by, leased_until)
    select $1, $2, $3, $4, now() + make_interval(secs => $5)
    where not exists (select from performance.index_change c
                      where c.state = 'running' and c.id not in (select id from lost))
    on conflict do nothing returning id
    """,
    ("id", "sql", "table", "user", "lease"),
    {},
)
_RENEW: Final = Statement(
    "update performance.index_change",
    """
    update performance.index_change
    set leased_until = now() + make_interval(secs => $2), pid = coalesce($3, pid)
    where id = $1 and state = 'running'
    """,
    ("id", "lease", "pid"),
    {},
)
_END: Final = Statement(
    "update performance.index_change_end",
    """
    update performance.index_change set state = $2, ended_at = now(), error = $3
    where id = $1 and state = 'running'
    """,
    ("id", "state", "error"),
    {},
)


class IndexChange(Outgoing):
    """A piece of advice that is carried out, or was; `progress` is PostgreSQL's, while it runs."""

    id: UUID
    sql: str
    table: str
    state: Literal["running", "done", "failed", "cancelled"]
    requested_by: UUID | None
    started_at: datetime
    ended_at: datetime | None
    error: str | None
    phase: str | None
    progress: float | None
    """Share of the blocks of this phase that are done."""


_SELECT: Final = """
    select c.id, c.sql, c.table_name as "table",
           case when c.state = 'running' and c.leased_until < now() then 'failed'
                else c.state end as state, c.requested_by as "requestedBy",
           c.started_at as "startedAt", c.ended_at as "endedAt", c.error, p.phase,
           case when p.blocks_total > 0 then p.blocks_done::float8 / p.blocks_total end as progress
    from performance.index_change c
    left join pg_stat_progress_create_index p on p.pid = c.pid and c.state = 'running'"""
_ONE: Final = Question("index_change", IndexChange, f"{_SELECT} where c.id = $1", ("id",))
_ALL: Final = Question(
    "index_changes", IndexChange, f"{_SELECT} order by c.started_at desc limit $1", ("most",)
)
_PID: Final = Statement(
    "select performance.index_change_pid",
    "select pid from performance.index_change"
    " where id = $1 and state = 'running' and leased_until > now()",
    ("id",),
    {},
)
_INVALID: Final = (
    "select indexrelid::regclass::text from pg_index"
    " where indrelid = to_regclass($1) and not indisvalid and indexrelid not in ("
    "select index_relid from pg_stat_progress_create_index)"
)


async def _invalid(connection: Any, table: str) -> set[str]:  # noqa: ANN401 -- asyncpg's connection
    return {row[0] for row in await connection.fetch(_INVALID, table)}


class Busy(Exception):  # noqa: N818 -- no error: somebody else's turn
    """Another change of indexes is under way."""


class Applier:
    """Carries advice out. Without the owner's connection nothing can be."""

    def __init__(self, doctor: Database, owner: DatabaseConfig | None) -> None:
        """Write down with the doctor's connections what the owner's does."""
        self._doctor = doctor
        self._owner = None if owner is None else replace(owner, statement_timeout=0)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_able(self) -> bool:
        """Whether it knows how the owner connects, and not by way of PgBouncer."""
        return self._owner is not None and not self._owner.pgbouncer

    async def begin(self, advice: Advice, by: Trail) -> IndexChange:
        """Start on it; Busy when another is under way. `advice` has SQL."""
        change_id = uuid7()

        async def work(transaction: Transaction) -> None:
            begun = await transaction.row(
                _BEGIN,
                id=change_id,
                sql=advice.sql,
                table=advice.table,
                user=by.actor_id,
                lease=LEASE_SECONDS,
            )
            if begun is None:
                raise Busy
            target = ("index_change", change_id)
            await by.record(
                transaction, "index_change.begun", target, table=advice.table, sql=advice.sql
            )

        await self._doctor.write(by.context, work)
        task = asyncio.create_task(self._carry_out(change_id, str(advice.sql), advice.table))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        found = await self.find(change_id)
        assert found is not None  # noqa: S101 -- it was just written
        return found

    async def find(self, change_id: UUID) -> IndexChange | None:
        """Give one; None when there is none."""
        return await _ONE.one(self._doctor, id=change_id)

    async def list(self, most: int) -> list[IndexChange]:
        """Give the latest."""
        return await _ALL.ask(self._doctor, most=most)

    async def cancel(self, change_id: UUID, by: Trail) -> None:
        """Ask PostgreSQL to stop it; whichever worker is at it ends it then."""
        row: Any = await self._doctor.read(_PID, Context(), id=change_id)
        if row is None or row["pid"] is None:
            return

        async def work(transaction: Transaction) -> None:
            target = ("index_change", change_id)
            await by.record(transaction, "index_change.cancelled", target)

        # First: what is asked of PostgreSQL can't be taken back when it can't be told.
        await self._doctor.write(by.context, work)
        connection = await self._connect()
        try:
            await connection.execute(f"select pg_cancel_backend({int(row['pid'])})")
        finally:
            await connection.close()

    async def close(self) -> None:
        """Stop what is under way: PostgreSQL undoes it."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _connect(self) -> Any:  # noqa: ANN401 -- asyncpg's connection
        assert self._owner is not None  # noqa: S101 -- asked before
        return await asyncpg.connect(**connection_arguments(self._owner))

    async def _carry_out(self, change_id: UUID, sql: str, table: str) -> None:
        state, error = "failed", None
        before: set[str] = set()
        try:
            connection = await self._connect()
            try:
                before = await _invalid(connection, table)
                await self._run(connection, change_id, sql)
            finally:
                connection.terminate()
            state = "done"
        except asyncpg.QueryCanceledError:
            state = "cancelled"
        except asyncio.CancelledError:
            error = "the server was stopped"
        except (asyncpg.PostgresError, DatabaseError, *LOST) as caught:
            # Without the detail, which may quote a row.
            error = str(caught.args[0]) if caught.args else type(caught).__name__
        with suppress(DatabaseError, asyncpg.PostgresError, *LOST):
            await self._doctor.change(_END, Context(), id=change_id, state=state, error=error)
            if state != "done":
                await self._tidy(table, before)

    async def _run(self, connection: Any, change_id: UUID, sql: str) -> None:  # noqa: ANN401 -- asyncpg's connection
        renewing = asyncio.create_task(self._renew(change_id, connection.get_server_pid()))
        try:
            await connection.execute(sql)
        finally:
            renewing.cancel()

    async def _tidy(self, table: str, before: set[str]) -> None:
        """Drop what was not finished: it costs every write. What can't be, the doctor names."""
        connection = await self._connect()
        try:
            await connection.execute(f"set statement_timeout = {_TIDY_MS}")
            for name in await _invalid(connection, table) - before:
                await connection.execute(f"drop index concurrently if exists {name}")
        finally:
            connection.terminate()

    async def _renew(self, change_id: UUID, pid: int) -> None:
        while True:
            with suppress(DatabaseError, asyncpg.PostgresError, *LOST):
                await self._doctor.change(
                    _RENEW, Context(), id=change_id, lease=LEASE_SECONDS, pid=pid
                )
            await asyncio.sleep(_RENEWED_SECONDS)
