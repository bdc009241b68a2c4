"""A run's state: folded from the last snapshot and the patches since (RFC 6902)."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import jsonpatch
import msgspec
from msgspec import Raw

from roost.executions.values import hash_of
from roost.history.patches import difference
from roost.web.numbers import read_numbers, write_sorted

_LONG: Final = 64 * 1024
"""Bytes of pieces."""
MOST_DIFFERENCES: Final = 200
"""Places in which two states may differ to be worth a patch; to find one takes their square."""
MOST_PATCHES: Final = 50
"""Steps after which a state is stored whole again, so that no fold is long."""


class _Piece(msgspec.Struct):
    number: int
    value: Raw


def fold(pieces: str) -> bytes | None:
    """Fold a JSON array of pieces, a snapshot first; gives the state's JSON in its one spelling.

    None when there are none: no step had given a state yet.
    """
    found = msgspec.json.decode(pieces, type=list[_Piece])
    if not found:
        return None
    first, *patches = found
    if not patches:
        return bytes(first.value)
    state = read_numbers(first.value)
    for patch in patches:
        state = jsonpatch.apply_patch(state, read_numbers(patch.value), in_place=True)
    return written(state)


async def fold_beside(pieces: str) -> bytes | None:
    """Fold, in a thread when it takes long, so that others are served meanwhile."""
    return fold(pieces) if len(pieces) < _LONG else await asyncio.to_thread(fold, pieces)


def written(state: Any) -> bytes:  # noqa: ANN401 -- any JSON value
    """Write a state in its one spelling."""
    return write_sorted(state)


def differences(old: Any, new: Any, most: int) -> int:  # noqa: ANN401 -- any JSON values
    """Count the places in which two values differ, position by position; stops beyond `most`."""
    if old == new:
        return 0
    if isinstance(old, dict) and isinstance(new, dict):
        found = len(old.keys() ^ new.keys())
        pairs = ((old[name], new[name]) for name in old.keys() & new.keys())
    elif isinstance(old, list) and isinstance(new, list):
        found = abs(len(old) - len(new))
        pairs = ((one, other) for one, other in zip(old, new, strict=False))
    else:
        return 1
    for one, other in pairs:
        if found > most:
            break
        found += differences(one, other, most - found)
    return found


def patch_between(before: bytes, after: bytes) -> bytes | None:
    """Give the patch from one state to the next; None when it is no smaller, or does not fit.

    What it gives is proved: applied to the state before it makes the state after, byte by byte.
    """
    old, new = read_numbers(before), read_numbers(after)
    if differences(old, new, MOST_DIFFERENCES) > MOST_DIFFERENCES:
        return None
    operations = difference(old, new)
    patch = write_sorted(operations)
    if len(patch) * 2 > len(after):
        return None
    made = jsonpatch.apply_patch(old, read_numbers(patch), in_place=True)
    return patch if written(made) == after else None


@dataclass(slots=True)
class Known:
    """The states that this worker has seen last, by their hash: a shortcut to what is stored."""

    limit: int = 32 * 1024 * 1024
    """Bytes of all of them."""
    _states: "OrderedDict[tuple[UUID, str], bytes]" = field(default_factory=OrderedDict)
    _size: int = 0

    def find(self, execution_id: UUID, state_hash: str) -> bytes | None:
        """Give the state of a run that has this hash."""
        return self._states.get((execution_id, state_hash))

    def note(self, execution_id: UUID, state: bytes, before: str | None) -> None:
        """Keep a run's state, in place of the one that had the hash `before`."""
        if before is not None:
            self._size -= len(self._states.pop((execution_id, before), b""))
        key = (execution_id, hash_of(state))
        self._size += len(state) - len(self._states.pop(key, b""))
        self._states[key] = state
        while self._size > self.limit:
            _, gone = self._states.popitem(last=False)
            self._size -= len(gone)
