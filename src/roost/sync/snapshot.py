"""A shape's first rows: read in one snapshot, cut into parts."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from roost.sync.catalog import signatures
from roost.sync.definition import Definition
from roost.sync.identifiers import quoted
from roost.sync.messages import SnapshotId, joined, snapshot_end
from roost.sync.refusal import unavailable
from roost.sync.rows import condition_sql, message_sql, parameters_of
from roost.sync.source import Source
from roost.sync.store import Store, Stored

_AT_ONCE: Final = 500
_FACTS: Final = (
    "select pg_current_snapshot()::text as snapshot,"
    " coalesce((select max(id) from journal.tick), 0) as tick"
)


class ChangedError(Exception):
    """The table is not as it was when the shape was defined."""


@dataclass(slots=True)
class Taken:
    """A snapshot in the making: `first` is its first part, and `done` ends with its last."""

    stored: Stored
    first: bytes
    done: asyncio.Task[int]


async def take(definition: Definition, source: Source, store: Store, chunk_bytes: int) -> Taken:
    """Begin to read a shape's rows; returns when the first part is there.

    The rest is written to the store in the background, for whoever asks. ChangedError when the
    table has been altered meanwhile.
    """
    ready: asyncio.Future[tuple[Stored, bytes]] = asyncio.get_running_loop().create_future()
    done = asyncio.create_task(_produce(definition, source, store, chunk_bytes, ready))
    waiting: set[asyncio.Future[Any]] = {ready, done}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        done.result()
    stored, first = ready.result()
    return Taken(stored, first, done)


async def _produce(
    definition: Definition,
    source: Source,
    store: Store,
    chunk_bytes: int,
    ready: asyncio.Future[tuple[Stored, bytes]],
) -> int:
    handle = f"{definition.identity[:8].hex()}-{time.time_ns() // 1000}"
    number = 0
    async with _turn(source), aclosing(_parts(definition, source, chunk_bytes)) as parts:
        async for body, facts, is_last in parts:
            if number == 0:
                snapshot = SnapshotId.of(facts["snapshot"])
                chunks = 1 if is_last else None
                stored = Stored(handle, definition.identity, snapshot, facts["tick"], chunks)
                await store.add(
                    stored, definition.relation.oid, facts["snapshot"], definition.workspace_id
                )
                ready.set_result((stored, body))
            else:
                await store.put_chunk(handle, number, body)
            number += 1
    if number > 1:
        await store.finish(handle, number)
    return number


@asynccontextmanager
async def _turn(source: Source) -> AsyncIterator[None]:
    """Wait for one's turn to read; RefusalError (503) when that takes too long."""
    try:
        async with asyncio.timeout(source.database.config.patience):
            await source.turns.acquire()
    except TimeoutError:
        message = "Too many tables are being read for the first time."
        raise unavailable(message) from None
    try:
        yield
    finally:
        source.turns.release()


async def _parts(
    definition: Definition, source: Source, chunk_bytes: int
) -> AsyncGenerator[tuple[bytes, Any, bool], None]:
    """The parts, each with the snapshot's facts and whether it is the last.

    For the last, which is mostly the only one, the connection has been given back already.
    """
    tables = (definition.relation, *definition.dependencies)
    lock = ", ".join(sorted(each.sql for each in tables))
    try:
        async with source.reading(
            definition.workspace_id, definition.user_id, lock=lock, repeatable=True, shown=True
        ) as connection:
            facts = await connection.fetchrow(_FACTS)
            now = await signatures(connection, [each.oid for each in tables])
            if any(now.get(each.oid) != each.signature for each in tables):
                raise ChangedError
            messages: list[bytes] = []
            size = 0
            async for message in _messages(connection, definition):
                messages.append(message)
                size += len(message)
                if size >= chunk_bytes:
                    yield joined(messages), facts, False
                    messages, size = [], 0
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedColumnError):
        raise ChangedError from None
    messages.append(snapshot_end(SnapshotId.of(facts["snapshot"])))
    yield joined(messages), facts, True


async def _messages(connection: Any, definition: Definition) -> AsyncIterator[bytes]:  # noqa: ANN401 -- asyncpg's
    if definition.changes_only:
        return
    relation = definition.relation
    statement = (
        f"select {message_sql(definition)} from {relation.sql} as {quoted(relation.name)}"  # noqa: S608 -- printed
        f" where {condition_sql(definition, '$1')} and $1::text[] is not null"
    )
    # A cursor's own statement would be a named one, which stays behind on PgBouncer's connections.
    prepared = await connection.prepare(statement)
    async for row in prepared.cursor(parameters_of(definition), prefetch=_AT_ONCE):
        yield row[0].encode()
