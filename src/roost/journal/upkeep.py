"""What the journal needs from time to time: partitions for the months to come."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import asyncpg

from roost.journal.connection import Connection

PERIOD = 12 * 3600.0
"""Seconds between two looks. Without a month's partition rows go into the default one."""
RETRY = 60.0
"""Seconds after which a failed look is repeated."""
_log = logging.getLogger("roost.journal")


async def keep_up(
    acquire: Callable[[], AbstractAsyncContextManager[Connection]],
    *,
    lost: tuple[type[Exception], ...] = (),
    period: float = PERIOD,
    retry: float = RETRY,
) -> None:
    """Prepare partitions, now and every `period` seconds, until cancelled.

    `lost`: what `acquire` may raise besides asyncpg's errors; it is tried again after `retry`.
    """
    failures: tuple[type[Exception], ...] = (
        *(OSError, asyncpg.PostgresError, asyncpg.InterfaceError),
        *lost,
    )
    while True:
        pause = period
        try:
            async with acquire() as connection:
                await connection.fetchval("select journal.prepare_partitions()")
        except failures as error:
            pause = retry
            _log.warning("the journal's partitions could not be prepared: %s", error)
        await asyncio.sleep(pause)
