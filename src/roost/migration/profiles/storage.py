"""What was read of a profile: each origin's localStorage, and what could not be read of it."""

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from roost.migration.keys import Handler, rule_for
from roost.migration.profiles.places import Browser

#: Keys of these hold work; a `theme` or a cache is found at any site.
_WORK: Final = frozenset(
    (
        Handler.TASKS,
        Handler.ENVIRONMENTS,
        Handler.SESSIONS,
        Handler.OFFLINE_WRITES,
        Handler.BACKUP,
    )
)
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class ProfileError(Exception):
    """A profile can't be used: the message says why, and what to do."""


class Profile(msgspec.Struct, frozen=True):
    """A person's profile in a browser; `folder` is where it lies."""

    browser: Browser
    name: str
    folder: Path


class Unreadable(msgspec.Struct, frozen=True):
    """A key that could not be read, as far as it is known, and the reason."""

    key: str
    reason: str


class Storage(msgspec.Struct):
    """One origin's localStorage. Partitions of an origin are origins of their own."""

    origin: str
    keys: dict[str, str] = msgspec.field(default_factory=dict)
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)

    @property
    def size(self) -> int:
        """Bytes of keys and values as UTF-8."""
        return sum(_size(key) + _size(raw) for key, raw in self.keys.items())

    @property
    def known(self) -> list[str]:
        """The keys in which the known apps keep work."""
        return sorted(key for key in self.keys if rule_for(key).handler in _WORK)


class Reading(msgspec.Struct):
    """A profile's storages by origin.

    `damage` is what was lost without its origin being known; `notes` are worth a word only.
    """

    storages: dict[str, Storage] = msgspec.field(default_factory=dict)
    damage: list[str] = msgspec.field(default_factory=list)
    notes: list[str] = msgspec.field(default_factory=list)

    def storage(self, origin: str) -> Storage:
        """The storage of an origin, begun when it is new."""
        return self.storages.setdefault(origin, Storage(origin))

    @property
    def held(self) -> list[Storage]:
        """The storages that are not empty, in order of their origins."""
        found = (self.storages[origin] for origin in sorted(self.storages))
        return [each for each in found if each.keys or each.unreadable]


def export(storage: Storage, captured_at: datetime) -> bytes:
    """The file that the browser's own export would be: `{origin, capturedAt, keys}`."""
    document = {
        "origin": storage.origin,
        "capturedAt": captured_at.isoformat(),
        "keys": storage.keys,
    }
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return _SURROGATE.sub(_escaped, text).encode()


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
