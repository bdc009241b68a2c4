"""What an item's text tells without being read: credentials in it, damaged characters."""

from typing import Final

import msgspec

from roost.migration import text
from roost.migration.context import Inspection
from roost.migration.drafts import Warn
from roost.migration.octets import Octets, contains
from roost.migration.reader import MalformedError, read

_LETTER_ESCAPE: Final = b"\\u00"
_encode: Final = msgspec.json.Encoder().encode
_MOJIBAKE = (Warn("MOJIBAKE", None, "UTF-8 once read as cp1252; kept as it is"),)


def inspection_of(raw: Octets) -> Inspection:
    """How to inspect the items of the value `raw`; looks only for what `raw` may hold."""
    patterns = text.secret_patterns(raw)
    # JSON.stringify escapes no letters; other writers do.
    escaped = contains(raw, _LETTER_ESCAPE)
    damaged = escaped or text.may_be_mojibake(raw)
    if not patterns and not damaged:
        return _nothing

    def inspect(item: bytes) -> tuple[Warn, ...]:
        found: tuple[Warn, ...] = ()
        if escaped and _LETTER_ESCAPE in item:
            item = _unescaped(item)
        if patterns and (secrets := text.secrets_in(item, patterns)):
            found += (_secret(secrets),)
        if (
            damaged
            and text.may_be_mojibake(item)
            and text.is_mojibake(item.decode("utf-8", "replace"))
        ):
            found += _MOJIBAKE
        return found

    return inspect


def _unescaped(item: bytes) -> bytes:
    try:
        return _encode(read(item)[0])
    except MalformedError:
        return item


def inspect_document(raw: bytes) -> tuple[Warn, ...]:
    """What to tell of a text that is looked at by itself: every pattern is looked for."""
    found = [each for each in inspection_of(raw)(raw) if each.code != "SECRET_IN_TEXT"]
    secrets = text.secrets_in(raw)
    return tuple(found) + ((_secret(secrets),) if secrets else ())


def _secret(found: list[str]) -> Warn:
    return Warn("SECRET_IN_TEXT", None, f"{', '.join(found)}: rotate it; kept, hidden in reports")


def _nothing(_: bytes) -> tuple[Warn, ...]:
    return ()
