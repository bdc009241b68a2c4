"""localStorage of the Chrome family: one LevelDB a profile, a key for each item of each origin."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from roost.migration.profiles import leveldb
from roost.migration.profiles.copies import copy_settled
from roost.migration.profiles.places import CHROMIUM_DATA
from roost.migration.profiles.storage import ProfileError, Reading, Unreadable

_VERSION: Final = b"VERSION"
_SUPPORTED: Final = b"1"
_ITEM: Final = b"_"
_UTF16, _LATIN1 = 0, 1
_SHOWN: Final = 60


def read(profile: Path, private: Path, only: str | None = None) -> Reading:
    """Read every origin of the profile, or one, from a copy made in `private`."""
    folder = profile / CHROMIUM_DATA
    copy_settled(lambda: _parts(folder), folder, private / "leveldb")
    wanted: tuple[bytes, ...] = ()
    if only is not None:
        wanted = (_VERSION, _ITEM + only.encode("utf-8", "surrogateescape") + b"\0")
    contents = leveldb.read(private / "leveldb", wanted)
    version = contents.newest.get(_VERSION)
    if version is not None and version.value != _SUPPORTED:
        message = f"The profile's localStorage has the unknown format {version.value!r:.40}."
        raise ProfileError(message)
    reading = Reading(damage=contents.damage, notes=contents.notes)
    # In order of their age, so that of two spellings of one key the newer counts.
    for record in sorted(contents.live(), key=lambda each: each.seq):
        if record.user_key.startswith(_ITEM):
            _take(reading, record.user_key[len(_ITEM) :], record.value)
    return reading


def _parts(folder: Path) -> Iterator[Path]:
    """Files of the database without its lock and its diaries, which tell nothing of the data."""
    return (each for each in folder.iterdir() if each.name not in {"LOCK", "LOG", "LOG.old"})


def _take(reading: Reading, address: bytes, value: bytes) -> None:
    origin, separator, script_key = address.partition(b"\0")
    storage = reading.storage(origin.decode("utf-8", "backslashreplace"))
    if not separator:
        storage.unreadable.append(Unreadable(repr(address)[:_SHOWN], "it has no name"))
        return
    try:
        key = _text(script_key)
    except ValueError as error:
        storage.unreadable.append(Unreadable(repr(script_key)[:_SHOWN], f"its name: {error}"))
        return
    if storage.keys.pop(key, None) is not None:
        reading.notes.append(f"{storage.origin} has {key[:_SHOWN]!r} twice; the newer was taken")
    try:
        storage.keys[key] = _text(value)
    except ValueError as error:
        storage.unreadable.append(Unreadable(key, f"its value: {error}"))


def _text(raw: bytes) -> str:
    """The string in its own form: UTF-16 with lone surrogates let through, or Latin-1."""
    if raw[:1] == bytes([_LATIN1]):
        return raw[1:].decode("latin-1")
    if raw[:1] != bytes([_UTF16]):
        message = f"unknown form {raw[0]}" if raw else "no form is given"
        raise ValueError(message)
    try:
        return raw[1:].decode("utf-16-le", "surrogatepass")
    except UnicodeDecodeError:
        message = f"no whole UTF-16 in {len(raw) - 1} bytes"
        raise ValueError(message) from None
