"""What the journal needs from time to time: partitions to come, and old ones gone."""

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
    keep_days: int = 0,
    lost: tuple[type[Exception], ...] = (),
    period: float = PERIOD,
    retry: float = RETRY,
) -> None:
    """Prepare partitions and drop old ones, now and every `period` seconds, until cancelled.

    What is younger than `keep_days` is kept, all of it when that is 0. `lost`: what `acquire` may
    raise besides asyncpg's errors; it is tried again after `retry`.
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
                if keep_days:
                    await drop_older(connection, keep_days)
        except failures as error:
            pause = retry
            _log.warning("the journal's partitions could not be kept up: %s", error)
        await asyncio.sleep(pause)


async def drop_older(connection: Connection, days: int) -> int:
    """Drop what is older than `days` (1 and up): ticks, and the months of the journal before them.

    The newest tick that is older stays, so that every moment within `days` can be read. Gives how
    many months went.
    """
    dropped = int(await connection.fetchval("select journal.drop_older($1)", days))
    if dropped:
        _log.info("%d months of the journal were dropped: older than %d days", dropped, days)
    return dropped
