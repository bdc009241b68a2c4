"""Ids that come out the same each time the same data is brought."""

import hashlib
import re
from typing import Any, Final
from uuid import UUID

import msgspec

#: Fixed for ever: other values would make every second migration a first one.
NAMESPACE: Final = UUID("6f1d5f0e-6c0b-5a43-9f0e-2b8f5d1c7a90")

_UUID: Final = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
# Placeholders of seeds and tests, shared by everybody.
_PLACEHOLDERS: Final = frozenset(
    {"00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"}
)
_canonical: Final = msgspec.json.Encoder(order="deterministic").encode
_SEED: Final = NAMESPACE.bytes
_sha1: Final = hashlib.sha1
_VARIANTS: Final = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}


def seed(name: bytes) -> bytes:
    """What the names of many ids begin with; for `uuid5_of`."""
    return _SEED + name


def uuid5_of(seeded: bytes) -> str:
    """The UUIDv5, in canonical form, of a name that begins with a `seed`."""
    text = _sha1(seeded, usedforsecurity=False).hexdigest()
    return (
        f"{text[:8]}-{text[8:12]}-5{text[13:16]}-{_VARIANTS[text[16]]}{text[17:20]}-{text[20:32]}"
    )


def uuid5(name: bytes) -> str:
    """The UUIDv5 of `name` in Roost's namespace, in canonical form."""
    return uuid5_of(_SEED + name)


def own_uuid(value: object) -> str | None:
    """The UUID that `value` is, in canonical form; None when it is none (nil and max too)."""
    if type(value) is not str or _UUID.fullmatch(value) is None:
        return None
    text = value.lower()
    return None if text in _PLACEHOLDERS else text


def legacy(owner: UUID, key: str, value: object) -> str:
    """The id of what had the id `value` under `key`: 1 and "1" are two things."""
    return uuid5(b"\x1f".join((owner.bytes, b"id", key.encode(), _canonical(value))))


def own_apart(owner: UUID, kind: str, own: str) -> str:
    """The id that stands for a source's own UUID which another user's row has."""
    return legacy(owner, kind, ["own", own])


def by_content(owner: UUID, key: str, value: object, occurrence: int) -> str:
    """The id of something that had none: by its content, and which of equals it is."""
    parts = (owner.bytes, b"content", key.encode(), content_hash(value), b"%d" % occurrence)
    return uuid5(b"\x1f".join(parts))


def content_hash(value: object) -> bytes:
    """SHA-256 of `value` as JSON, whatever the order of its keys."""
    return hashlib.sha256(_canonical(value)).digest()


def legacy_text(value: Any) -> str | None:  # noqa: ANN401
    """A legacy id as shown in a report: strings as they are, the rest as JSON."""
    if value is None:
        return None
    text: str = value if type(value) is str else _canonical(value).decode()
    return text[:255]
