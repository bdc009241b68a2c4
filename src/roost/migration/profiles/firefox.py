"""localStorage of Firefox: an SQLite file for each origin, and older versions' one for all."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote

# Firefox compresses as Chromium's tables do; the decoder has no public name.
from chromium_reader._snappy import decompress

from roost.migration.profiles.copies import copy_settled, unreadable
from roost.migration.profiles.places import FIREFOX_ARCHIVE, FIREFOX_LEGACY, FIREFOX_ORIGINS
from roost.migration.profiles.storage import Reading, Storage, Unreadable

_DATA: Final = Path("ls", "data.sqlite")
_BESIDE: Final = ("", "-wal", "-journal")
_UTF16, _UTF8 = 0, 1
_PLAIN, _SNAPPY = 0, 1
_DEFAULT_PORTS: Final = {"http": "80", "https": "443"}
_LEGACY_PARTS: Final = 3
_BROKEN: Final = (sqlite3.DatabaseError, ValueError, IndexError, OverflowError)

_ITEMS: Final = (
    "SELECT cast(key AS blob), utf16_length, conversion_type, compression_type,"
    " cast(value AS blob) FROM data"
)
_OLD_ITEMS: Final = (
    "SELECT coalesce(originAttributes, ''), originKey, cast(key AS blob), cast(value AS blob)"
    " FROM webappsstore2"
)


def read(profile: Path, private: Path, only: str | None = None) -> Reading:
    """Read every origin of the profile, or one, from copies made in `private`, one at a time."""
    reading = Reading()
    for folder in _origins(profile):
        if (folder / _DATA).exists():
            _read_origin(folder, private, only, reading)
    # The archive holds what no page has asked for since; the old file is what it was made of.
    older = [profile / each for each in (FIREFOX_ARCHIVE, FIREFOX_LEGACY)]
    file = next((each for each in older if each.exists()), None)
    if file is not None:
        _read_older(file, private, only, reading)
    return reading


def _origins(profile: Path) -> list[Path]:
    try:
        return sorted((profile / FIREFOX_ORIGINS).iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise unreadable(profile, error) from error


def _read_origin(folder: Path, private: Path, only: str | None, reading: Reading) -> None:
    origin = _origin_of(folder.name)
    try:
        with closing(_opened(folder / _DATA, private)) as database:
            if _is_new(database):
                return
            origin = _named(database, folder.name) or origin
            if only not in (None, origin):
                return
            _check(database)
            storage = reading.storage(origin)
            encoding = _encoding(database)
            for key, length, conversion, compression, value in database.execute(_ITEMS):
                _take(storage, _decoded(key, encoding), (length, conversion, compression), value)
    except sqlite3.OperationalError as error:
        if only in (None, origin):
            why = f"this version of Firefox's storage can't be read: {error}"
            reading.storage(origin).unreadable.append(Unreadable("all keys", why))
    except _BROKEN as error:
        if only in (None, origin):
            why = f"the storage is damaged: {error}"
            reading.storage(origin).unreadable.append(Unreadable("other keys", why))


def _read_older(file: Path, private: Path, only: str | None, reading: Reading) -> None:
    """Read what the file has of origins that have no newer storage."""
    newer = frozenset(reading.storages)
    try:
        with closing(_opened(file, private)) as database:
            _check(database)
            encoding = _encoding(database)
            for attributes, reversed_name, key, value in database.execute(_OLD_ITEMS):
                origin = _unreversed(reversed_name) + attributes
                if origin in newer or only not in (None, origin):
                    continue
                reading.storage(origin).keys[_decoded(key, encoding)] = _decoded(value, encoding)
    except _BROKEN as error:
        if "no such table" not in str(error):
            reading.damage.append(f"{file.name} is damaged: {error}")


def _opened(file: Path, private: Path) -> sqlite3.Connection:
    """Open a copy of a database; a journal that lies beside it is played back in the copy."""
    parts = [file.with_name(file.name + end) for end in _BESIDE]

    def look() -> Iterator[Path]:
        # The database itself must be there; the others come and go.
        return (each for each in parts if each is file or each == file or each.exists())

    copy_settled(look, file.parent, private / "sqlite")
    address = quote(str(private / "sqlite" / file.name))
    database = sqlite3.connect(f"file:{address}?mode=rw", uri=True, isolation_level=None)
    database.execute("PRAGMA trusted_schema = off")
    return database


def _check(database: sqlite3.Connection) -> None:
    found = database.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise ValueError(found)


def _is_new(database: sqlite3.Connection) -> bool:
    """Whether Firefox has only just made the file, and no table yet."""
    return database.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _encoding(database: sqlite3.Connection) -> str:
    name: str = database.execute("PRAGMA encoding").fetchone()[0]
    return name.lower().replace("utf-16le", "utf-16-le").replace("utf-16be", "utf-16-be")


def _named(database: sqlite3.Connection, folder: str) -> str | None:
    """The origin as the database names it, with the partition that its folder names."""
    row = database.execute("SELECT origin FROM database").fetchone()
    if row is None or not row[0]:
        return None
    _, mark, suffix = folder.partition("^")
    name = str(row[0])
    return name if "^" in name else name + mark + suffix


def _origin_of(folder: str) -> str:
    """Guess the origin from its folder's name, in which `+` stands for what no file may have."""
    name, mark, suffix = folder.partition("^")
    scheme, _, rest = name.partition("+++")
    return f"{scheme}://{rest.replace('+', ':')}{mark}{suffix}"


def _unreversed(name: str) -> str:
    """`http://localhost:3000` of `tsohlacol.:http:3000`."""
    parts = name.rsplit(":", 2)
    if len(parts) != _LEGACY_PARTS:
        return name
    host, scheme, port = parts[0][::-1].removeprefix("."), parts[1], parts[2]
    return f"{scheme}://{host}" + ("" if _DEFAULT_PORTS.get(scheme) == port else f":{port}")


def _take(storage: Storage, key: str, form: tuple[int, int, int], value: bytes | None) -> None:
    try:
        storage.keys[key] = _text(value or b"", *form)
    except (ValueError, IndexError) as error:
        storage.unreadable.append(Unreadable(key, f"its value: {error}"))


def _text(value: bytes, length: int, conversion: int, compression: int) -> str:
    """The value's text; ValueError where it is not the one that its row describes."""
    if compression not in (_PLAIN, _SNAPPY) or conversion not in (_UTF16, _UTF8):
        message = f"unknown form {conversion}, {compression}"
        raise ValueError(message)
    if compression == _SNAPPY:
        value = decompress(value)
    text = _decoded(value, "utf-8" if conversion == _UTF8 else "utf-16-le")
    found = len(text.encode("utf-16-le", "surrogatepass")) // 2
    if found != length:
        message = f"{found} units of UTF-16 where {length} were stored"
        raise ValueError(message)
    return text


def _decoded(raw: bytes | None, encoding: str) -> str:
    return (raw or b"").decode(encoding, "surrogatepass")
