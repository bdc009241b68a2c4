"""The order of the changes of one row within one transaction.

`seq` is not always that order: a trigger that writes another row of the statement that fired it
is journaled before the statement's own change of that row. Each change says what it found, so
the images tell: one's `new` is the next one's `old`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from itertools import pairwise

from roost.journal.entry import Entry

Image = str | None
"""A record's text; None where there is no row."""
Row = tuple[int, str]
"""A row of the database: its relation and its row_id."""


class Unknown(Enum):
    """That nothing is known of a row's image."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


def in_order(chain: Sequence[Entry], before: Image | Unknown = UNKNOWN) -> bool:
    """Whether each change found what the one before it left, the first one `before`."""
    linked = all(earlier.new == later.old for earlier, later in pairwise(chain))
    return linked and (before is UNKNOWN or not chain or chain[0].old == before)


def ordered(chain: Sequence[Entry], before: Image | Unknown = UNKNOWN) -> list[Entry]:
    """Order the changes of one row in one transaction, in one layout.

    `before` is the row's image before them, where the caller knows it. Without it, changes that
    go round in a circle stay as they come: nothing else says which one was first. So do changes
    that no order links.
    """
    if in_order(chain, before):
        return list(chain)
    path = _path(chain, _first_image(chain, before))
    return path if len(path) == len(chain) and in_order(path) else list(chain)


def _first_image(chain: Sequence[Entry], before: Image | Unknown) -> Image:
    """Find the `old` that is nobody's `new`: by count, since an image may come more than once."""
    balance = Counter(entry.old for entry in chain)
    balance.subtract(entry.new for entry in chain)
    begins = [image for image, count in balance.items() if count > 0]
    if begins:
        return begins[0]
    return chain[0].old if before is UNKNOWN else before


def _path(chain: Sequence[Entry], first: Image) -> list[Entry]:
    """Walk every change once from `first` on (Hierholzer's algorithm), by seq where it may choose."""
    leaving: defaultdict[Image, list[Entry]] = defaultdict(list)
    for entry in sorted(chain, key=lambda entry: entry.seq, reverse=True):
        leaving[entry.old].append(entry)
    walk: list[Entry | None] = [None]
    path: list[Entry] = []
    while walk:
        last = walk[-1]
        edges = leaving[first if last is None else last.new]
        if edges:
            walk.append(edges.pop())
        else:
            walk.pop()
            if last is not None:
                path.append(last)
    return path[::-1]


def net(chain: Sequence[Entry], before: Image | Unknown = UNKNOWN) -> tuple[Image, Image]:
    """Give a row's image before and after its changes in one transaction, at least one."""
    path = ordered(chain, before)
    return path[0].old, path[-1].new


def repaired(entries: Iterable[Entry], before: Mapping[Row, Image] | None = None) -> list[Entry]:
    """Order a window's changes of each row; entries that are in order stay where they are.

    Entries come and go in the order of seq, a row's changes that were not in theirs change places
    among themselves. `before` has the images of rows the caller knows; what the window itself says
    of a row is used as well.
    """
    result = list(entries)
    images: dict[Row, Image] = dict(before or {})
    for places in _chains(result):
        chain = [result[place] for place in places]
        row = (chain[0].relation, chain[0].row_id or "")
        path = ordered(chain, images.get(row, UNKNOWN))
        for place, entry in zip(places, path, strict=True):
            result[place] = entry
        images[row] = path[-1].new
    return result


def _chains(entries: Sequence[Entry]) -> list[list[int]]:
    """Find the places of each row's changes in one transaction, between changes of its layout.

    A truncation or a change of layout waits until no statement uses the table, so nothing before
    it can be journaled after it. Chains come in the order of their beginnings.
    """
    chains: list[list[int]] = []
    current: dict[tuple[int, int, str], list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.op == "T":
            for key in [key for key in current if key[1] == entry.relation]:
                del current[key]
        elif entry.row_id is not None:
            key = (entry.xid, entry.relation, entry.row_id)
            chain = current.get(key)
            if chain is None or entries[chain[0]].layout != entry.layout:
                chain = current[key] = []
                chains.append(chain)
            chain.append(place)
    return chains
