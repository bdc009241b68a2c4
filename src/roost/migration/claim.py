"""Who works on a migration: a claim that ends with the process that holds it.

The claim is an advisory lock of a transaction that does nothing else. It has no transaction id
and no snapshot, so it holds nothing up; when its process dies, PostgreSQL lets go at once. It has
a connection of its own: the pool's are for the work, and a pool of one can migrate.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID
from weakref import WeakKeyDictionary

import asyncpg

from roost import errors
from roost.db.dsn import connection_arguments
from roost.db.faults import UnavailableError
from roost.db.pool import LOST, Database
from roost.errors import ProblemError
from roost.migration import writes

AT_ONCE: Final = 4
"""Migrations that one process carries out side by side."""
PATIENCE: Final = 2.0
"""Seconds for which one more waits for its turn."""
_RETRY_AFTER: Final = "5"
_turns: Final[WeakKeyDictionary[Database, asyncio.Semaphore]] = WeakKeyDictionary()


@asynccontextmanager
async def claimed(database: Database, workspace_id: UUID, user_id: UUID) -> AsyncIterator[bool]:
    """Hold the right to migrate for this user and workspace; False when somebody has it.

    CONTENTION when this process has its hands full, UnavailableError without a connection.
    """
    turns = _turns.setdefault(database, asyncio.Semaphore(AT_ONCE))
    try:
        await asyncio.wait_for(turns.acquire(), PATIENCE)
    except TimeoutError as error:
        message = "as many migrations as this server carries out at once are running"
        headers = {"retry-after": _RETRY_AFTER}
        raise ProblemError(errors.CONTENTION, message, headers=headers) from error
    try:
        connection = await _connect(database)
        try:
            yield await _claim(connection, workspace_id, user_id)
        finally:
            await _let_go(connection)
    finally:
        turns.release()


async def _connect(database: Database) -> Any:  # noqa: ANN401 -- asyncpg's
    try:
        return await asyncpg.connect(**connection_arguments(database.config))
    except (*LOST, asyncpg.PostgresError) as error:
        message = f"no connection for a migration could be had: {error}"
        raise UnavailableError(message) from error


async def _claim(connection: Any, workspace_id: UUID, user_id: UUID) -> bool:  # noqa: ANN401 -- asyncpg's
    try:
        await connection.execute("begin")
        await connection.execute(writes.HOLD)
        mine: bool = await connection.fetchval(writes.CLAIM, f"migration:{workspace_id}:{user_id}")
    except LOST as error:
        message = f"the connection was lost: {error}"
        raise UnavailableError(message) from error
    return mine


async def _let_go(connection: Any) -> None:  # noqa: ANN401 -- asyncpg's
    """End the claim; a connection that was lost has ended it already."""
    try:
        await connection.execute("rollback")
        await connection.close(timeout=5.0)
    except (*LOST, asyncpg.PostgresError):
        connection.terminate()
    except BaseException:
        connection.terminate()
        raise
