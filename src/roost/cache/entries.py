"""What is kept: bounded by its bytes, the least recently used goes first."""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar
from uuid import UUID

T = TypeVar("T")
OVERHEAD: Final = 700
"""Bytes that an entry takes beside its value, roughly: key, objects, and places in the tables."""
_SHARE: Final = 8
"""No value may take more than such a part of the whole."""


class Key(NamedTuple):
    """What was read: by whom where it matters, in which workspace, and what was asked for."""

    workspace_id: UUID
    user_id: UUID | None
    asked: bytes


@dataclass(frozen=True, slots=True)
class _Entry(Generic[T]):
    value: T
    tables: frozenset[str]
    size: int


class Entries(Generic[T]):
    """Values by key, and the keys of each workspace."""

    def __init__(self, limit: int) -> None:
        """Keep at most `limit` bytes."""
        self.bytes = 0
        self._limit = limit
        self._kept: OrderedDict[Key, _Entry[T]] = OrderedDict()
        self._keys: dict[UUID, set[Key]] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self._kept)

    def get(self, key: Key) -> T | None:
        """Give a value, and note that it was used."""
        entry = self._kept.get(key)
        if entry is None:
            return None
        self._kept.move_to_end(key)
        return entry.value

    def put(self, key: Key, value: T, tables: frozenset[str], size: int) -> None:
        """Keep a value of so many bytes that was read from `tables`, unless it is too large."""
        self._remove(key)
        size += OVERHEAD + len(key.asked)
        if size > self._limit / _SHARE:
            return
        self._kept[key] = _Entry(value, tables, size)
        self._keys.setdefault(key.workspace_id, set()).add(key)
        self.bytes += size
        while self.bytes > self._limit:
            self._remove(next(iter(self._kept)))

    def drop(self, workspace_id: UUID | None, tables: Collection[str] | None) -> int:
        """Forget what a workspace has of these tables; None is all. Gives how many went."""
        mine = self._kept if workspace_id is None else self._keys.get(workspace_id, ())
        gone = [
            key for key in mine if tables is None or not self._kept[key].tables.isdisjoint(tables)
        ]
        for key in gone:
            self._remove(key)
        return len(gone)

    def _remove(self, key: Key) -> None:
        entry = self._kept.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.size
        keys = self._keys[key.workspace_id]
        keys.discard(key)
        if not keys:
            del self._keys[key.workspace_id]
