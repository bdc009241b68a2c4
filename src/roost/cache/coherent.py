"""The cache of one worker: what it gives is never older than the caller may be shown.

A value is kept when nothing touched its tables while it was read, as far as this worker knew; what
it did not know of then, the listener hears of later, and the value is dropped. So a kept value is
as the newest tick that everybody was told of, or newer.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar
from uuid import UUID

from roost import errors
from roost.cache.entries import Entries, Key
from roost.cache.freshness import Freshness, retrieved
from roost.cache.shared import Common, Shared
from roost.cache.stamps import Stamps
from roost.errors import ProblemError
from roost.journal.connection import Connection
from roost.journal.listener import Heard, Listener

_DEAF: Final = 1.0
"""Seconds without a look at the database after which nothing kept is shown."""


class Sized(Protocol):
    """What can be kept."""

    @property
    def size(self) -> int:
        """Its bytes in memory, roughly."""


T = TypeVar("T", bound=Sized)


@dataclass(eq=False, slots=True)
class _Fill(Generic[T]):
    """A value on its way; `spoilt` once something has touched what it is read from.

    `newest` says that what was heard of is not new enough.
    """

    key: Key
    tables: frozenset[str]
    losses: int
    newest: bool
    task: "asyncio.Task[T] | None" = None
    spoilt: bool = False


@dataclass(frozen=True, slots=True)
class CacheOptions:
    """`limit` is in bytes, 0 for none at all.

    Times are in seconds. Who does not say how new is new enough gets what is not older than
    `fresh_for`: 0 is as new as the database. `patience` is how long a tick is waited for.
    """

    limit: int = 32 * 1024 * 1024
    fresh_for: float = 0.01
    patience: float = 2.0


class Cache(Generic[T]):
    """Values by what was asked. `counts` tells how each was come by."""

    def __init__(
        self,
        listener: Listener,
        acquire: Callable[[], AbstractAsyncContextManager[Connection]],
        relations: Mapping[int, str],
        options: CacheOptions | None = None,
        common: Common[T] | None = None,
    ) -> None:
        """Listen; `relations` gives the names of tables by their ids in the journal.

        `common` is where values are shared with other workers, if they are.
        """
        self.options = options or CacheOptions()
        self.counts: Counter[str] = Counter()
        self.entries: Entries[T] = Entries(self.options.limit)
        self._listener = listener
        self._relations = relations
        self._freshness = Freshness(listener, acquire)
        self._joinable: dict[Key, _Fill[T]] = {}
        self._running: dict[Key, asyncio.Task[T]] = {}
        self._following: dict[Key, asyncio.Task[T]] = {}
        self._under_way: set[_Fill[T]] = set()
        self._losses = listener.ticker.losses
        self._shared: Shared[T] | None = None
        if common is not None:
            stamps = Stamps(listener, relations)
            self._shared = Shared(common, stamps, listener.ticker, acquire)
        listener.subscribe(self._heard)

    async def open(self) -> None:
        """Get ready to share; where that fails, the first who read try again."""
        if self._shared is not None:
            await self._shared.learn()

    async def close(self) -> None:
        """End what is under way between workers."""
        if self._shared is not None:
            await self._shared.close()

    async def answer(
        self,
        asked: tuple[UUID, UUID | None, bytes],
        tables: frozenset[str],
        make: Callable[[], Awaitable[T]],
        after: int | None = None,
    ) -> T:
        """Give what was kept, or what `make` reads from `tables`, for all who ask meanwhile.

        `asked` is the workspace, the user if it is for nobody else, and the request. Whoever
        has had `reach` wait for tick `after` is shown nothing older. What is read from no table is
        not kept.
        """
        if not tables:
            return await make()
        key = Key(*asked)
        if not self._is_on():
            self.counts["off"] += 1
            return await make()
        if after is None and not await self._is_fresh():
            return await asyncio.shield(self._newest(key, tables, make))
        kept = self.entries.get(key)
        if kept is not None:
            self.counts["hit"] += 1
            return kept
        fill = self._joinable.get(key)
        if fill is not None and fill.task is not None:
            self.counts["joined"] += 1
            return await asyncio.shield(fill.task)
        return await asyncio.shield(self._begin(key, tables, make, newest=False))

    async def reach(self, tick: int) -> None:
        """Wait until what is kept is as new as a tick.

        VALIDATION_ERROR when there is no such tick, DATABASE_UNAVAILABLE when that can't be told.
        """
        if tick <= self._listener.applied:
            return
        try:
            async with asyncio.timeout(self.options.patience):
                newest = await self._listener.ticker.covering()
                if tick > newest:
                    raise _unknown(tick, newest)
                await self._listener.reached(tick)
        except TimeoutError:
            message = "ticks can't be read at present"
            raise ProblemError(errors.DATABASE_UNAVAILABLE, message) from None

    async def seen(self, least: int, moment: float | None = None) -> int:
        """Give a tick, not before `least`, that sees what was committed before now, or a moment."""
        tick = least
        with suppress(TimeoutError):
            async with asyncio.timeout(self.options.patience):
                tick = await self._listener.ticker.covering(moment)
        return max(tick, least)

    async def _is_fresh(self) -> bool:
        return self._freshness.age < self.options.fresh_for or await self._freshness.is_current()

    def committed(self, workspace_id: UUID | None) -> None:
        """Be told of a commit of this worker: nothing that was read before it is shown again."""
        if workspace_id is not None:
            self._drop(workspace_id, None)
            if self._shared is not None:
                self._shared.committed(workspace_id)

    def _is_on(self) -> bool:
        ticker = self._listener.ticker
        if ticker.losses != self._losses:
            # What is behind the connection now may not be what was behind it before.
            self._losses = ticker.losses
            self._drop(None, None)
        if not self.options.limit or not ticker.connected:
            return False
        return ticker.age < _DEAF and self._listener.busy_for < _DEAF

    def _begin(
        self,
        key: Key,
        tables: frozenset[str],
        make: Callable[[], Awaitable[T]],
        *,
        newest: bool,
    ) -> "asyncio.Task[T]":
        fill: _Fill[T] = _Fill(key, tables, self._losses, newest)
        fill.task = asyncio.create_task(self._run(fill, make))
        fill.task.add_done_callback(retrieved)
        self._joinable[key] = fill
        self._running[key] = fill.task
        self._under_way.add(fill)
        return fill.task

    def _newest(
        self, key: Key, tables: frozenset[str], make: Callable[[], Awaitable[T]]
    ) -> "asyncio.Task[T]":
        """A read that begins after this call; all who call before it begins share it."""
        running, following = self._running.get(key), self._following.get(key)
        if running is not None and following is not None:
            self.counts["joined"] += 1
            return following
        self.counts["newer"] += 1
        if running is None:
            return self._begin(key, tables, make, newest=True)
        following = asyncio.create_task(self._after(running, key, tables, make))
        following.add_done_callback(retrieved)
        self._following[key] = following
        return following

    async def _after(
        self,
        running: "asyncio.Task[T]",
        key: Key,
        tables: frozenset[str],
        make: Callable[[], Awaitable[T]],
    ) -> T:
        await asyncio.wait([running])
        del self._following[key]
        return await self._begin(key, tables, make, newest=True)

    async def _run(self, fill: _Fill[T], make: Callable[[], Awaitable[T]]) -> T:
        try:
            found = await self._common(fill)
            value = await make() if found is None else found
            if not fill.spoilt and fill.losses == self._listener.ticker.losses:
                self.entries.put(fill.key, value, fill.tables, value.size)
                if found is None and self._shared is not None:
                    self._shared.put(fill.key, value)
            return value
        finally:
            self._under_way.discard(fill)
            self._leave(fill)
            if self._running.get(fill.key) is fill.task:
                del self._running[fill.key]

    async def _common(self, fill: _Fill[T]) -> T | None:
        """Give what another worker has kept, where what was heard of is new enough."""
        if fill.newest:
            return None
        found = await self._shared.get(fill.key, fill.tables) if self._shared else None
        self.counts["miss" if found is None else "shared"] += 1
        return found

    def _leave(self, fill: _Fill[T]) -> None:
        if self._joinable.get(fill.key) is fill:
            del self._joinable[fill.key]

    def _heard(self, heard: Heard) -> None:
        for workspace_id, relations in heard.touched.items():
            names = {self._relations.get(each) for each in relations}
            tables = {name for name in names if name is not None}
            # A table that was attached after this worker has started: whatever it is.
            self._drop(workspace_id, None if None in names else tables)

    def _drop(self, workspace_id: UUID | None, tables: set[str] | None) -> None:
        self.counts["dropped"] += self.entries.drop(workspace_id, tables)
        for fill in self._under_way:
            mine = workspace_id is None or workspace_id == fill.key.workspace_id
            if mine and (tables is None or not fill.tables.isdisjoint(tables)):
                fill.spoilt = True
                self._leave(fill)


def _unknown(tick: int, newest: int) -> ProblemError:
    field = errors.FieldError("Roost-After-Tick", f"is {tick}; the newest tick is {newest}")
    return ProblemError(errors.VALIDATION_ERROR, errors=[field])
