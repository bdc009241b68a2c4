"""Two records of steps side by side: which step of the one is which of the other.

A longest common subsequence, twice: of whole contents, and in the gaps between of kinds. Bit by
bit, one integer a step (Hyyrö 2004): 10,000 steps against 10,000 take about 0.1 s, which is what
rapidfuzz's `LCSseq` takes, and other threads get their turns meanwhile.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Change = Literal["same", "changed", "missing", "extra"]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, order=True)
class Identity:
    """What a step is to whoever compares: all that it says, and roughly what it does."""

    content: tuple[str, ...]
    kind: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A step of the left record, of the right, or of both, by their places from 0."""

    left: int | None
    right: int | None
    change: Change

    @property
    def mirrored(self) -> "Row":
        """The same seen from the other side."""
        change: Change = self.change
        if self.left is None or self.right is None:
            change = "missing" if self.left is None else "extra"
        return Row(self.right, self.left, change)


def align(left: Sequence[Identity], right: Sequence[Identity]) -> list[Row]:
    """Lay two records side by side, each step once and in its order.

    `align(b, a)` is `align(a, b)` mirrored: of several ways as good, the same is taken.
    """
    if list(left) <= list(right):
        return list(_rows(left, right))
    return [row.mirrored for row in _rows(right, left)]


def diverges_at(rows: Sequence[Row]) -> int | None:
    """Give the number, from 1, of the first step that is not the same on both sides."""
    found = (place for place, row in enumerate(rows, 1) if row.change != "same")
    return next(found, None)


def _rows(left: Sequence[Identity], right: Sequence[Identity]) -> Iterator[Row]:
    same = common([step.content for step in left], [step.content for step in right])
    done = (0, 0)
    for pair in (*same, (len(left), len(right))):
        yield from _gap(left, right, done, pair)
        if pair[0] < len(left):
            yield Row(*pair, "same")
        done = (pair[0] + 1, pair[1] + 1)


def _gap(
    left: Sequence[Identity], right: Sequence[Identity], start: Pair, stop: Pair
) -> Iterator[Row]:
    """Pair by kind what lies between two pairs that are the same."""
    (i, j), (i_end, j_end) = start, stop
    kinds = [step.kind for step in left[i:i_end]], [step.kind for step in right[j:j_end]]
    like = [(i + one, j + other) for one, other in common(*kinds)]
    for pair in (*like, stop):
        yield from (Row(place, None, "missing") for place in range(i, pair[0]))
        yield from (Row(None, place, "extra") for place in range(j, pair[1]))
        if pair != stop:
            yield Row(*pair, "changed")
        i, j = pair[0] + 1, pair[1] + 1


def common(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Pair]:
    """Give the places of a longest common subsequence, in order."""
    start = 0
    shorter = min(len(left), len(right))
    while start < shorter and left[start] == right[start]:
        start += 1
    end = 0
    while end < shorter - start and left[-1 - end] == right[-1 - end]:
        end += 1
    middle = _longest(left[start : len(left) - end], right[start : len(right) - end])
    return [
        *((place, place) for place in range(start)),
        *((start + one, start + other) for one, other in middle),
        *((len(left) - place, len(right) - place) for place in range(end, 0, -1)),
    ]


def _longest(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Pair]:
    places: dict[Hashable, int] = {}
    for place, value in enumerate(left):
        places[value] = places.get(value, 0) | 1 << place
    every = (1 << len(left)) - 1
    # A zero at a place says that the subsequence grows there by one.
    row, rows = every, [every]
    for value in right:
        found = row & places.get(value, 0)
        row = (row + found | row - found) & every
        rows.append(row)
    pairs = []
    i, j = len(left), len(right)
    while i and j:
        if rows[j] >> i - 1 & 1:
            i -= 1
        elif not rows[j - 1] >> i - 1 & 1:
            j -= 1
        else:
            i, j = i - 1, j - 1
            pairs.append((i, j))
    return pairs[::-1]
