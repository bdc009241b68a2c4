"""A statement as it may be shown: its form, and nothing that anybody wrote into it."""

import re

from pglast.parser import ParseError, normalize, scan, split

LONGEST = 2_000
"""Characters of a statement that are shown."""
_NAMED = re.compile(r"(\w+) /\* ((?:select|insert|update|delete) [A-Za-z0-9_.:-]{1,100}) \*/ ")
_FORMS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE"})
_COMMENTS = frozenset({"SQL_COMMENT", "C_COMMENT"})


def name_of(text: str | None) -> str | None:
    """Give the name that Roost writes into its statements; None for anybody else's."""
    found = _NAMED.match(text or "")
    return found[2] if found else None


def shown(text: str | None, longest: int = LONGEST) -> str | None:
    """Give a statement with `$n` for every literal, and no comment.

    Of commands that keep literals when they are normalised, and of what can't be read (it may have
    been cut off by the server), only the first word.
    """
    if not text:
        return None
    if named := _NAMED.match(text):
        text = f"{named[1]} {text[named.end() :]}"
    word = text.split(None, 1)[0].upper().rstrip(";") if text.split() else ""
    if word not in _FORMS:
        return f"{word[:20]} …" if word.isalpha() else "…"
    try:
        if len(split(text)) > 1:
            return f"{word} …"
        normal = _uncommented(normalize(text))
    except (ParseError, UnicodeError):
        return f"{word} …"
    return normal if len(normal) <= longest else normal[:longest] + " …"


def _uncommented(text: str) -> str:
    # Places are in bytes of UTF-8.
    raw = text.encode()
    pieces, at = [], 0
    for token in scan(text):
        if token.name in _COMMENTS:
            pieces.append(raw[at : token.start])
            at = token.end + 1
    pieces.append(raw[at:])
    return " ".join(b"".join(pieces).decode(errors="replace").split())
