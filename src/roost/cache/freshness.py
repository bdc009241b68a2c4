"""Whether anything was committed that the listener has not heard of: one look serves many."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import asyncpg

from roost.db.faults import DatabaseError
from roost.db.pool import LOST
from roost.journal.connection import Connection
from roost.journal.listener import Listener

_LOOK: Final = "select pg_current_snapshot()::text"


class Freshness:
    """Looks at the database for those who may not be shown what is a moment old."""

    def __init__(
        self, listener: Listener, acquire: Callable[[], AbstractAsyncContextManager[Connection]]
    ) -> None:
        """Take what gives a connection."""
        self._listener = listener
        self._acquire = acquire
        self._current: asyncio.Task[tuple[str, float]] | None = None
        self._next: asyncio.Task[tuple[str, float]] | None = None
        self._current_at = -math.inf

    @property
    def age(self) -> float:
        """Seconds for which something may have been committed that not everybody was told of."""
        ticker = self._listener.ticker
        told = ticker.age if self._listener.applied == ticker.latest else math.inf
        return min(told, time.monotonic() - self._current_at)

    async def is_current(self) -> bool:
        """Whether everybody was told of all that was committed before this call.

        The look begins after the call; all who call before it begins share it. One that fails
        tells nothing.
        """
        try:
            snapshot, began = await asyncio.shield(self._look())
        except (DatabaseError, asyncpg.PostgresError, *LOST):
            return False
        ticker = self._listener.ticker
        if snapshot == ticker.snapshot and self._listener.applied == ticker.latest:
            self._current_at = max(self._current_at, began)
            return True
        ticker.announce()
        return False

    def _look(self) -> "asyncio.Task[tuple[str, float]]":
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._current))
            self._next.add_done_callback(retrieved)
        return self._next

    async def _after(self, earlier: "asyncio.Task[tuple[str, float]] | None") -> tuple[str, float]:
        """Give the snapshot, and when the look began."""
        if earlier is not None:
            await asyncio.wait([earlier])
        self._current, self._next = self._next, None
        began = time.monotonic()
        async with self._acquire() as connection:
            return str(await connection.fetchval(_LOOK)), began


def retrieved(task: "asyncio.Task[Any]") -> None:
    """Whoever waited has had the error; if all have left, nobody needs it."""
    if not task.cancelled():
        task.exception()
