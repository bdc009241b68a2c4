"""What a tenant's transactions mean to one shape."""

from collections.abc import Sequence
from typing import Any

from roost.journal.entry import Entry as Changed
from roost.journal.entry import Layout
from roost.sync.definition import Definition
from roost.sync.feed import Change, Feed, Transaction
from roost.sync.matching import fitted, matching
from roost.sync.messages import Entry, Values, Writer, numbered
from roost.sync.source import Source
from roost.sync.texts import Texts, texts_of


class TruncatedError(Exception):
    """The table was emptied at one go: the shape's log ends."""


class PlainLog:
    """Makes the log entries of a shape whose condition looks at the row alone."""

    def __init__(self, definition: Definition, feed: Feed, source: Source) -> None:
        self._definition = definition
        self._relation = definition.relation
        self._writer = Writer(definition)
        self._feed = feed
        self._source = source

    async def entries(self, transactions: Sequence[Transaction]) -> list[Entry]:
        """The entries that they add, in order. TruncatedError, LayoutError."""
        mine = [
            (each, changes)
            for each in transactions
            if (changes := [change for change in each.changes if self._is_mine(change)])
        ]
        if not mine:
            return []
        if any(change.entry.op == "T" for _, changes in mine for change in changes):
            raise TruncatedError
        within, texts = await self._within([c.entry for _, changes in mine for c in changes])
        entries: list[Entry] = []
        for transaction, changes in mine:
            messages = [
                (2 * change.place + at, message)
                for change in changes
                for at, message in enumerate(self._messages(change.entry, within, texts))
            ]
            entries += numbered(messages, transaction.xid, transaction.lsn)
        return entries

    def _is_mine(self, change: Change) -> bool:
        return change.entry.relation == self._relation.journaled

    async def _within(self, changed: Sequence[Changed]) -> tuple[frozenset[str], Texts]:
        """The images that are rows of the shape, and what reads otherwise in them."""
        images = [image for each in changed for image in self._images(each) if image is not None]
        relation, condition = self._relation, self._definition.condition
        if condition is None and not relation.deep_intervals:
            return frozenset(images), {}
        async with self._source.reading(None, shown=True) as connection:
            within = await matching(connection, relation, condition, images)
            return within, await texts_of(connection, relation, within)

    def _images(self, entry: Changed) -> tuple[str | None, str | None]:
        layout = self._layout(entry)
        old, new = entry.old, entry.new
        return (
            None if old is None else fitted(self._relation, layout, old),
            None if new is None else fitted(self._relation, layout, new),
        )

    def _layout(self, entry: Changed) -> Layout:
        return self._feed.layouts[entry.layout]

    def _messages(
        self, entry: Changed, within: frozenset[str], texts: Texts
    ) -> list[dict[str, Any]]:
        old, new = self._images(entry)
        return self._writer.messages(
            self._values(entry, entry.old, texts.get(old or "")) if old in within else None,
            self._values(entry, entry.new, texts.get(new or "")) if new in within else None,
        )

    def _values(self, entry: Changed, image: str | None, texts: Values | None) -> Values:
        values = self._layout(entry).values(image or "()")
        return values if texts is None else {**values, **texts}
