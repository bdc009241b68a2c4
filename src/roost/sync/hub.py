"""What wakes the shapes: of each tick it tells those whom it concerns."""

import asyncio
import logging
import time
from typing import Final

from roost.db.faults import DatabaseError
from roost.db.pool import LOST
from roost.journal.listener import Heard, Listener
from roost.sync.feed import ForgottenError
from roost.sync.log import TruncatedError
from roost.sync.matching import LayoutError
from roost.sync.options import SyncOptions
from roost.sync.shape import Shape
from roost.sync.shapes import Shapes
from roost.sync.source import FAILED
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
    """Brings a worker's shapes up to the ticks. `applied` is the newest tick they know of."""

    def __init__(
        self, listener: Listener, shapes: Shapes, store: Store, options: SyncOptions
    ) -> None:
        self.applied = listener.applied
        self.settled = asyncio.Event()
        """Unset from when the database was put back until the shapes that were are over."""
        self.settled.set()
        self._listener = listener
        self._ticker = listener.ticker
        self._heard: asyncio.Queue[Heard | None] = asyncio.Queue()
        self._moved = asyncio.Condition()
        self._shapes = shapes
        self._store = store
        self._options = options
        self._looked_at = time.monotonic()
        self._room = asyncio.Semaphore(_AT_A_TIME)
        shapes.life = listener.life
        listener.subscribe(self._heard.put_nowait)
        listener.when_put_back(self._begin_anew)

    async def reached(self, tick: int) -> int:
        """Wait until the shapes know of a tick; gives the newest that they know of."""
        async with self._moved:
            await self._moved.wait_for(lambda: self.applied >= tick)
            return self.applied

    def _begin_anew(self) -> None:
        """End what was followed before the database was put back, for all workers."""
        self.settled.clear()
        self._shapes.begin_anew(self._listener.life)
        self.applied = self._listener.applied
        while not self._heard.empty():
            self._heard.get_nowait()
        self._heard.put_nowait(None)

    async def run(self) -> None:
        """Follow what the listener hears until cancelled."""
        while True:
            heard = await self._heard.get()
            while heard is None or self.settled.is_set():
                try:
                    if heard is None:
                        await self._store.retire_all()
                        self.settled.set()
                    else:
                        await self._apply(heard)
                    break
                except (DatabaseError, *LOST) as error:
                    _log.warning("shapes wait for the database: %s", error)
                    await asyncio.sleep(_RETRY)

    async def _apply(self, heard: Heard) -> None:
        everything = frozenset[int]().union(*heard.touched.values())
        for feed in self._shapes.feeds:
            mine = everything
            if feed.workspace_id is not None:
                mine = heard.touched.get(feed.workspace_id, frozenset())
            feed.learn(heard.after, heard.until, mine)
        self.applied = heard.until
        concerned = [
            shape
            for shape in self._shapes.all
            if shape.waiting and self._concerns(shape, heard, everything)
        ]
        async with self._moved:
            self._moved.notify_all()
        await asyncio.gather(*(self._advance(shape, heard.until) for shape in concerned))

    @staticmethod
    def _concerns(shape: Shape, heard: Heard, everything: frozenset[int]) -> bool:
        tenant = shape.definition.workspace_id
        mine = everything if tenant is None else heard.touched.get(tenant, frozenset())
        return bool(shape.relations & mine)

    async def _advance(self, shape: Shape, tick: int) -> None:
        async with self._room:
            await self.advance(shape, tick)

    async def advance(self, shape: Shape, tick: int) -> None:
        """Bring a shape up to a tick; one that can't go on is ended."""
        try:
            await shape.advance(tick)
        except OVER:
            self._shapes.end(shape)
            await self._store.retire(shape.handle, None, shape.definition.workspace_id)

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
            seen = await self._ticker.wait_for_change(seen)
        stale = await self._shapes.relations.refresh()
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
