"""Who works on a migration: a claim that ends with the process that holds it.

The claim is an advisory lock of a transaction that does nothing else. It has no transaction id
and no snapshot, so it holds nothing up; when its process dies, PostgreSQL lets go at once.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from roost.db.pool import Database
from roost.migration import writes


@asynccontextmanager
async def claimed(database: Database, workspace_id: UUID, user_id: UUID) -> AsyncIterator[bool]:
    """Hold the right to migrate for this user and workspace; False when somebody has it."""
    async with database.connection() as connection, connection.transaction():
        await connection.execute(writes.HOLD)
        yield await connection.fetchval(writes.CLAIM, f"migration:{workspace_id}:{user_id}")
