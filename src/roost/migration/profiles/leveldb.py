"""A copied LevelDB's records as the database has them: the newest of each key, deleted ones gone.

`chromium-reader` takes blocks, batches and version edits apart. What it leaves to its caller is
done here: which files count (the manifest's; others may hold what was deleted since), checksums,
logs that break off, and which record of a key is the newest.
"""

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
from chromium_reader.leveldb import KeyState, LdbFile, LogFile, Record, VersionEdit

from roost.migration.profiles.checksums import masked_crc, sound_entries
from roost.migration.profiles.storage import ProfileError

_TRAILER: Final = 8
"""Bytes of sequence number and kind behind each key of a table."""
_COMPARATOR: Final = "leveldb.BytewiseComparator"
_LOG_NAME: Final = re.compile(r"([0-9]{6,})\.log\Z")
_MANIFEST_NAME: Final = re.compile(r"MANIFEST-[0-9]{6,}\Z")
#: What the library raises for bytes that are no table.
_BROKEN: Final = (ValueError, IndexError, struct.error, OSError)


class Contents(msgspec.Struct):
    """The newest record of each key, what was damaged, and what is worth a word."""

    newest: dict[bytes, Record] = msgspec.field(default_factory=dict)
    damage: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def live(self) -> Iterator[Record]:
        """The records that have not been deleted."""
        return (each for each in self.newest.values() if each.state is not KeyState.DELETED)

    def take(self, record: Record) -> None:
        """Keep a record if it is the newest of its key."""
        earlier = self.newest.get(record.user_key)
        if earlier is None or earlier.seq < record.seq:
            self.newest[record.user_key] = record


def read(folder: Path, prefixes: tuple[bytes, ...] = ()) -> Contents:
    """Read the keys that begin with one of `prefixes`, or all. ProfileError when it is none."""
    contents = Contents()
    tables, logs = _files(folder, contents)
    for number in tables:
        _read_table(folder, number, prefixes, contents)
    for log in logs:
        _read_log(log, prefixes, contents)
    return contents


def _files(folder: Path, contents: Contents) -> tuple[list[int], list[Path]]:
    """The numbers of the tables and the logs that make the database's present state."""
    tables: set[int] = set()
    first_log, earlier_log = 0, 0
    for edit in _edits(folder, contents):
        if edit.comparator not in (None, _COMPARATOR):
            message = f"The profile's database is of another kind ({edit.comparator!r})."
            raise ProfileError(message)
        tables.difference_update(number for _, number in edit.deleted_files)
        tables.update(each.file_no for each in edit.new_files)
        first_log = first_log if edit.log_number is None else edit.log_number
        earlier_log = earlier_log if edit.prev_log_number is None else edit.prev_log_number
    logs = []
    for path in sorted(folder.iterdir()):
        match = _LOG_NAME.match(path.name)
        if match and (int(match[1]) >= first_log or int(match[1]) == earlier_log):
            logs.append(path)
    return sorted(tables), logs


def _edits(folder: Path, contents: Contents) -> list[VersionEdit]:
    try:
        name = (folder / "CURRENT").read_text("ascii").strip()
        manifest = (folder / name).read_bytes() if _MANIFEST_NAME.match(name) else None
    except (OSError, ValueError):
        manifest = None
    if manifest is None:
        message = "The profile's storage has no manifest: it is damaged, or of an unknown format."
        raise ProfileError(message)
    sound = sound_entries(manifest)
    if sound.damaged_at is not None:
        contents.damage.append(f"{name} is damaged at byte {sound.damaged_at}")
    try:
        return [VersionEdit.from_buffer(entry) for entry in sound.entries]
    except _BROKEN as error:
        message = f"The profile's {name} is damaged, or of an unknown format: {error}"
        raise ProfileError(message) from error


def _read_table(folder: Path, number: int, prefixes: tuple[bytes, ...], contents: Contents) -> None:
    path = folder / f"{number:06d}.ldb"
    if not path.exists():
        path = path.with_suffix(".sst")
    try:
        table = _Table(path)
    except _BROKEN as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged: {error}"
        contents.damage.append(f"{number:06d}.ldb {why}")
        return
    try:
        for record in table.records(prefixes, contents.damage):
            contents.take(record)
    finally:
        table.close()


def _read_log(path: Path, prefixes: tuple[bytes, ...], contents: Contents) -> None:
    """Read a log's whole batches; the rest is cut off the copy, for the library checks nothing."""
    data = path.read_bytes()
    sound = sound_entries(data)
    if sound.damaged_at is not None:
        contents.damage.append(f"{path.name} is damaged at byte {sound.damaged_at}")
    elif sound.torn:
        contents.notes.append(
            f"{path.name} ends within a write that was not finished; browsers drop such a write"
        )
    path.write_bytes(data[: sound.length])
    log = LogFile(path)
    try:
        for record in log:
            if not prefixes or record.user_key.startswith(prefixes):
                contents.take(record)
    except _BROKEN as error:
        contents.damage.append(f"{path.name} is damaged: {error}")
    finally:
        log.close()


class _Table(LdbFile):
    """A table whose checksums are compared, and whose damaged blocks do not hide the others."""

    def __init__(self, path: Path) -> None:
        try:
            super().__init__(path)
        except _BROKEN:
            if hasattr(self, "_f"):
                self._f.close()
            raise

    def records(self, prefixes: tuple[bytes, ...], damage: list[str]) -> Iterator[Record]:
        """Read the blocks that may hold keys with one of the prefixes."""
        before = b""
        for last, handle in self._index:
            low, before = before, last[:-_TRAILER]
            if prefixes and not any(_overlap(low, before, prefix) for prefix in prefixes):
                continue
            try:
                yield from [
                    Record.ldb_record(
                        entry.key, entry.value, self.path, handle.offset, was_compressed=False
                    )
                    for entry in self._read_block(handle)
                    if not prefixes or entry.key.startswith(prefixes)
                ]
            except _BROKEN as error:
                damage.append(f"{self.path.name} is damaged at byte {handle.offset}: {error}")

    def _read_block(self, handle: Any) -> Any:  # noqa: ANN401 -- insides of the library
        self._f.seek(handle.offset)
        framed = self._f.read(handle.length + self.BLOCK_TRAILER_SIZE)
        if len(framed) < handle.length + self.BLOCK_TRAILER_SIZE:
            message = "it ends too early"
            raise ValueError(message)
        if masked_crc(framed[:-4]) != int.from_bytes(framed[-4:], "little"):
            message = "its checksum is another"
            raise ValueError(message)
        return super()._read_block(handle)


def _overlap(low: bytes, high: bytes, prefix: bytes) -> bool:
    """Whether keys from `low` to `high` may begin with `prefix`, which does not end in FF."""
    return high >= prefix and low < prefix[:-1] + bytes([prefix[-1] + 1])
