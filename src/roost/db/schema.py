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

from roost.db.faults import SchemaError

_log = logging.getLogger("roost.db")
REVISIONS = Path(__file__).parent / "revisions"
LOCK = 7_266_837_381
"""The advisory lock's number; any constant that nobody else uses."""


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
    table = await connection.fetchval("select to_regclass('public.alembic_version')::text")
    current = (
        await connection.fetchval("select version_num from public.alembic_version")
        if table
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
    url: str,
    tools: Mapping[str, object],
    *,
    lock_timeout: float = 5.0,
    statement_timeout: float = 600.0,
) -> list[str]:
    """Bring the schema up to date as the owner; gives the revisions that were run.

    Times in seconds. Waits for another process that is upgrading. SchemaError when the database
    is newer than the code, or when a lock could not be had.
    """
    connection = await asyncpg.connect(url, timeout=10.0, statement_cache_size=0)
    try:
        await connection.execute(f"select pg_advisory_lock({LOCK})")
        state = await schema_state(connection)
        require_known(state)
        done: list[str] = []
        if state.upgraded:
            return done
        from roost.db.rendering import steps  # noqa: PLC0415 -- Alembic takes as long as all else

        for revision, sql in steps(state, tools):
            await _run(connection, revision, sql, lock_timeout, statement_timeout)
            done.append(revision)
        return done
    finally:
        await connection.close(timeout=10.0)


async def _run(
    connection: Any,  # noqa: ANN401 -- asyncpg's proxies
    revision: str,
    sql: str,
    lock_timeout: float,
    statement_timeout: float,
) -> None:
    try:
        async with connection.transaction():
            await connection.execute(
                f"set local lock_timeout = {int(lock_timeout * 1000)};"
                f"set local statement_timeout = {int(statement_timeout * 1000)}"
            )
            await connection.execute(sql)
    except asyncpg.LockNotAvailableError as error:
        message = (
            f"schema revision {revision} could not lock a table within {lock_timeout:g} s: end "
            f"the long transactions and start again; nothing was changed"
        )
        raise SchemaError(message) from error
    _log.info("schema revision %s is in place", revision)
