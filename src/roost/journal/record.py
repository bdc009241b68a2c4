"""The text of a PostgreSQL record, ``(a,"b c",,"")``, taken apart.

The journal's images are what ``record_out`` makes of a row: each field is its type's own output,
bare or in quotes; a field without a character is NULL, ``""`` is the empty string.
"""

import re
from collections.abc import Iterable

CANONICAL_SETTINGS = {
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "search_path": "pg_catalog, pg_temp",
}
"""The settings images are written under. ``(t.*)::text`` read under them equals the image."""

_FIELD = re.compile(r'(?:"(?:[^"\\]|""|\\\\)*"|[^",()\\]*)(?=[,)])')
_ESCAPED = re.compile(r'""|\\\\')


def split_record(text: str) -> list[str]:
    """Split a record's text into its fields as they are written, quotes included.

    A record always has one field at least: ``()`` is one NULL. Raises ValueError for anything that
    ``record_out`` does not write.
    """
    if not text.startswith("("):
        msg = "a record's text begins with a parenthesis"
        raise ValueError(msg)
    fields = []
    position = 1
    while (match := _FIELD.match(text, position)) is not None:
        fields.append(match[0])
        position = match.end() + 1
        if text[match.end()] == ")":
            if position != len(text):
                break
            return fields
    msg = f"not a record's text, at character {position}"
    raise ValueError(msg)


def _value(field: str) -> str | None:
    if not field:
        return None
    if field[0] != '"':
        return field
    return _ESCAPED.sub(lambda match: match[0][0], field[1:-1])


def parse_record(text: str) -> list[str | None]:
    """Read the fields of a record's text: each the output of its type, or None for NULL.

    Raises ValueError for anything that ``record_out`` does not write.
    """
    return [_value(field) for field in split_record(text)]


def restore_fields(old: str, new: str, positions: Iterable[int]) -> str:
    """Put the fields of ``new`` at ``positions`` (from 0) into ``old``: both are records' texts.

    So ``old`` of an update becomes whole again where it was stored without the large columns that
    the update did not touch.
    """
    fields = split_record(old)
    source = split_record(new)
    for position in positions:
        fields[position] = source[position]
    return "(" + ",".join(fields) + ")"
