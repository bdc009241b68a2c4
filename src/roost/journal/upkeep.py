"""What the journal needs from time to time: partitions for the months to come."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg

from roost.journal.connection import Connection

PERIOD = 12 * 3600.0
"""Seconds between two looks. Without a month's partition rows go into the default one."""
_log = logging.getLogger("roost.journal")


async def keep_up(
    acquire: Callable[[], AbstractAsyncContextManager[Connection]], period: float = PERIOD
) -> None:
    """Prepare partitions, now and every `period` seconds, until cancelled."""
    while True:
        try:
            async with acquire() as connection:
                await connection.fetchval("select journal.prepare_partitions()")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            _log.warning("the journal's partitions could not be prepared: %s", error)
        await asyncio.sleep(period)
