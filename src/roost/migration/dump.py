"""The raw dump on its way in and out: compressed and sealed, with its SHA-256.

It is sealed because it may hold what nobody has recognised as a secret yet.
"""

import asyncio
import hashlib
import zlib
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from roost.db.sealing import SecretBox
from roost.migration.sources import Dump, read_dump

_LEVEL: Final = 1


class Received(msgspec.Struct):
    """The bytes as they came, with what the envelope said of them."""

    raw: bytes
    dump: Dump
    origin: str | None

    def forget(self) -> None:
        """Let go of the bytes, once they are packed: what follows reads them as they are stored."""
        self.raw = b""
        self.dump.keys = {}


class Packed(msgspec.Struct):
    """A dump as it is stored."""

    content: bytes
    sha256: bytes
    size: int


def pack(raw: bytes, box: SecretBox) -> Packed:
    """Compress and seal; the hash is of what came."""
    sealed = box.seal_bytes(zlib.compress(raw, _LEVEL))
    return Packed(sealed, hashlib.sha256(raw).digest(), len(raw))


def unpack(content: bytes, box: SecretBox) -> bytes:
    """The bytes as they came; SecretKeyError when their key is gone."""
    return zlib.decompress(box.open_bytes(content))


def open_envelope(raw: bytes, origin: str | None) -> Received:
    """Read a dump's envelope: which keys there are, and their raw strings. Raises SourceError."""
    dump = read_dump(raw, origin=origin, now=datetime.now(UTC))
    return Received(raw, dump, dump.origin or origin)


async def open_stored(row: Any, box: SecretBox) -> Dump:  # noqa: ANN401 -- a record
    """Read a stored dump again."""

    def read() -> Dump:
        return open_envelope(unpack(row["content"], box), row["origin"]).dump

    return await asyncio.to_thread(read)
