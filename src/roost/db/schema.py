"""Schema revisions: Alembic's scripts, run one transaction each, by one process at a time.

The scripts live in `revisions/`. What a script needs from rooms above (the journal's triggers)
is handed in by the caller as `tools`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from roost.db.dsn import DatabaseConfig, connection_arguments
from roost.db.faults import SchemaError
from roost.db.pgbouncer import PooledConnection

_log = logging.getLogger("roost.db")
REVISIONS = Path(__file__).parent / "revisions"
LOCK = 7_266_837_381
"""The advisory lock's number; any constant that nobody else uses."""


# `to_regclass` may answer with what the connection remembers of before it waited for others.
_IS_THERE = """
select exists (
    select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relname = 'alembic_version'
)
"""


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The database's revision (None: empty), and the newest this code knows."""

    current: str | None
    newest: str
    known: bool

    @property
    def upgraded(self) -> bool:
        """Whether the database is at the newest revision."""
        return self.current == self.newest


def known_revisions() -> list[str]:
    """Give the revisions this code knows, oldest first."""
    return sorted(path.name[1:5] for path in (REVISIONS / "versions").glob("r[0-9]*_*.py"))


async def schema_state(connection: Any) -> SchemaState:  # noqa: ANN401 -- asyncpg's proxies
    """Read which revision the database has."""
    known = known_revisions()
    is_there = await connection.fetchval(_IS_THERE)
    current = (
        await connection.fetchval("select version_num from public.alembic_version")
        if is_there
        else None
    )
    return SchemaState(current, known[-1], current is None or current in known)


def require_known(state: SchemaState) -> None:
    """Raise SchemaError when the database is newer than this code."""
    if not state.known:
        message = (
            f"the database is at schema revision {state.current}, which this version of Roost "
            f"does not know (its newest is {state.newest}): install the newer Roost"
        )
        raise SchemaError(message)


async def upgrade(
    database: DatabaseConfig | str,
    tools: Mapping[str, object],
    *,
    lock_timeout: float = 5.0,
    statement_timeout: float = 600.0,
) -> list[str]:
    """Bring the schema up to date as the owner; gives the revisions that were run.

    `database` is a URL, or says how to connect. Times in seconds. Waits for another process that
    is upgrading. SchemaError when the database is newer than the code, or a revision failed.
    """
    if isinstance(database, str):
        database = DatabaseConfig(database, statement_timeout=0)
    arguments = {**connection_arguments(database), "statement_cache_size": 0}
    plain = await asyncpg.connect(**arguments)
    try:
        connection = PooledConnection(plain) if database.pgbouncer else plain
        state = await schema_state(connection)
        require_known(state)
        done: list[str] = []
        if state.upgraded:
            return done
        from roost.db.rendering import steps  # noqa: PLC0415 -- Alembic takes as long as all else

        timeouts = (
            f"set local lock_timeout = {int(lock_timeout * 1000)};"
            f"set local statement_timeout = {int(statement_timeout * 1000)}"
        )
        for revision, sql in steps(state, tools):
            if await _run(connection, revision, f"{timeouts};{sql}"):
                done.append(revision)
                _log.info("schema revision %s is in place", revision)
        return done
    finally:
        await plain.close(timeout=10.0)


# A lock of the transaction, not of the session: that one would stay with PgBouncer's connection.
_WAIT_FOR_OTHERS = f"""
set local lock_timeout = 0;
set local statement_timeout = 0;
select pg_advisory_xact_lock({LOCK})
"""


async def _run(connection: Any, revision: str, sql: str) -> bool:  # noqa: ANN401 -- asyncpg's proxies
    """Run a revision, unless another process has run it in the meantime."""
    async with connection.transaction():
        await connection.execute(_WAIT_FOR_OTHERS)
        state = await schema_state(connection)
        require_known(state)
        if state.current is not None and state.current >= revision:
            return False
        try:
            await connection.execute(sql)
        except asyncpg.LockNotAvailableError as error:
            message = (
                f"schema revision {revision} could not lock a table in time: end the long "
                f"transactions and start again; nothing was changed"
            )
            raise SchemaError(message) from error
        except asyncpg.PostgresError as error:
            message = f"schema revision {revision} failed, and changed nothing: {error}"
            raise SchemaError(message) from error
    return True
