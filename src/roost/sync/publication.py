"""Which tables may be followed, by whom, and as what."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol
from uuid import UUID

from roost.sync.catalog import Relation, find_relation, signatures
from roost.sync.clause.printing import Scope, TableName
from roost.sync.clause.reading import beside, tables_in
from roost.sync.identifiers import DEFAULT_SCHEMA
from roost.sync.refusal import RefusalError, invalid, must_refetch
from roost.sync.source import Source

_JUST_GONE: Final = 2.0
"""Seconds for which a table that was followed is not said to be unknown."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Who follows: the tenant and the user whose rows these may be; None where there are none."""

    workspace_id: UUID | None = None
    user_id: UUID | None = None


ANYBODY = Reader()


@dataclass(frozen=True, slots=True)
class Published:
    """A table that may be followed: its visible columns, all when there are none.

    `owner` is the column that says whose a row is, where each may see their own only. `stored_as`
    is the table's name in the database, where that is another.
    """

    columns: frozenset[str] = frozenset()
    permission: str = ""
    owner: str | None = None
    stored_as: str | None = None


class Publication(Protocol):
    """Says what is published."""

    def published(self, table: TableName) -> Published | None:
        """How a table may be followed; None when it may not."""

    async def prepare(self, relation: Relation) -> bool:
        """See to it that the table's changes are journaled; whether anything had to be done."""


class FixedPublication:
    """Tables that were put under the journal by whoever made them."""

    def __init__(self, tables: Mapping[str, Published]) -> None:
        self._tables = tables

    def published(self, table: TableName) -> Published | None:
        """As it was said when the server was put together."""
        return self._tables.get(table[1]) if table[0] == DEFAULT_SCHEMA else None

    async def prepare(self, relation: Relation) -> bool:
        """Nothing to do: a table that is not journaled is a fault of ours."""
        if relation.journaled is None:
            message = f"{relation.sql} is published and not journaled"
            raise RuntimeError(message)
        return False


class Relations:
    """Tables as they are now: looked at again when anything in the database has changed."""

    def __init__(self, source: Source, publication: Publication, fresh_for: float) -> None:
        self._source = source
        self._publication = publication
        self._fresh_for = fresh_for
        self._known: dict[TableName, tuple[Relation, float]] = {}
        self._left: dict[TableName, float] = {}

    def forget(self, table: TableName) -> None:
        """Look at a table anew the next time."""
        if self._known.pop(table, None) is not None:
            now = time.monotonic()
            self._left = {name: at for name, at in self._left.items() if now - at < _JUST_GONE}
            self._left[table] = now

    async def refresh(self) -> set[int]:
        """Look whether tables have changed; gives the oids of those that have."""
        known = dict(self._known)
        if not known:
            return set()
        oids = [relation.oid for relation, _ in known.values()]
        async with self._source.database.connection() as connection:
            now = await signatures(connection, oids)
        stale = set()
        for table, (relation, _) in known.items():
            if now.get(relation.oid) != relation.signature:
                self.forget(table)
                stale.add(relation.oid)
            elif table in self._known:
                self._known[table] = (relation, time.monotonic())
        return stale

    async def get(self, table: TableName) -> Relation:
        """A published table. RefusalError when there is none."""
        known = self._known.get(table)
        if known is None or time.monotonic() - known[1] > self._fresh_for:
            relation = await self._find(table)
            known = self._known[table] = (relation, time.monotonic())
        return known[0]

    async def _find(self, table: TableName) -> Relation:
        if self._publication.published(table) is None:
            raise missing(table)
        relation = await self._look(table)
        if relation is not None and await self._publication.prepare(relation):
            relation = await self._look(table)
        if relation is None and time.monotonic() - self._left.get(table, -_JUST_GONE) < _JUST_GONE:
            # It is being dropped, or made anew: those who follow it begin again, or are told later.
            raise must_refetch()
        if relation is None:
            raise missing(table)
        return relation

    async def _look(self, table: TableName) -> Relation | None:
        schema, name = table
        published = self._publication.published(table) or Published()
        async with self._source.database.connection() as connection:
            found = await find_relation(connection, schema, published.stored_as or name)
        if found is None or published.stored_as is None:
            return found
        return replace(found, name=name, stored_as=published.stored_as)

    async def mentioned(self, where: str | None, relation: Relation) -> dict[TableName, Scope]:
        """The tables that a condition's sub-queries may read, of those that it mentions.

        Rows that are somebody's own are in none: whose they are depends on who asks. Neither is a
        table that has another name in the database, where a condition is written out.
        """
        found: dict[TableName, Scope] = {}
        for table in await beside(where, lambda: tables_in(where or "")):
            published = self._publication.published(table)
            if published is None or published.owner or published.stored_as:
                continue
            if table == (relation.schema, relation.name):
                continue
            found[table] = self.scope(await self.get(table))
        return found

    def visible(self, relation: Relation) -> frozenset[str]:
        """The columns that may be named: what no row holds (virtual ones) can't be followed."""
        published = self._publication.published((relation.schema, relation.name)) or Published()
        present = {each.name for each in relation.columns if not each.is_virtual}
        return frozenset(present & published.columns if published.columns else present)

    def owner(self, relation: Relation) -> str | None:
        """The column that says whose a row is, where only its owner may see it."""
        published = self._publication.published((relation.schema, relation.name))
        return None if published is None else published.owner

    def scope(self, relation: Relation) -> Scope:
        """What a clause may name of a table."""
        return Scope((relation.schema, relation.name), self.visible(relation))


def missing(table: TableName) -> RefusalError:
    """400: there is no such table, as far as the client may know."""
    name = ".".join('"' + part.replace('"', '""') + '"' for part in table)
    return invalid(
        "table",
        f"Table {name} does not exist. If the table name contains capitals or special characters"
        " you must quote it.",
    )
