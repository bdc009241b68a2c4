"""Numbers in shared memory: one file a worker, written without locks, read by any worker.

Layout: a magic word and the bytes used (unsigned 64 bits each), then records of
`key length, number of values (unsigned 32 bits each), key padded to 8 bytes, values (doubles)`.
A record is complete before `used` covers it, and a value is one aligned word, so a reader never
sees half of either.
"""

import fcntl
import mmap
import os
import secrets
import struct
from collections.abc import Iterator
from pathlib import Path

_MAGIC = b"ROOSTMT1"
_HEADER = struct.Struct("=8sQ")
_RECORD = struct.Struct("=II")
_WORD = 8
SUFFIX = ".cells"


def _padded(length: int) -> int:
    return -(-length // _WORD) * _WORD


class Cells:
    """A growing set of keyed arrays of doubles.

    With a directory the arrays live in a file there, locked for as long as this process lives:
    the lock, not the process id, says whether its writer is alive.
    """

    def __init__(self, directory: Path | None, size: int = 4 << 20) -> None:
        """Make an empty set of at most `size` bytes; pages never touched cost nothing."""
        self.path: Path | None = None
        self._descriptor = -1
        if directory is None:
            self._memory = mmap.mmap(-1, size)
        else:
            self._descriptor, self.path = _create(directory, size)
            self._memory = mmap.mmap(self._descriptor, size)
        self._size = size
        self._used = _HEADER.size
        self._memory[: _HEADER.size] = _HEADER.pack(_MAGIC, self._used)
        self._bytes = memoryview(self._memory)
        self.values = self._bytes.cast("d")

    def room_for(self, key_length: int, count: int) -> bool:
        """Tell whether a record of that size still fits."""
        need = _RECORD.size + _padded(key_length) + count * _WORD
        return self._used + need <= self._size

    def reserve(self, key: bytes, count: int) -> int:
        """Add a record of `count` zeros and return the index of its first in `values`."""
        if not self.room_for(len(key), count):
            message = "the metrics file is full"
            raise MemoryError(message)
        start = self._used
        first = start + _RECORD.size + _padded(len(key))
        self._memory[start : start + _RECORD.size] = _RECORD.pack(len(key), count)
        self._memory[start + _RECORD.size : start + _RECORD.size + len(key)] = key
        self._used = first + count * _WORD
        self._memory[: _HEADER.size] = _HEADER.pack(_MAGIC, self._used)
        return first // _WORD

    def content(self) -> bytes:
        """Return a copy of everything written so far, for `read_records`."""
        return self._memory[: self._used]

    def close(self) -> None:
        """Give up the lock. The file stays: what it counted happened."""
        if self._descriptor >= 0:
            # Unlocked by name: the mapping holds a duplicate of the descriptor, and the lock by it.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1


def _create(directory: Path, size: int) -> tuple[int, Path]:
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{os.getpid()}-{secrets.token_hex(8)}"
    hidden = directory / f"{name}.new"
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(hidden, flags, 0o600)
    # Locked and headed before it has its name: a reader must never take it for a dead worker's.
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.truncate(descriptor, size)
    os.pwrite(descriptor, _HEADER.pack(_MAGIC, _HEADER.size), 0)
    path = directory / f"{name}{SUFFIX}"
    hidden.rename(path)
    return descriptor, path


def read_records(content: bytes) -> Iterator[tuple[bytes, tuple[float, ...]]]:
    """Yield the key and values of every record; a file that is not one of ours yields none."""
    if len(content) < _HEADER.size:
        return
    magic, used = _HEADER.unpack_from(content)
    if magic != _MAGIC or used > len(content):
        return
    position = _HEADER.size
    while position < used:
        length, count = _RECORD.unpack_from(content, position)
        position += _RECORD.size
        key = content[position : position + length]
        position += _padded(length)
        yield key, struct.unpack_from(f"={count}d", content, position)
        position += count * _WORD
