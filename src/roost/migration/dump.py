"""The raw dump on its way in and out: compressed and sealed, with its SHA-256.

It is sealed because it may hold what nobody has recognised as a secret yet. It is kept in parts,
so that neither way needs much memory; each part says of which dump it is, which one, and whether
it is the last: parts that were left out, moved, or taken from another dump are noticed.
"""

import asyncio
import hashlib
import os
import struct
import zlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roost.db.sealing import SecretBox, SecretKeyError
from roost.migration import queries
from roost.migration.sources import Dump, read_dump

_LEVEL: Final = 1
_PART: Final = 1024 * 1024
_PIECE: Final = 4 * 1024 * 1024
_FRAMED: Final = b"\x01"
"""What a dump in parts begins with; one in a piece begins with a letter of Base64."""
_LENGTH: Final = struct.Struct(">I")
_PLACE: Final = struct.Struct(">16sQ?")
"""Inside each part: its dump's random name, its number, whether it is the last."""
_DAMAGED: Final = "the stored dump is damaged: a part of it is missing or not in its place"


class Received(msgspec.Struct):
    """The bytes as they came, with what the envelope said of them."""

    raw: bytes
    dump: Dump
    origin: str | None

    def forget(self) -> None:
        """Let go of the bytes, once they are packed: what follows reads them as they are stored."""
        self.raw = b""


class Packed(msgspec.Struct):
    """A dump as it is stored."""

    content: bytes | bytearray
    sha256: bytes
    size: int


def pack(raw: bytes, box: SecretBox) -> Packed:
    """Compress and seal; the hash is of what came."""
    content = bytearray(_FRAMED)
    whole, name = memoryview(raw), os.urandom(16)
    for number, start in enumerate(range(0, max(len(raw), 1), _PART)):
        place = _PLACE.pack(name, number, start + _PART >= len(raw))
        sealed = box.seal_bytes(zlib.compress(place + whole[start : start + _PART], _LEVEL))
        content += _LENGTH.pack(len(sealed)) + sealed
    return Packed(content, hashlib.sha256(raw).digest(), len(raw))


class Unpacker:
    """Puts a dump together again from the pieces in which it is read, wherever they are cut.

    SecretKeyError without its key, or when it was tampered with.
    """

    def __init__(self, size: int, box: SecretBox) -> None:
        """Expect so many bytes, as they came."""
        self._raw = bytearray(size)
        self._box = box
        self._pending = bytearray()
        self._begun = self._ended = False
        self._end = self._number = 0
        self._name = b""

    def feed(self, piece: bytes) -> None:
        """Take the next piece of what was stored."""
        self._pending += piece
        at = 0
        if not self._begun:
            if not self._pending.startswith(_FRAMED):
                return
            self._begun, at = True, len(_FRAMED)
        while at + _LENGTH.size <= len(self._pending):
            (size,) = _LENGTH.unpack_from(self._pending, at)
            end = at + _LENGTH.size + size
            if end > len(self._pending):
                break
            self._part(bytes(self._pending[at + _LENGTH.size : end]))
            at = end
        del self._pending[:at]

    def _part(self, sealed: bytes) -> None:
        part = memoryview(zlib.decompress(self._box.open_bytes(sealed)))
        name, place, is_last = _PLACE.unpack_from(part)
        self._name = self._name or name
        if self._ended or place != self._number or name != self._name:
            raise SecretKeyError(_DAMAGED)
        self._number, self._ended = self._number + 1, is_last
        self._add(part[_PLACE.size :])

    def _add(self, part: memoryview | bytes) -> None:
        if self._end + len(part) > len(self._raw):
            raise SecretKeyError(_DAMAGED)
        self._raw[self._end : self._end + len(part)] = part
        self._end += len(part)

    def finish(self) -> bytearray:
        """Give the bytes as they came, when there are no more pieces."""
        if not self._begun:
            self._add(zlib.decompress(self._box.open_bytes(bytes(self._pending))))
        elif self._pending or not self._ended:
            raise SecretKeyError(_DAMAGED)
        if self._end != len(self._raw):
            raise SecretKeyError(_DAMAGED)
        return self._raw


def open_envelope(raw: bytes, origin: str | None) -> Received:
    """Check a dump's envelope, and read what it says of itself. Raises SourceError."""
    dump = read_dump(raw, origin=origin, now=datetime.now(UTC), keep=False)
    return Received(raw, dump, dump.origin or origin)


async def stored(read: Callable[..., Awaitable[Any]], row: Any, box: SecretBox) -> bytearray:  # noqa: ANN401 -- a record
    """Give the bytes as they came of the dump that a row of `queries.DUMP` tells of.

    `read` runs a statement for whom it belongs to. What is stored is read in pieces, so that it is
    never in memory beside what it becomes.
    """
    unpacker = Unpacker(row["size"], box)
    for after in range(0, row["length"], _PIECE):
        place = {"migration": row["id"], "after": after, "most": _PIECE}
        found = await read(queries.DUMP_PIECE, **place)
        await asyncio.to_thread(unpacker.feed, found["piece"])
    return await asyncio.to_thread(unpacker.finish)
