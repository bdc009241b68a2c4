"""Connections handed from one caller to the next without a way through the pool.

asyncpg's pool makes a task and a few futures for every checkout; a request holds a connection for
one statement, and pays more for the checkout than for the sending. So connections stay checked out
here while they are well. One that was left by an error goes back through the pool, which cleans it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg

from roost.db.faults import UnavailableError

_CLIENT_ERRORS = (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


def is_gone(connection: Any) -> bool:  # noqa: ANN401 -- asyncpg's proxy
    """Whether the connection is closed, or asyncpg has taken it back because it was lost."""
    try:
        return bool(connection.is_closed())
    except asyncpg.InterfaceError:
        return True


class Lanes:
    """At most `limit` connections; who finds none free waits in line."""

    def __init__(
        self,
        limit: int,
        acquire: Callable[[float], Awaitable[Any]],
        release: Callable[[Any], Awaitable[None]],
    ) -> None:
        """Take connections from `acquire(deadline)`, give them back by `release`."""
        self._limit = limit
        self._acquire = acquire
        self._release = release
        self._free: list[Any] = []
        self._held = 0
        self._closed = False
        self._line: deque[asyncio.Future[Any]] = deque()

    @property
    def used(self) -> int:
        """Connections at work now."""
        return self._held - len(self._free)

    @property
    def waiting(self) -> int:
        """Callers in line."""
        return len(self._line)

    async def take(self, patience: float) -> Any:  # noqa: ANN401 -- asyncpg's proxy
        """Give a connection; UnavailableError after `patience` seconds."""
        while self._free:
            connection = self._free.pop()
            if not is_gone(connection):
                return connection
            await self._drop(connection)
        deadline = time.perf_counter() + patience
        while self._held >= self._limit:
            connection = await self._wait(deadline, patience)
            if connection is not None:
                return connection
        self._held += 1
        try:
            return await self._acquire(deadline)
        except BaseException:
            self._held -= 1
            self._next(None)
            raise

    async def give(self, connection: Any, *, well: bool) -> None:  # noqa: ANN401 -- asyncpg's proxy
        """Take a connection back; `well` says that nothing went wrong while it was out."""
        if well and not self._closed and not is_gone(connection):
            if not self._next(connection):
                self._free.append(connection)
            return
        await self._drop(connection)

    async def empty(self) -> None:
        """Give every free connection back, and from now on every other as it comes."""
        self._closed = True
        while self._free:
            await self._drop(self._free.pop())

    async def _drop(self, connection: Any) -> None:  # noqa: ANN401 -- asyncpg's proxy
        self._held -= 1
        try:
            # It cleans the connection or, failing that, ends it: both will do. And no error of the
            # cleaning may take the place of what the caller is about to be told.
            with suppress(asyncpg.PostgresError, *_CLIENT_ERRORS):
                await self._release(connection)
        finally:
            self._next(None)

    def _next(self, connection: Any) -> bool:  # noqa: ANN401 -- asyncpg's proxy
        """Hand it to the first in line; None says that there is room for a new one."""
        while self._line:
            waiter = self._line.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    async def _wait(self, deadline: float, patience: float) -> Any:  # noqa: ANN401 -- asyncpg's proxy
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._line.append(waiter)
        try:
            return await asyncio.wait_for(waiter, max(deadline - time.perf_counter(), 0))
        except (TimeoutError, asyncio.CancelledError) as error:
            await self._pass_on(waiter)
            if isinstance(error, asyncio.CancelledError):
                raise
            message = f"no connection was free within {patience:g} seconds"
            raise UnavailableError(message) from error

    async def _pass_on(self, waiter: asyncio.Future[Any]) -> None:
        """Leave the line; what was handed to this place in the meantime is the next one's."""
        if not waiter.done() or waiter.cancelled():
            with suppress(ValueError):
                self._line.remove(waiter)
        elif waiter.result() is None:
            self._next(None)
        else:
            await self.give(waiter.result(), well=True)
