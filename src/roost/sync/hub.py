"""What wakes the shapes: it hears each tick once, and tells those whom it concerns."""

import asyncio
import logging
import time
from typing import Final
from uuid import UUID

from roost.db.faults import DatabaseError
from roost.db.pool import LOST
from roost.journal.ticker import Ticker
from roost.journal.ticks import BEGINNING, latest_tick
from roost.sync.feed import ForgottenError
from roost.sync.log import TruncatedError
from roost.sync.matching import LayoutError
from roost.sync.options import SyncOptions
from roost.sync.shape import Shape
from roost.sync.shapes import Shapes
from roost.sync.source import FAILED, Source
from roost.sync.store import Store

_log = logging.getLogger("roost.sync")
OVER: Final = (
    *(ForgottenError, TruncatedError, LayoutError),
    *FAILED,
)
"""What ends a shape; FAILED is a condition that fails for a row, or takes for ever."""
_CLEAN_EVERY: Final = 3600.0
_AT_A_TIME: Final = 8
_RETRY: Final = 0.2


class Hub:
    """A worker's one listener for all its shapes. `applied` is the newest tick they know of."""

    def __init__(
        self, source: Source, shapes: Shapes, store: Store, ticker: Ticker, options: SyncOptions
    ) -> None:
        self.ticker = ticker
        self.applied = BEGINNING
        self._moved = asyncio.Condition()
        self._source = source
        self._shapes = shapes
        self._store = store
        self._options = options
        self._looked_at = time.monotonic()
        self._room = asyncio.Semaphore(_AT_A_TIME)

    async def start(self) -> None:
        """Begin at the newest tick there is."""
        async with self._source.database.connection() as connection:
            self.applied = await latest_tick(connection)

    async def reached(self, tick: int) -> int:
        """Wait until the shapes know of a tick; gives the newest that they know of."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.applied >= tick)
            return self.applied

    async def run(self) -> None:
        """Follow the ticks until cancelled."""
        while True:
            try:
                newest = await self.ticker.wait_beyond(self.applied)
                await self._apply(newest)
            except (DatabaseError, *LOST) as error:
                _log.warning("shapes wait for the database: %s", error)
                await asyncio.sleep(_RETRY)

    async def _apply(self, newest: int) -> None:
        touched: dict[UUID | None, set[int]] = {}
        async with self._source.database.connection() as connection:
            rows = await connection.fetch(
                "select workspace_id, relation from journal.touched($1, $2)", self.applied, newest
            )
        for row in rows:
            touched.setdefault(row["workspace_id"], set()).add(row["relation"])
        everything = set().union(*touched.values())
        for feed in self._shapes.feeds:
            mine = (
                everything if feed.workspace_id is None else touched.get(feed.workspace_id, set())
            )
            feed.learn(self.applied, newest, mine)
        self.applied = newest
        concerned = [
            shape
            for shape in self._shapes.all
            if shape.waiting and self._concerns(shape, touched, everything)
        ]
        async with self._moved:
            self._moved.notify_all()
        await asyncio.gather(*(self._advance(shape, newest) for shape in concerned))

    @staticmethod
    def _concerns(shape: Shape, touched: dict[UUID | None, set[int]], everything: set[int]) -> bool:
        tenant = shape.definition.workspace_id
        return bool(
            shape.relations & (everything if tenant is None else touched.get(tenant, set()))
        )

    async def _advance(self, shape: Shape, tick: int) -> None:
        async with self._room:
            await self.advance(shape, tick)

    async def advance(self, shape: Shape, tick: int) -> None:
        """Bring a shape up to a tick; one that can't go on is ended."""
        try:
            await shape.advance(tick)
        except OVER:
            self._shapes.end(shape)
            await self._store.retire(shape.handle, None)

    async def keep_clean(self) -> None:
        """Forget what nobody can follow any more, now and every hour, until cancelled."""
        while True:
            try:
                await self._store.clean()
            except (DatabaseError, *LOST) as error:
                _log.warning("shapes could not be cleaned up: %s", error)
            await asyncio.sleep(_CLEAN_EVERY)

    async def watch_tables(self) -> None:
        """End the shapes of tables that were altered, as soon as that is known, until cancelled."""
        seen = ""
        while True:
            try:
                seen = await self._look_at_tables(seen)
            except (DatabaseError, *LOST) as error:
                _log.warning("tables could not be looked at: %s", error)
                await asyncio.sleep(_RETRY)

    async def _look_at_tables(self, seen: str) -> str:
        if self._options.look_every:
            await asyncio.sleep(self._options.look_every)
        else:
            seen = await self.ticker.wait_for_change(seen)
        stale = await self._shapes.library.refresh()
        for shape in self._shapes.all:
            tables = (shape.definition.relation, *shape.definition.dependencies)
            if any(each.oid in stale for each in tables):
                self._shapes.end(shape)
        if time.monotonic() - self._looked_at > max(self._options.look_every, 1.0):
            self._looked_at = time.monotonic()
            for handle in await self._store.retired([each.handle for each in self._shapes.all]):
                for shape in self._shapes.all:
                    if shape.handle == handle:
                        self._shapes.end(shape)
        return seen
