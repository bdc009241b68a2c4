"""The log of a shape whose condition reads other tables: rows come and go when those change.

For each tick the condition is looked at twice, on the tables as they were before it and after it.
Both moments are told from one transaction's snapshot and the journal, so nothing that is committed
meanwhile gets between; and they are the same for every worker.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from roost.journal.entry import Entry as Changed
from roost.journal.net import net
from roost.sync.catalog import Relation
from roost.sync.clause.printing import TableName
from roost.sync.definition import Condition, Definition
from roost.sync.feed import Feed, Transaction
from roost.sync.identifiers import quoted
from roost.sync.log import TruncatedError
from roost.sync.matching import fitted, rows_of, same_row, values_of
from roost.sync.messages import Entry, SnapshotId, Values, Writer, numbered
from roost.sync.source import Source
from roost.sync.states import Present, Sees, Undone
from roost.sync.texts import Texts, texts_of

_GONE: Final = "roost_gone"
_TICKS: Final = (
    "select id, snapshot::text as snapshot,"
    " (select max(p.id) from journal.tick p where p.id < tick.id) as before"
    " from journal.tick where id = any($1::bigint[])"
)
_SNAPSHOTS: Final = (
    "select id, snapshot::text as snapshot from journal.tick where id = any($1::bigint[])"
)


class DependentLog:
    """Makes the log entries of such a shape."""

    def __init__(
        self, definition: Definition, feed: Feed, source: Source, snapshot: SnapshotId
    ) -> None:
        assert definition.condition is not None  # noqa: S101 -- what has no condition depends on nothing
        self._definition = definition
        self._relation = definition.relation
        self._condition: Condition = definition.condition
        self._writer = Writer(definition)
        self._feed = feed
        self._source = source
        self._snapshot = snapshot
        self._tables = {(each.schema, each.name): each for each in definition.dependencies}

    async def entries(self, transactions: Sequence[Transaction]) -> list[Entry]:
        """The entries that they add, in order. TruncatedError, LayoutError."""
        mine = [each for each in transactions if self._touches(each)]
        if not mine:
            return []
        if any(change.entry.op == "T" for each in mine for change in each.changes):
            raise TruncatedError
        entries: list[Entry] = []
        definition = self._definition
        async with self._source.reading(
            definition.workspace_id, definition.user_id, repeatable=True, shown=True
        ) as connection:
            moments = await self._moments(connection, sorted({each.tick for each in mine}))
            first = min(before for before, _, _ in moments.values())
            present = await Present.read(
                connection, first, definition.workspace_id, self._feed.layouts
            )
            for tick, group in groupby(mine, key=lambda each: each.tick):
                _, before, after = moments[tick]
                entries += await self._of_a_tick(connection, present, (before, after), list(group))
        return entries

    def _touches(self, transaction: Transaction) -> bool:
        relations = {self._relation.journaled, *(each.journaled for each in self._tables.values())}
        return any(change.entry.relation in relations for change in transaction.changes)

    async def _moments(
        self,
        connection: Any,  # noqa: ANN401 -- asyncpg's
        ticks: Sequence[int],
    ) -> Mapping[int, tuple[int, Sees, Sees]]:
        """For each tick: the one before it, and what was seen before and after it."""
        rows = await connection.fetch(_TICKS, ticks)
        before = [row["before"] for row in rows if row["before"] is not None]
        known = {row["id"]: row["snapshot"] for row in await connection.fetch(_SNAPSHOTS, before)}
        return {
            row["id"]: (
                row["before"] or 0,
                self._sees(known.get(row["before"])),
                self._sees(row["snapshot"]),
            )
            for row in rows
        }

    def _sees(self, snapshot: str | None) -> Sees:
        """What a tick sees, or the shape's own snapshot saw."""
        if snapshot is None:
            return self._snapshot.sees
        tick = SnapshotId.of(snapshot)
        return lambda xid: tick.sees(xid) or self._snapshot.sees(xid)

    async def _of_a_tick(
        self,
        connection: Any,  # noqa: ANN401 -- asyncpg's
        present: Present,
        moments: tuple[Sees, Sees],
        transactions: Sequence[Transaction],
    ) -> list[Entry]:
        changed = self._changed(transactions)
        before, after = (self._at(present, sees) for sees in moments)
        was = await self._within(connection, before, [old for old, _, _ in changed if old])
        stays = await self._within(connection, after, [new for _, new, _ in changed if new])
        texts = await texts_of(connection, self._relation, was | stays)
        messages: dict[int, list[tuple[int, dict[str, Any]]]] = {}
        places = _Places(transactions)
        for old, new, last in changed:
            for message in self._messages(
                old if old in was else None, new if new in stays else None, texts
            ):
                messages.setdefault(last, []).append((places.of_row(last), message))
        if self._moves(transactions):
            last = places.last_of(each.journaled for each in self._tables.values())
            touched = [image for old, new, _ in changed for image in (new or old,) if image]
            moved = await self._moved(
                connection, before, after, present.undone(self._relation, moments[1]), touched
            )
            texts = await texts_of(connection, self._relation, [image for image, _ in moved])
            for image, came in moved:
                for message in self._messages(
                    None if came else image, image if came else None, texts
                ):
                    messages.setdefault(last, []).append((places.of_row(last), message))
        return [
            entry
            for each in transactions
            if each.xid in messages
            for entry in numbered(messages[each.xid], each.xid, each.lsn)
        ]

    def _changed(
        self, transactions: Sequence[Transaction]
    ) -> list[tuple[str | None, str | None, int]]:
        """The shape's own rows that changed: before, after, and who changed them last."""
        chains: dict[str, list[tuple[int, list[Changed]]]] = {}
        for transaction in transactions:
            mine: dict[str, list[Changed]] = {}
            for change in transaction.changes:
                entry = change.entry
                if entry.relation == self._relation.journaled and entry.row_id is not None:
                    mine.setdefault(entry.row_id, []).append(entry)
            for row_id, chain in mine.items():
                chains.setdefault(row_id, []).append((transaction.xid, chain))
        found = []
        for several in chains.values():
            (_, first), (xid, last) = several[0], several[-1]
            old, new = net(first)[0], net(last)[1]
            found.append((self._fitted(first[0], old), self._fitted(last[-1], new), xid))
        return found

    def _fitted(self, entry: Changed, image: str | None) -> str | None:
        layout = self._feed.layouts[entry.layout]
        return None if image is None else fitted(self._relation, layout, image)

    def _at(self, present: Present, sees: Sees) -> dict[TableName, Undone]:
        return {name: present.undone(each, sees) for name, each in self._tables.items()}

    def _moves(self, transactions: Sequence[Transaction]) -> bool:
        """Whether the tables that the condition reads have changed."""
        read = {each.journaled for each in self._tables.values()}
        return any(
            change.entry.relation in read for each in transactions for change in each.changes
        )

    async def _within(
        self,
        connection: Any,  # noqa: ANN401 -- asyncpg's
        tables: Mapping[TableName, Undone],
        images: Sequence[str],
    ) -> frozenset[str]:
        """Those of the images that the condition holds for, at a moment."""
        distinct = list(dict.fromkeys(images))
        if not distinct:
            return frozenset()
        values: list[Any] = [distinct, self._condition.values]
        condition = self._condition_sql(tables, values)
        rows = await connection.fetch(
            f"select roost_image.n from {rows_of(self._relation, '$1')}"  # noqa: S608 -- printed
            f" where {condition} and $2::text[] is not null",
            *values,
        )
        return frozenset(distinct[row["n"] - 1] for row in rows)

    def _condition_sql(self, tables: Mapping[TableName, Undone], values: list[Any]) -> str:
        """The condition at a moment; what it needs is added to the statement's values."""

        def table(name: TableName) -> str:
            return self._source_sql(tables[name], self._tables[name], values)

        return self._condition.sql("$2", table)

    async def _moved(
        self,
        connection: Any,  # noqa: ANN401 -- asyncpg's
        before: Mapping[TableName, Undone],
        after: Mapping[TableName, Undone],
        rest: Undone,
        touched: Sequence[str],
    ) -> list[tuple[str, bool]]:
        """Rows that are as they were, and come into the shape (true) or leave it.

        `rest` has the shape's own table as it is after the tick; `touched` did change.
        """
        relation, name = self._relation, quoted(self._relation.name)
        values: list[Any] = [list(touched), self._condition.values]
        then = self._condition_sql(before, values)
        now = self._condition_sql(after, values)
        rows = await connection.fetch(
            f"select {name}::text as image, ({now}) is true as came"  # noqa: S608 -- printed
            f" from {self._source_sql(rest, relation, values)} as {name}"
            f" where (({now}) is true) <> (({then}) is true) and $2::text[] is not null"
            f" and not exists (select from {rows_of(relation, '$1', _GONE)}"
            f" where {same_row(relation, _GONE, name)})",
            *values,
        )
        # In an order of their own: every worker gives each message the same place.
        return sorted((row["image"], row["came"]) for row in rows)

    @staticmethod
    def _source_sql(undone: Undone, relation: Relation, values: list[Any]) -> str:
        if not undone.changed:
            return relation.sql
        values.extend([undone.changed, undone.earlier])
        return undone.sql(relation, (f"${len(values) - 1}", f"${len(values)}"))

    def _messages(self, old: str | None, new: str | None, texts: Texts) -> list[dict[str, Any]]:
        return self._writer.messages(
            *(None if image is None else self._row(image, texts) for image in (old, new))
        )

    def _row(self, image: str, texts: Texts) -> Values:
        return {**values_of(self._relation, image), **texts.get(image, {})}


class _Places:
    """Where in their transactions the messages of a tick go."""

    def __init__(self, transactions: Sequence[Transaction]) -> None:
        self._transactions = transactions
        self._next: dict[int, int] = {}

    def of_row(self, xid: int) -> int:
        """The next place in a transaction."""
        place = self._next.get(xid, 0)
        self._next[xid] = place + 2
        return place

    def last_of(self, relations: Iterable[int | None]) -> int:
        """The last transaction that changed one of these tables."""
        wanted = set(relations)
        return [
            each.xid
            for each in self._transactions
            if any(change.entry.relation in wanted for change in each.changes)
        ][-1]
