"""Names of tables and columns as clients write them."""

import re
from typing import Final

_PART: Final = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\W\d][\w$]*))\s*')
_LONGEST: Final = 63
"""Bytes that PostgreSQL keeps of a name."""
DEFAULT_SCHEMA: Final = "public"


class IdentifierError(ValueError):
    """A name cannot be read."""


def quoted(name: str) -> str:
    """A name as SQL takes it, whatever is in it."""
    return '"' + name.replace('"', '""') + '"'


def read_table(text: str) -> tuple[str, str]:
    """Read `name` or `schema.name`; parts without quotes are lower-cased. IdentifierError."""
    parts = _split(text, ".")
    if len(parts) > 2:  # noqa: PLR2004 -- schema and name
        message = f"{text!r} has more parts than schema and name"
        raise IdentifierError(message)
    return (DEFAULT_SCHEMA, parts[0]) if len(parts) == 1 else (parts[0], parts[1])


def read_columns(text: str) -> tuple[str, ...]:
    """Read a comma list of names, each quoted or not. IdentifierError."""
    return tuple(_split(text, ","))


def _split(text: str, separator: str) -> list[str]:
    names: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            message = f"a name was expected at character {position}"
            raise IdentifierError(message)
        name = match[1].replace('""', '"') if match[1] is not None else match[2].lower()
        if len(name.encode()) > _LONGEST or "\x00" in name:
            message = f"{name[:80]!r} is too long for a name"
            raise IdentifierError(message)
        names.append(name)
        position = match.end()
        if position == len(text):
            return names
        if text[position] != separator:
            message = f"{separator!r} was expected at character {position}"
            raise IdentifierError(message)
        position += 1
