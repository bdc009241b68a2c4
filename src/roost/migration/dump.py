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
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roost.db.sealing import SecretBox, SecretKeyError
from roost.migration.sources import Dump, read_dump

_LEVEL: Final = 1
_PART: Final = 1024 * 1024
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


def unpack(content: bytes, size: int, box: SecretBox) -> bytearray:
    """The `size` bytes as they came; SecretKeyError without their key, or if tampered with."""
    raw = bytearray(size)
    end = 0
    for part in unpack_parts(content, box):
        if end + len(part) > size:
            raise SecretKeyError(_DAMAGED)
        raw[end : end + len(part)] = part
        end += len(part)
    if end != size:
        raise SecretKeyError(_DAMAGED)
    return raw


def unpack_parts(content: bytes, box: SecretBox) -> Iterator[bytes]:
    """The same, a part at a time."""
    if not content.startswith(_FRAMED):
        yield zlib.decompress(box.open_bytes(content))
        return
    at, number, ended, first = len(_FRAMED), 0, False, b""
    while at < len(content):
        if ended or at + _LENGTH.size > len(content):
            raise SecretKeyError(_DAMAGED)
        (size,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        part = zlib.decompress(box.open_bytes(bytes(content[at : at + size])))
        name, place, ended = _PLACE.unpack_from(part)
        first = first or name
        if place != number or name != first:
            raise SecretKeyError(_DAMAGED)
        yield part[_PLACE.size :]
        at, number = at + size, number + 1
    if not ended:
        raise SecretKeyError(_DAMAGED)


def open_envelope(raw: bytes, origin: str | None) -> Received:
    """Check a dump's envelope, and read what it says of itself. Raises SourceError."""
    dump = read_dump(raw, origin=origin, now=datetime.now(UTC), keep=False)
    return Received(raw, dump, dump.origin or origin)


async def open_stored(row: Any, box: SecretBox) -> Dump:  # noqa: ANN401 -- a record
    """Read a stored dump again."""

    def read() -> Dump:
        raw = unpack(row["content"], row["size"], box)
        return read_dump(raw, origin=row["origin"], now=datetime.now(UTC))

    return await asyncio.to_thread(read)
