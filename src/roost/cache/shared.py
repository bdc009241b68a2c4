"""What workers keep for each other, in Redis or Valkey, under the stamps of `stamps`.

A value's stamp is the newest tick that its keeper had heard of when nothing had touched what it
was read from. So it is good for whoever has heard of nothing later that touches that.
"""

import asyncio
import hashlib
import struct
from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar
from uuid import UUID

import asyncpg

from roost import __version__
from roost.cache.entries import Key
from roost.cache.stamps import Stamps
from roost.db.faults import DatabaseError
from roost.db.pool import LOST
from roost.journal.connection import Connection
from roost.journal.ticker import Ticker

if TYPE_CHECKING:
    from roost.redis.client import SharedRedis

_PREFIX: Final = "roost:cache:"
_SECONDS: Final = 600
"""How long a value is kept that nobody replaces."""
_LARGEST: Final = 1 << 20
_AT_ONCE: Final = 32
"""Values on their way to Redis; what is more is kept here alone."""
_STAMP: Final = struct.Struct(">q")
_EPOCH: Final = """
select concat_ws('/', (select system_identifier from pg_control_system()),
  extract(epoch from pg_postmaster_start_time()),
  (select oid from pg_database where datname = current_database()),
  'journal.tick'::regclass::oid, pg_relation_filenode('journal.tick'))
"""
"""Another one after whatever may have put the ticks back: a restart, a dump that was restored."""

T = TypeVar("T")


class Codec(Protocol[T]):
    """How values are written down."""

    def encode(self, value: T) -> bytes:
        """Write one down."""

    def decode(self, content: bytes) -> T:
        """Read it; ValueError when it is none."""


@dataclass(frozen=True, slots=True)
class Common(Generic[T]):
    """Where values are shared, and how they are written down."""

    redis: "SharedRedis"
    codec: Codec[T]


class Shared(Generic[T]):
    """Asks for what others keep, and gives them what is kept here; nobody waits long for it."""

    def __init__(
        self,
        common: Common[T],
        stamps: Stamps,
        ticker: Ticker,
        acquire: Callable[[], AbstractAsyncContextManager[Connection]],
    ) -> None:
        """Take what gives a connection: values of one database are not another's."""
        self._redis, self._codec = common.redis, common.codec
        self._stamps = stamps
        self._ticker = ticker
        self._acquire = acquire
        self._epoch: str | None = None
        self._losses = -1
        self._learning: asyncio.Task[None] | None = None
        self._giving: set[asyncio.Task[None]] = set()

    async def learn(self) -> None:
        """Find out which database this is; what was heard before is nothing to go by."""
        losses = self._ticker.losses
        try:
            async with self._acquire() as connection:
                found = await connection.fetchval(_EPOCH)
        except (DatabaseError, asyncpg.PostgresError, *LOST):
            return
        self._stamps.begin()
        self._epoch, self._losses = f"{__version__}/{found}", losses

    def committed(self, workspace_id: UUID) -> None:
        """Be told of a commit of this worker in a workspace."""
        self._stamps.committed(workspace_id)

    async def get(self, key: Key, tables: Collection[str]) -> T | None:
        """Give what is kept if nothing that was heard of has touched it since."""
        name = self._name(key)
        least = self._stamps.least(key.workspace_id, tables)
        if name is None or least is None:
            return None
        found = await self._redis.ask(lambda redis: redis.get(name))
        if not isinstance(found, bytes) or len(found) < _STAMP.size:
            return None
        if not least <= _STAMP.unpack_from(found)[0] <= self._ticker.latest:
            return None
        try:
            return self._codec.decode(found[_STAMP.size :])
        except ValueError:
            return None

    def put(self, key: Key, value: T) -> None:
        """Keep for others what is kept here as of now; it goes there in the background."""
        name, stamp = self._name(key), self._stamps.now
        # Newer than the newest tick: the database was put back, and not everybody knows yet.
        if name is None or stamp > self._ticker.latest or len(self._giving) >= _AT_ONCE:
            return
        content = _STAMP.pack(stamp) + self._codec.encode(value)
        if len(content) > _LARGEST:
            return
        task = asyncio.create_task(self._give(name, content))
        self._giving.add(task)
        task.add_done_callback(self._giving.discard)

    async def close(self) -> None:
        """End what is under way."""
        tasks = [*self._giving, *([self._learning] if self._learning else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _give(self, name: str, content: bytes) -> None:
        await self._redis.ask(lambda redis: redis.set(name, content, ex=_SECONDS))

    def _name(self, key: Key) -> str | None:
        """The key in Redis; None while it is not known which database this is."""
        if self._losses != self._ticker.losses or self._epoch is None:
            if self._learning is None or self._learning.done():
                self._learning = asyncio.create_task(self.learn())
            return None
        whose = f"{self._epoch}/{key.workspace_id}/{key.user_id}/".encode()
        return _PREFIX + hashlib.sha256(whose + key.asked).hexdigest()
