"""A stored dump as a stream: read as often as a run needs it, one batch in memory at a time.

The next batch is read in a thread while the database works on this one.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from datetime import datetime
from itertools import islice
from uuid import UUID

import msgspec

from roost.migration import plan
from roost.migration.context import Known
from roost.migration.model import Item, KeyReport
from roost.migration.parse import parse_keys, storable
from roost.migration.sources import Dump
from roost.migration.targets.registry import Targets

HEAVY = 16 * 1024 * 1024
"""Bytes of text from which on a batch is full, however few items it has."""


class Batch(msgspec.Struct):
    """Items in the order of the parse; `start` is the first one's position."""

    start: int
    items: list[Item]

    @property
    def stop(self) -> int:
        """The position after the last one."""
        return self.start + len(self.items)


class Reading:
    """The items of a dump. `keys` are its reports, whole when all of it was read once.

    The same dump gives the same items in the same places at every reading.
    """

    def __init__(self, dump: Dump, owner: UUID, imported_at: datetime, targets: Targets) -> None:
        self.dump = dump
        self.known = Known()
        self.keys: list[KeyReport] = []
        self._owner = owner
        self._imported_at = imported_at
        self._targets = targets

    async def batches(
        self,
        size: int,
        start: int = 0,
        make: Callable[[Item], object] | None = None,
        only: Mapping[str, int] | None = None,
    ) -> AsyncGenerator[Batch, None]:
        """Give the items from position `start` on, at most `size` at once.

        `make` is called with each that has a draft, in the thread and not in the loop. `only` are
        the keys to read, with the position that each one's first item is known to have.
        """
        parts = self._parts(size, start, make, only)
        coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
        try:
            while (batch := await coming) is not None:
                coming = asyncio.create_task(asyncio.to_thread(next, parts, None))
                yield batch
        finally:
            # A generator that runs in a thread can't be closed: it is waited for.
            await asyncio.wait([coming])
            parts.close()

    def _parts(
        self,
        size: int,
        start: int,
        make: Callable[[Item], object] | None,
        only: Mapping[str, int] | None,
    ) -> Generator[Batch, None, None]:
        items = self._items(only)
        part, weight = Batch(start, []), 0
        for position, item in islice(items, start, None):
            if position != part.stop:
                if part.items:
                    yield part
                part, weight = Batch(position, []), 0
            part.items.append(item)
            weight += _weight(item)
            if make is not None and item.draft is not None:
                make(item)
            if len(part.items) >= size or weight >= HEAVY:
                yield part
                part, weight = Batch(part.stop, []), 0
        if part.items:
            yield part

    def _items(self, only: Mapping[str, int] | None) -> Iterator[tuple[int, Item]]:
        keys: list[KeyReport] = []
        position = 0
        texts = self.dump.keys
        if only is not None:
            texts = {key: raw for key, raw in texts.items() if storable(key) in only}
        found = parse_keys(texts, self._owner, self._imported_at, self.known)
        for report, items in found:
            if only is not None:
                position = only[report.key]
            for item in items:
                plan.prepare(item, position, self._owner, self._targets)
                yield position, item
                position += 1
            keys.append(report)
        if only is None:
            self.keys = keys


def _weight(item: Item) -> int:
    """About how many bytes an item's row has."""
    draft = item.draft
    total = len(item.raw or b"")
    total += len(getattr(draft, "raw", "")) + len(getattr(draft, "description", ""))
    return total + sum(len(each.payload) for each in getattr(draft, "messages", ()))
