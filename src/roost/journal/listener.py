"""A worker's one listener: it hears of each tick once, and tells everybody what changed."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from roost.journal.connection import LOST, Connection
from roost.journal.life import life_of
from roost.journal.ticker import Ticker
from roost.journal.ticks import BEGINNING, latest_tick

_log = logging.getLogger("roost.journal")
_RETRY: Final = 0.2
_TOUCHED: Final = "select workspace_id, relation from journal.touched($1, $2)"


@dataclass(frozen=True, slots=True)
class Heard:
    """What changed between two ticks: the ids in `journal.relation`, by workspace.

    Tables without tenants are under None.
    """

    after: int
    until: int
    touched: Mapping[UUID | None, frozenset[int]]


class Listener:
    """Follows the ticks without a gap. `applied` is the newest of which everybody was told."""

    def __init__(
        self,
        acquire: Callable[[], AbstractAsyncContextManager[Connection]],
        ticker: Ticker,
        lost: tuple[type[Exception], ...] = (),
    ) -> None:
        """Take what gives a connection; `lost`: what it may raise besides asyncpg's errors."""
        self.ticker = ticker
        self.applied = BEGINNING
        self._acquire = acquire
        self._lost = (*LOST, *lost)
        self.life = ""
        """Which life the database is in; see `life_of`."""
        self._losses = ticker.losses
        self._told: list[Callable[[Heard], None]] = []
        self._put_back: list[Callable[[], None]] = []
        self._timed: list[Callable[[Heard, float], None]] = []
        self._moved = asyncio.Condition()
        self._begun: float | None = None

    @property
    def busy_for(self) -> float:
        """Seconds since a change was found of which not everybody was told; 0 without one."""
        return 0.0 if self._begun is None else time.monotonic() - self._begun

    @property
    def latest(self) -> int:
        """The newest tick of which everybody was told."""
        return self.applied

    def announce(self) -> None:
        """A change has been committed here."""
        self.ticker.announce()

    def subscribe(self, told: Callable[[Heard], None]) -> None:
        """Have `told` called with every window from here on; it must not take long."""
        self._told.append(told)

    def when_put_back(self, told: Callable[[], None]) -> None:
        """Have `told` called when the database is not what it was: ticks may mean others now."""
        self._put_back.append(told)

    def when_told(self, timed: Callable[[Heard, float], None]) -> None:
        """Have `timed` called after everybody was told, with the seconds since it was found."""
        self._timed.append(timed)

    async def start(self) -> None:
        """Begin at the newest tick there is."""
        async with self._acquire() as connection:
            self.life = await life_of(connection)
            self.applied = await latest_tick(connection)

    async def reached(self, tick: int) -> None:
        """Wait until everybody was told of a tick."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.applied >= tick)

    async def run(self) -> None:
        """Listen until cancelled."""
        while True:
            try:
                newest = await self.ticker.wait_moved(self.applied)
                self._begun = self._begun or time.monotonic() - self.ticker.age
                if await self._is_put_back(newest):
                    self.applied = newest
                    for told in self._put_back:
                        told()
                else:
                    await self._hear(newest)
                self._begun = None
            except Exception as error:  # noqa: BLE001 -- a worker that hears no more serves what is old
                is_known = isinstance(error, self._lost)
                _log.warning("the listener lost the database: %s", error, exc_info=not is_known)
                await asyncio.sleep(_RETRY)

    async def _is_put_back(self, newest: int) -> bool:
        """Whether the database that was lost and found again is another, or one of earlier."""
        losses, before = self.ticker.losses, self.life
        if losses != self._losses:
            async with self._acquire() as connection:
                self.life = await life_of(connection)
            self._losses = losses
        return newest < self.applied or self.life != before

    async def _hear(self, newest: int) -> None:
        async with self._acquire() as connection:
            rows = await connection.fetch(_TOUCHED, self.applied, newest)
        touched: dict[UUID | None, set[int]] = {}
        for row in rows:
            touched.setdefault(row["workspace_id"], set()).add(row["relation"])
        found = {workspace: frozenset(relations) for workspace, relations in touched.items()}
        heard = Heard(self.applied, newest, found)
        for told in self._told:
            told(heard)
        self.applied = newest
        for timed in self._timed:
            timed(heard, self.busy_for)
        async with self._moved:
            self._moved.notify_all()
