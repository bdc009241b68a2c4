"""Sealed secrets in a conflict's record, for putting them back; no route shows them."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

from roost.db.sealing import SecretBox, SecretKeyError
from roost.migration.content import Content
from roost.migration.drafts import SealedText

SEALED = "sealed"


def sealed_record(sealed: dict[str, bytes]) -> dict[str, str]:
    """Sealed secrets as JSON can hold them."""
    return {name: b64encode(value).decode() for name, value in sealed.items()}


def unsealed(record: Content) -> dict[str, bytes]:
    """The sealed secrets of a record."""
    kept: dict[str, str] = record.get(SEALED, {})
    return {name: b64decode(value) for name, value in kept.items()}


def seal(box: SecretBox, value: str | SealedText) -> bytes:
    """A secret as it is kept; what came sealed stays as it is."""
    return value.token if isinstance(value, SealedText) else box.seal(value)


def opens_to(
    box: SecretBox, sealed: dict[str, bytes], values: Mapping[str, str | SealedText]
) -> bool:
    """Whether the sealed secrets are these values; one that no key opens is none of them."""
    if sealed.keys() != values.keys():
        return False
    try:
        return all(
            box.open(sealed[name])
            == (box.open(value.token) if isinstance(value, SealedText) else value)
            for name, value in values.items()
        )
    except SecretKeyError:
        return False


def can_open(box: SecretBox, sealed: bytes) -> bool:
    """Whether a sealed text can be opened."""
    try:
        box.open(sealed)
    except (SecretKeyError, UnicodeDecodeError):
        return False
    return True


def all_open(box: SecretBox, sealed: dict[str, bytes]) -> bool:
    """Whether each can be opened."""
    return all(can_open(box, value) for value in sealed.values())
