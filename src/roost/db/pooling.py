"""Whether the database's URL says what a pooler in front of it does to connections."""

from dataclasses import replace
from typing import Final

import asyncpg

from roost.db.dsn import DatabaseConfig
from roost.db.faults import DatabaseError
from roost.db.target import connect

_PROCESS: Final = "select pg_backend_pid()"
_NOT_SAID: Final = (
    "connections to the database share its processes, as behind PgBouncer in transaction mode: "
    "add pgbouncer=true to its URL"
)
_NO_TRANSACTIONS: Final = (
    "PgBouncer's statement mode allows no transactions: set pool_mode to transaction or session"
)


async def require_fitting_pooler(config: DatabaseConfig) -> None:
    """Refuse a pooler in a mode that cannot work, or that the URL does not tell of: DatabaseError.

    It may be missed while others use the pooler.
    """
    try:
        is_shared = await _is_shared(config)
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if "statement pooling mode" in str(error):
            raise DatabaseError(_NO_TRANSACTIONS) from error
        raise
    if is_shared and not config.pgbouncer:
        raise DatabaseError(_NOT_SAID)


async def _is_shared(config: DatabaseConfig) -> bool:
    """Whether a second connection gets the process that a first one, still open, has had."""
    first = await connect(replace(config, pgbouncer=True))
    try:
        process = await first.fetchval(_PROCESS)
        second = await connect(replace(config, pgbouncer=True))
        try:
            return bool(await second.fetchval(_PROCESS) == process)
        finally:
            await second.close()
    finally:
        await first.close()
