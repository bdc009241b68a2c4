"""What all workers know of a shape: its row, and the later parts of its snapshot."""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from roost.db.pool import Database
from roost.sync.messages import SnapshotId

_INSERT: Final = (
    "insert into sync.shape (handle, identity, relation, snapshot, tick, chunks, workspace_id)"
    " values ($1, $2, $3, $4::text::pg_snapshot, $5, $6, $7)"
)
_FIND: Final = (
    "select identity, snapshot::text as snapshot, tick, chunks from sync.shape"
    " where handle = $1 and retired_at is null"
)
_KNOWN: Final = "select from sync.shape where handle = $1"
_RETIRE: Final = (
    "with gone as ("
    " update sync.shape set retired_at = clock_timestamp()"
    " where ($1::text is null or handle = $1) and ($2::bytea is null or identity = $2)"
    " and workspace_id is not distinct from $3"
    " and retired_at is null returning handle"
    "), parts as (delete from sync.chunk using gone where chunk.handle = gone.handle)"
    " select handle from gone"
)
_RETIRE_ALL: Final = (
    "with parts as (delete from sync.chunk)"
    " update sync.shape set retired_at = clock_timestamp() where retired_at is null"
)
_RETIRED: Final = "select handle from sync.shape where handle = any($1) and retired_at is not null"
_PUT_CHUNK: Final = "insert into sync.chunk (handle, number, body) values ($1, $2, $3)"
_CHUNK: Final = "select body from sync.chunk where handle = $1 and number = $2"
_FINISH: Final = "update sync.shape set chunks = $2 where handle = $1"
_CLEAN: Final = (
    "with gone as ("
    " delete from sync.shape where tick < (select tick from journal.horizon) or"
    " retired_at < clock_timestamp() - interval '1 hour' returning handle"
    "), parts as (delete from sync.chunk using gone where chunk.handle = gone.handle)"
    " select count(*) from gone"
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A shape's row. `chunks` is None while its snapshot is being written."""

    handle: str
    identity: bytes
    snapshot: SnapshotId
    tick: int
    chunks: int | None


class Store:
    """Reads and writes them, a statement at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, stored: Stored, relation: int, snapshot: str, workspace_id: UUID | None
    ) -> None:
        """Make a shape known; `snapshot` is PostgreSQL's own text."""
        given = (stored.handle, stored.identity, relation, snapshot, stored.tick, stored.chunks)
        await self._run(_INSERT, *given, workspace_id)

    async def find(self, handle: str) -> Stored | None:
        """Look a shape up that has not been retired."""
        [row] = await self._run(_FIND, handle) or [None]
        if row is None:
            return None
        snapshot = SnapshotId.of(row["snapshot"])
        return Stored(handle, row["identity"], snapshot, row["tick"], row["chunks"])

    async def was_known(self, handle: str) -> bool:
        """Whether there was such a shape, retired or not."""
        return bool(await self._run(_KNOWN, handle))

    async def retire(
        self, handle: str | None, identity: bytes | None, workspace_id: UUID | None
    ) -> list[str]:
        """End shapes of a tenant, by handle, by definition, or by both; gives the handles."""
        found = await self._run(_RETIRE, handle, identity, workspace_id)
        return [row["handle"] for row in found]

    async def retire_all(self) -> None:
        """End every shape, whoever's."""
        await self._run(_RETIRE_ALL)

    async def retired(self, handles: list[str]) -> list[str]:
        """Those of the handles that somebody has ended."""
        return [row["handle"] for row in await self._run(_RETIRED, handles)]

    async def put_chunk(self, handle: str, number: int, body: bytes) -> None:
        """Keep a part of a snapshot."""
        await self._run(_PUT_CHUNK, handle, number, body)

    async def chunk(self, handle: str, number: int) -> bytes | None:
        """Give a part of a snapshot, if it is there."""
        [row] = await self._run(_CHUNK, handle, number) or [None]
        return None if row is None else bytes(row["body"])

    async def finish(self, handle: str, chunks: int) -> None:
        """Say of how many parts a snapshot is."""
        await self._run(_FINISH, handle, chunks)

    async def clean(self) -> int:
        """Forget shapes that are over, or older than the ticks that are kept; gives how many."""
        [row] = await self._run(_CLEAN)
        return int(row[0])

    async def _run(self, statement: str, *values: object) -> list[Any]:
        async with self._database.connection() as connection:
            rows: list[Any] = await connection.fetch(statement, *values)
        return rows
