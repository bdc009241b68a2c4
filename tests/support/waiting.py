"""Sessions of a database that wait for locks."""

import asyncio
from typing import Any

_WAITING = """
select count(distinct pid) from pg_locks join pg_stat_activity using (pid)
where not granted and datname = current_database()
"""


async def until_others_wait(connection: Any, count: int = 1) -> None:
    """Wait until so many sessions wait for a lock; the connection may be in a transaction.

    There PostgreSQL shows the sessions that it has shown first, unless it is told to forget them.
    """
    async with asyncio.timeout(60):
        while await connection.fetchval(_WAITING) < count:
            await connection.execute("select pg_stat_clear_snapshot()")
            await asyncio.sleep(0.005)
