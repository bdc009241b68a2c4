"""A worker's ticker: it decides when ticks are made, and tells who waits for one.

The worker announces its own commits; a poll of the snapshot finds everybody else's. No connection
is held while it waits.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol, Self

from roost.journal.connection import LOST, Connection
from roost.journal.ticks import BEGINNING, make_tick

_log = logging.getLogger("roost.journal")


class Clock(Protocol):
    """Time, for tests to own."""

    def now(self) -> float:
        """Seconds since whenever."""

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, at most so long."""


class SystemClock:
    """The time of the system."""

    def now(self) -> float:
        """Seconds since whenever."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait so long."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        """Wait for the event, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            pass


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a ticker looks, in seconds."""

    debounce: float = 0.003
    """From the first announcement to the tick that all until then share."""
    busy: float = 0.002
    """Between polls while somebody is live and something was committed within `busy_for`."""
    busy_for: float = 1.0
    live: float = 0.005
    """Between polls while somebody is live."""
    idle: float = 0.25
    """Between polls while nobody is."""
    retry: float = 0.1
    """After a lost connection; doubled with each further failure, up to `retry_at_most`."""
    retry_at_most: float = 5.0


class Ticker:
    """The background task: ``async with Ticker(pool.acquire) as ticker``, or ``await run()``."""

    def __init__(
        self,
        acquire: Callable[[], AbstractAsyncContextManager[Connection]],
        *,
        pace: Pace | None = None,
        clock: Clock | None = None,
        lost: tuple[type[Exception], ...] = (),
    ) -> None:
        """Take what gives a connection; `lost`: what it may raise besides asyncpg's errors."""
        self._acquire = acquire
        self._pace = pace or Pace()
        self._clock = clock or SystemClock()
        self._lost = (*LOST, *lost)
        self._wake = asyncio.Event()
        self._announced = False
        self._live = 0
        self._snapshot = ""
        self._changed_at = -self._pace.busy_for
        self._task: asyncio.Task[None] | None = None
        self._latest = BEGINNING
        self._connected = False
        self._begun = self._done = 0
        self._was_put_back = False
        self._looked_at = self._clock.now()
        self.losses = 0
        """How often the database was lost."""
        self.changed = asyncio.Condition()
        """Notified of every new tick, and of a connection lost or found again."""
        self.looked = asyncio.Condition()
        """Notified after every look."""

    @property
    def latest(self) -> int:
        """The newest tick this worker knows of."""
        return self._latest

    @property
    def connected(self) -> bool:
        """Whether the last look at the database succeeded: otherwise `latest` may be old."""
        return self._connected

    @property
    def snapshot(self) -> str:
        """The snapshot at the last look."""
        return self._snapshot

    @property
    def age(self) -> float:
        """Seconds since the last look that succeeded began."""
        return self._clock.now() - self._looked_at

    @property
    def live(self) -> int:
        """How many wait for changes; the caller keeps count."""
        return self._live

    @live.setter
    def live(self, count: int) -> None:
        if count > 0 and self._live == 0:
            self._wake.set()
        self._live = count

    def announce(self) -> None:
        """Say that a transaction of this worker was committed: a tick follows shortly."""
        self._announced = True
        self._wake.set()

    async def wait_beyond(self, tick: int) -> int:
        """Wait for a tick newer than `tick`; give the newest."""
        async with self.changed:
            await self.changed.wait_for(lambda: self._latest > tick)
            return self._latest

    async def wait_moved(self, tick: int) -> int:
        """Likewise, but the newest may be older, where the database was put back."""
        async with self.changed:
            await self.changed.wait_for(
                lambda: self._latest > tick or (self._was_put_back and self._latest < tick)
            )
            return self._latest

    async def covering(self, moment: float | None = None) -> int:
        """Give a tick that sees all that was committed before this call, or before a moment.

        The moment is one of `time.monotonic`. Waits, where the database was not looked at since,
        until it was: ask within a time limit.
        """
        if moment is not None and self._looked_at > moment:
            return self._latest
        self.announce()
        begun = self._begun
        async with self.looked:
            await self.looked.wait_for(lambda: self._done > begun)
            return self._latest

    async def wait_for_change(self, snapshot: str) -> str:
        """Wait until the snapshot last looked at is another than `snapshot`; give it.

        It changes with every transaction that wrote anything, DDL included.
        """
        async with self.looked:
            await self.looked.wait_for(lambda: self._snapshot != snapshot)
            return self._snapshot

    async def __aenter__(self) -> Self:
        """Start the task."""
        self._task = asyncio.create_task(self.run(), name="roost-ticker")
        return self

    async def __aexit__(self, *_error: object) -> None:
        """Stop it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def run(self) -> None:
        """Make ticks until cancelled."""
        failures = 0
        while True:
            try:
                await self._look()
            except Exception as error:  # noqa: BLE001 -- a worker that looks no more is deaf for good
                if failures == 0:
                    is_known = isinstance(error, self._lost)
                    _log.warning("the ticker lost the database: %s", error, exc_info=not is_known)
                await self._set_connected(connected=False)
                await self._rest(failures)
                failures = min(failures + 1, 32)
                continue
            failures = 0
            await self._pause()

    async def _rest(self, failures: int) -> None:
        """Wait after a failure; whoever has a commit, or needs a look, ends a long rest."""
        pace = self._pace
        self._wake.clear()
        await self._clock.sleep(pace.retry)
        rest = min(pace.retry * 2**failures, pace.retry_at_most) - pace.retry
        if rest > 0:
            await self._clock.wait(self._wake, rest)

    async def _pause(self) -> None:
        """Wait for an announcement, or until the next poll is due."""
        await self._clock.wait(self._wake, self._interval())
        self._wake.clear()
        if self._announced:
            await self._clock.sleep(self._pace.debounce)
            self._wake.clear()

    def _interval(self) -> float:
        if self._live == 0:
            return self._pace.idle
        since = self._clock.now() - self._changed_at
        return self._pace.busy if since < self._pace.busy_for else self._pace.live

    async def _look(self) -> None:
        """Make a tick if a transaction has ended since the last look."""
        # Before the look: what is announced during it may have come too late for it.
        announced, self._announced = self._announced, False
        self._begun += 1
        began = self._clock.now()
        try:
            async with self._acquire() as connection:
                snapshot = await connection.fetchval("select pg_current_snapshot()::text")
                newest = self._latest
                if announced or snapshot != self._snapshot:
                    newest = await make_tick(connection)
        except BaseException:
            self._announced = self._announced or announced
            raise
        moved = newest != self._latest
        if newest < self._latest:
            _log.warning("the newest tick is %d, and was %d: a restore?", newest, self._latest)
            self.losses += 1
            self._was_put_back = True
        self._latest = newest
        self._snapshot, self._looked_at, self._done = snapshot, began, self._begun
        async with self.looked:
            self.looked.notify_all()
        await self._set_connected(connected=True)
        if moved:
            self._changed_at = self._clock.now()
            async with self.changed:
                self.changed.notify_all()

    async def _set_connected(self, *, connected: bool) -> None:
        if connected != self._connected:
            self._connected = connected
            self.losses += not connected
            async with self.changed:
                self.changed.notify_all()
