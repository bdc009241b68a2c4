"""Hearing of changes of rights, so that a worker may remember who is who."""

import asyncio
import contextlib
import logging
import random

import asyncpg

from roost.db.dsn import DatabaseConfig, connection_arguments
from roost.db.pool import LOST
from roost.identity.access.cache import PrincipalCache

CHANNEL = "roost_principal"
"""What the trigger `principal_changed` notifies."""
HEARTBEAT = 5.0
"""Seconds between checks that the connection is alive, and for its answer."""
MAX_PAUSE = 10.0
_log = logging.getLogger("roost.identity")


class PrincipalListener:
    """Holds one connection of its own; the cache is on exactly while that connection listens."""

    def __init__(self, config: DatabaseConfig, cache: PrincipalCache) -> None:
        self._config = config
        self._cache = cache

    async def run(self) -> None:
        """Listen until cancelled, coming back after every loss. Ends at once behind PgBouncer.

        PgBouncer in transaction mode passes no notifications on, so the cache stays off.
        """
        if self._config.pgbouncer:
            return
        pause = 0.1
        while True:
            try:
                if await self._listen():
                    pause = 0.1
            except (asyncpg.PostgresError, TimeoutError, *LOST) as error:
                _log.warning("changes of rights can't be listened to: %s", error)
            finally:
                self._cache.disable()
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter
            pause = min(pause * 2, MAX_PAUSE)

    async def _listen(self) -> bool:
        arguments = connection_arguments(self._config)
        connection = await asyncpg.connect(**arguments)
        lost = asyncio.Event()

        def on_loss(_connection: object) -> None:
            self._cache.disable()
            lost.set()

        def on_change(*_details: object) -> None:
            self._cache.forget()

        try:
            connection.add_termination_listener(on_loss)
            await connection.add_listener(CHANNEL, on_change)
            self._cache.enable()
            while not lost.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(lost.wait(), HEARTBEAT)
                    break
                await connection.execute("select 1", timeout=HEARTBEAT)
            _log.warning("the connection that hears of changes of rights was lost")
            return True
        finally:
            self._cache.disable()
            connection.terminate()
