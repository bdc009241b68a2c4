"""What an item's text tells without being read: credentials in it, damaged characters."""

from typing import Final

import msgspec

from roost.migration import text
from roost.migration.context import Inspection
from roost.migration.drafts import Warn
from roost.migration.octets import Octets, contains
from roost.migration.reader import read

_SECRET = (Warn("SECRET_IN_TEXT", None, "looks like a credential; kept, hidden in reports"),)
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
            item = _encode(read(item)[0])
        if patterns and text.has_secret(item, patterns):
            found += _SECRET
        if (
            damaged
            and text.may_be_mojibake(item)
            and text.is_mojibake(item.decode("utf-8", "replace"))
        ):
            found += _MOJIBAKE
        return found

    return inspect


def _nothing(_: bytes) -> tuple[Warn, ...]:
    return ()
