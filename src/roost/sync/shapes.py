"""The shapes that a worker knows: found by handle or by definition, made when there are none."""

import asyncio
import time
from collections import OrderedDict
from typing import Final
from uuid import UUID

from roost.sync.catalog import Relation
from roost.sync.clause.printing import Scope, no_table
from roost.sync.clause.reading import Clause, beside, both, read_where
from roost.sync.definition import (
    Definition,
    accepted,
    chosen_columns,
    read_condition,
)
from roost.sync.dependent import DependentLog
from roost.sync.feed import Feed
from roost.sync.identifiers import quoted
from roost.sync.log import PlainLog
from roost.sync.offsets import Offset
from roost.sync.options import SyncOptions
from roost.sync.publication import Reader, Relations
from roost.sync.refusal import invalid, unavailable
from roost.sync.request import ShapeRequest
from roost.sync.shape import Log, Shape
from roost.sync.snapshot import ChangedError, take
from roost.sync.source import Source
from roost.sync.store import Store, Stored

_TRIES: Final = 5
"""Tables that change faster than they can be read are not followed."""


class Shapes:
    """Finds, makes, keeps and ends them."""

    def __init__(
        self, source: Source, relations: Relations, store: Store, options: SyncOptions
    ) -> None:
        self.relations = relations
        self.life = ""
        self._lives = 0
        self._source = source
        self._store = store
        self._options = options
        self._feeds: dict[UUID | None, Feed] = {}
        self._by_handle: OrderedDict[str, Shape] = OrderedDict()
        self._current: dict[bytes, Shape] = {}
        self._definitions: OrderedDict[tuple[object, ...], Definition] = OrderedDict()
        self._making: dict[bytes, asyncio.Future[Shape]] = {}

    @property
    def all(self) -> list[Shape]:
        """Those in memory."""
        return list(self._by_handle.values())

    def feed(self, workspace_id: UUID | None) -> Feed:
        """The changes of a tenant."""
        if workspace_id not in self._feeds:
            self._feeds[workspace_id] = Feed(self._source, workspace_id)
        return self._feeds[workspace_id]

    @property
    def feeds(self) -> list[Feed]:
        """Those of all tenants that are followed."""
        return list(self._feeds.values())

    async def define(self, request: ShapeRequest, reader: Reader) -> Definition:
        """Say which shape is meant. RefusalError names what is wrong."""
        relation = await self.relations.get(request.table)
        asked = (
            *(reader, relation.oid, relation.signature, request.where, request.columns),
            *(tuple(sorted(request.params.items())), request.full, request.changes_only),
        )
        known = self._definitions.get(asked)
        if known is not None and await self._is_as_it_was(known):
            return known
        definition = await self._define(request, reader, relation)
        self._definitions[asked] = definition
        while len(self._definitions) > self._options.max_shapes:
            self._definitions.popitem(last=False)
        return definition

    def forget(self, definition: Definition) -> None:
        """Look at the tables of a definition anew the next time."""
        for each in (definition.relation, *definition.dependencies):
            self.relations.forget((each.schema, each.name))

    async def _is_as_it_was(self, definition: Definition) -> bool:
        """Whether the tables that the condition reads are the ones that it was read for."""
        for each in definition.dependencies:
            now = await self.relations.get((each.schema, each.name))
            if now.signature != each.signature:
                return False
        return True

    async def _define(
        self, request: ShapeRequest, reader: Reader, relation: Relation
    ) -> Definition:
        published = self.relations.visible(relation)
        columns = chosen_columns(relation, request.columns, published)
        tables = await self.relations.mentioned(request.where, relation)
        clause = await beside(
            request.where, lambda: read_condition(request, relation, published, tables.get)
        )
        owner = self.relations.owner(relation)
        if owner is not None:
            mine = _owned(relation, owner, reader)
            clause = mine if clause is None else both(mine, clause)
        condition = None
        dependencies: tuple[Relation, ...] = ()
        if clause is not None:
            async with self._source.reading(*_of(reader)) as connection:
                condition = await accepted(
                    connection,
                    relation,
                    clause,
                    lambda text: invalid("where", text),
                    self._source.max_cost,
                )
            found = [await self.relations.get(table) for table in clause.tables]
            dependencies = tuple(found)
        return Definition(
            relation,
            columns,
            condition,
            dependencies,
            request.full,
            request.changes_only,
            *_of(reader),
            self.life,
        )

    async def named(
        self, handle: str, definition: Definition, offset: Offset, newest: int
    ) -> Shape | None:
        """The shape of that handle, if it is one of this definition and not over.

        One that is not in memory begins where the client is, or at the newest tick.
        """
        shape = self._by_handle.get(handle)
        if shape is None:
            stored = await self._store.find(handle)
            if stored is None or stored.identity != definition.identity:
                return None
            shape = self._keep(stored, definition)
            shape.begin_at(offset, newest)
        if shape.is_retired or shape.definition.identity != definition.identity:
            return None
        self._use(shape)
        return shape

    async def current(self, definition: Definition) -> Shape:
        """A shape whose first part is at hand: one that is fresh enough, or a new one."""
        shape = self._current.get(definition.identity)
        if shape is not None and self._is_fresh(shape):
            self._use(shape)
            return shape
        making = self._making.get(definition.identity)
        if making is None:
            making = asyncio.ensure_future(self._make(definition))
            self._making[definition.identity] = making
            making.add_done_callback(lambda _: self._making.pop(definition.identity, None))
        return await asyncio.shield(making)

    def _is_fresh(self, shape: Shape) -> bool:
        if shape.is_retired or shape.first is None:
            return False
        age = time.monotonic() - shape.made_at
        return not shape.has_changed or age < self._options.renew_after

    async def _make(self, definition: Definition) -> Shape:
        lives = self._lives
        try:
            taken = await take(definition, self._source, self._store, self._options.chunk_bytes)
        except ChangedError:
            self.forget(definition)
            raise
        if lives != self._lives:
            raise ChangedError
        shape = self._keep(taken.stored, definition)
        shape.first, shape.rest = taken.first, taken.done
        shape.made_at = time.monotonic()
        self._current[definition.identity] = shape
        taken.done.add_done_callback(lambda done: _ended(shape, done))
        return shape

    def _keep(self, stored: Stored, definition: Definition) -> Shape:
        feed = self.feed(definition.workspace_id)
        log: Log = PlainLog(definition, feed, self._source)
        if definition.dependencies:
            log = DependentLog(definition, feed, self._source, stored.snapshot)
        shape = Shape(stored, definition, feed, log)
        self._by_handle[stored.handle] = shape
        self._use(shape)
        self._make_room()
        return shape

    def _use(self, shape: Shape) -> None:
        self._by_handle.move_to_end(shape.handle)

    def _make_room(self) -> None:
        """Let go of what was unused for longest; it is read again when somebody asks for it."""
        kept = sum(shape.bytes for shape in self._by_handle.values())
        for shape in self.all:
            full = len(self._by_handle) > self._options.max_shapes
            if not full and kept <= self._options.kept_bytes:
                return
            if shape.waiting == 0 and shape is not next(reversed(self._by_handle.values())):
                kept -= shape.bytes
                self._drop(shape)

    def _drop(self, shape: Shape) -> None:
        self._by_handle.pop(shape.handle, None)
        if self._current.get(shape.definition.identity) is shape:
            del self._current[shape.definition.identity]

    def end(self, shape: Shape) -> None:
        """End a shape in this worker: its clients begin again."""
        self._drop(shape)
        shape.retire()

    def begin_anew(self, life: str) -> None:
        """End them all, and know nothing of the ticks that were: the database was put back."""
        for shape in self.all:
            self.end(shape)
        self._feeds.clear()
        self._definitions.clear()
        self.life = life
        self._lives += 1

    async def retire(
        self, handle: str | None, identity: bytes | None, workspace_id: UUID | None
    ) -> bool:
        """End a tenant's shapes for all workers; whether there were any."""
        handles = await self._store.retire(handle, identity, workspace_id)
        for each in handles:
            if (shape := self._by_handle.get(each)) is not None:
                self.end(shape)
        return bool(handles)

    async def resolve(self, request: ShapeRequest, reader: Reader) -> tuple[Definition, Shape]:
        """Define a shape and give a fresh one of it, however the table changes meanwhile."""
        for _ in range(_TRIES):
            definition = await self.define(request, reader)
            try:
                return definition, await self.current(definition)
            except ChangedError:
                continue
        message = "the table keeps changing"
        raise unavailable(message)


def _of(reader: Reader) -> tuple[UUID | None, UUID | None]:
    return reader.workspace_id, reader.user_id


def _owned(relation: Relation, column: str, reader: Reader) -> Clause:
    scope = Scope((relation.schema, relation.name), frozenset({column}))
    values = {"1": str(reader.user_id)}
    return read_where(f"{quoted(column)} = $1", scope, values, no_table)


def _ended(shape: Shape, done: asyncio.Task[int]) -> None:
    """A snapshot of which a part is missing is of no use."""
    if not done.cancelled() and done.exception() is not None:
        shape.retire()
