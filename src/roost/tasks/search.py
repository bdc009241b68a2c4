"""What a search text means: words by beginning or likeness, everything else to the letter."""

import re
from dataclasses import dataclass

_WORD = re.compile(r"[^\W_]+")
MOST_ALIKE = 6
"""So many words are looked for when misspelt; each is compared with every title."""
LIKENESS = 0.5
"""How alike (by trigrams, 0 to 1) misspelt words must be to a part of the title."""


@dataclass(frozen=True, slots=True)
class SearchTerms:
    """A search text, taken apart.

    `words` is a tsquery of prefixes, `typed` the same words as written; `pieces` are LIKE patterns
    that must each be found to the letter, case aside.
    """

    words: str | None
    typed: tuple[str, ...]
    pieces: tuple[str, ...]


def read_search(text: str) -> SearchTerms:
    """Take a search text apart: `100%` and `user_id` are pieces, `fix login` are words."""
    words: list[str] = []
    pieces: list[str] = []
    for term in text.split():
        if _WORD.fullmatch(term):
            words.append(term.lower())
        else:
            pieces.append(f"%{escape_like(term)}%")
    query = " & ".join(f"'{word}':*" for word in words)
    return SearchTerms(query or None, tuple(words[:MOST_ALIKE]), tuple(pieces))


def escape_like(text: str) -> str:
    """Make every character an ordinary one in a LIKE pattern."""
    return re.sub(r"([\\%_])", r"\\\1", text)
