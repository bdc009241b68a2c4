"""One shape as a worker has it: its snapshot's first part, and the newest part of its log."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, Protocol

from roost.sync.definition import Definition
from roost.sync.feed import Feed, Transaction
from roost.sync.messages import Entry
from roost.sync.offsets import BEFORE_ALL, LAST_IN_TICK, Offset
from roost.sync.store import Stored

_MOST_BYTES: Final = 4 * 1024 * 1024
"""Of one shape's log in memory; what is older is read again when it is asked for."""


class Log(Protocol):
    """Makes a shape's log entries out of transactions."""

    async def entries(self, transactions: Sequence[Transaction]) -> list[Entry]:
        """The entries that they add, in order; TruncatedError, LayoutError."""


class Shape:
    """A log that any number of clients follow.

    Entries after tick `since`, up to tick `through`, are in memory.
    """

    def __init__(self, stored: Stored, definition: Definition, feed: Feed, log: Log) -> None:
        self.stored = stored
        self.definition = definition
        self.first: bytes | None = None
        self.rest: asyncio.Task[int] | None = None
        self.made_at = 0.0
        self.waiting = 0
        self.is_retired = False
        self.entries: deque[Entry] = deque()
        self.since = self.through = stored.tick
        self.has_changed = False
        self._feed = feed
        self._log = log
        self.relations = frozenset(
            each.journaled for each in (definition.relation, *definition.dependencies)
        )
        self._lock = asyncio.Lock()
        self._news = asyncio.Event()
        self._bytes = 0

    def begin_at(self, offset: Offset, newest: int) -> None:
        """Have in memory what comes after a place, which is at most at tick `newest`.

        For a shape that was made before: its whole log would take ever longer to work out.
        """
        self.since = self.through = max(min(self._position(offset), newest), self.stored.tick)

    @property
    def handle(self) -> str:
        """What clients know it by."""
        return self.stored.handle

    @property
    def bytes(self) -> int:
        """What it has in memory."""
        return self._bytes + len(self.first or b"")

    async def advance(self, tick: int) -> None:
        """Add what has become visible up to `tick`. ForgottenError, TruncatedError, LayoutError."""
        if tick <= self.through:
            return
        async with self._lock:
            if tick <= self.through:
                return
            if self._feed.is_quiet(self.relations, self.through, tick):
                self.through = tick
                return
            entries = await self._between(self.through, tick)
            self.through = tick
            self.entries.extend(entries)
            self._bytes += sum(len(entry.body) for entry in entries)
            self._trim()
        if entries:
            self.has_changed = True
            self.wake()

    def _trim(self) -> None:
        while self._bytes > _MOST_BYTES:
            tick = self.entries[0].offset.tick
            while self.entries and self.entries[0].offset.tick == tick:
                self._bytes -= len(self.entries.popleft().body)
            self.since = tick

    def wake(self) -> None:
        """Tell those who wait."""
        self._news.set()
        self._news = asyncio.Event()

    def retire(self) -> None:
        """End it: whoever asks is told to begin again."""
        self.is_retired = True
        if self.rest is not None:
            self.rest.cancel()
        self.wake()

    async def news(self, seconds: float) -> None:
        """Wait until there may be something, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def after(self, offset: Offset, most: int) -> tuple[list[Entry], bool]:
        """Entries after a place, until one fills `most` bytes; and whether those are all."""
        entries = self.entries
        if self._position(offset) < self.since:
            entries = deque(await self._between(self._position(offset), self.through))
        found: list[Entry] = []
        size = 0
        for entry in entries:
            if entry.offset <= offset:
                continue
            if size >= most:
                return found, False
            found.append(entry)
            size += len(entry.body)
        return found, True

    def _position(self, offset: Offset) -> int:
        """The newest tick of which the client knows everything."""
        if offset == BEFORE_ALL or offset.is_virtual:
            return self.stored.tick
        ends = offset.lsn & LAST_IN_TICK == LAST_IN_TICK
        return max(offset.tick if ends else offset.tick - 1, self.stored.tick)

    async def _between(self, after: int, until: int) -> list[Entry]:
        transactions = await self._feed.transactions(after, until)
        return await self._log.entries([each for each in transactions if self._is_new(each)])

    def _is_new(self, transaction: Transaction) -> bool:
        """Whether the snapshot did not see it: a tick after it may still bring what it saw."""
        return not self.stored.snapshot.sees(transaction.xid)
