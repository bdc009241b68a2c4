"""Which series and labels an expression of PromQL asks for.

No parser: Prometheus itself checks the syntax, where it is installed. This finds names, in the
forms that the shipped files keep to: `by` stands before what it groups.
"""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[A-Za-z_:][\w:]*|[=!]~|!=|==|\d[\w.]*|\S')
_WORD = re.compile(r"[A-Za-z_:][\w:]*")
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset"})
_MATCHING = frozenset({"on", "ignoring", "group_left", "group_right"})


class Use(NamedTuple):
    """A series as it is asked for, with every label that it must have."""

    name: str
    labels: frozenset[str]


def uses(expression: str) -> list[Use]:
    """Give the series of an expression, with the labels that match them and group them."""
    return [Use(name, frozenset(labels)) for name, labels in _scan(expression)]


def grouping(expression: str) -> frozenset[str]:
    """Give the labels that the result has: those of the outermost grouping, but for `le`."""
    found = re.search(r"\bby \(([^)]*)\)", expression)
    return frozenset(found[1].replace(",", " ").split()) - {"le"} if found else frozenset()


def _scan(expression: str) -> Iterator[tuple[str, set[str]]]:
    tokens = [*_TOKEN.findall(expression), ""]
    matched = set(_matched(tokens))
    groups: list[set[str]] = []
    pending: set[str] = set()
    position = 0
    while position < len(tokens) - 1:
        word, following = tokens[position], tokens[position + 1]
        position += 1
        if word == "(":
            groups.append(pending)
            pending = set()
        elif word == ")":
            groups.pop()
        elif word == "by" or word in _MATCHING:
            end = tokens.index(")", position)
            if word == "by":
                assert tokens[end + 1] == "(", f"`by` stands behind what it groups: {expression}"
                pending = _words(tokens[position:end])
            position = end + 1
        elif _WORD.fullmatch(word) and word not in _OPERATORS and following not in {"(", "by"}:
            labels = matched.union(*groups)
            if following == "{":
                end = tokens.index("}", position)
                labels |= _words(tokens[position:end])
                position = end + 1
            yield word, labels


def _matched(tokens: list[str]) -> Iterator[str]:
    for position, word in enumerate(tokens):
        if word == "on":
            yield from _words(tokens[position + 1 : tokens.index(")", position)])


def _words(tokens: Iterable[str]) -> set[str]:
    return {word for word in tokens if _WORD.fullmatch(word)}
