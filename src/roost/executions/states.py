"""A run's state: folded from the last snapshot and the patches since (RFC 6902)."""

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import jsonpatch
import msgspec
from msgspec import Raw

from roost.executions.values import hash_of
from roost.history.patches import difference

_decode: Final = msgspec.json.Decoder(float_hook=Decimal).decode
_encode: Final = msgspec.json.Encoder(order="sorted", decimal_format="number").encode
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
    state = _decode(first.value)
    for patch in patches:
        state = jsonpatch.apply_patch(state, _decode(patch.value), in_place=True)
    return written(state)


def written(state: Any) -> bytes:  # noqa: ANN401 -- any JSON value
    """Write a state in its one spelling."""
    return _encode(state)


def patch_between(before: bytes, after: bytes) -> bytes | None:
    """Give the patch from one state to the next; None when it is no smaller, or does not fit.

    What it gives is proved: applied to the state before it makes the state after, byte by byte.
    """
    old = _decode(before)
    operations = difference(old, _decode(after))
    patch = _encode(operations)
    if len(patch) * 2 > len(after):
        return None
    made = jsonpatch.apply_patch(old, _decode(patch), in_place=True)
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
