"""What a search text means: words by beginning or likeness, everything else to the letter."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
_BEFORE, _AFTER = "\"'([{<«„“”‘¿¡", "\"')]}>»“”’…,;:.!?"
"""What stands around words in sentences, and is nothing to look for; `.env` begins with its dot."""
MOST_ALIKE = 6
"""Of more words none is looked for when misspelt; each is compared with every title."""
LIKENESS = 0.5
"""How alike (by trigrams, 0 to 1) misspelt words must be to a part of the title."""


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """A search text, taken apart.

    `words` is a tsquery of prefixes, `typed` the same words as written, none where they are too
    many to be compared; `pieces` are LIKE patterns that must each be found to the letter, case
    aside.
    """

    words: str | None
    typed: tuple[str, ...]
    pieces: tuple[str, ...]


def read_search(text: str) -> SearchTerms:
    """Take a search text apart: `100%` and `user_id` are pieces, `fix (login).` are words."""
    words: list[str] = []
    pieces: list[str] = []
    for term in text.split():
        bare = term.rstrip(_AFTER).lstrip(_BEFORE)
        if _WORD.fullmatch(bare):
            words.append(bare.lower())
        else:
            pieces.append(f"%{escape_like(bare or term)}%")
    query = " & ".join(f"'{word}':*" for word in words)
    typed = tuple(words) if len(words) <= MOST_ALIKE else ()
    return SearchTerms(query or None, typed, tuple(pieces))


def escape_like(text: str) -> str:
    """Make every character an ordinary one in a LIKE pattern."""
    return re.sub(r"([\\%_])", r"\\\1", text)
