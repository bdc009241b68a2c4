"""The order of the changes of one row within one transaction.

`seq` is not always that order: a statement that runs within another (a trigger's, a function's, a
cascade) and changes a row which the outer one has changed is journaled before the outer one's own
change. But each change says which version it found and which it made, and within a transaction
no place holds two versions, so the places link them.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from uuid import UUID

from roost.journal.entry import Entry

Image = str | None
"""A record's text; None where there is no row."""


def in_order(chain: Sequence[Entry]) -> bool:
    """Whether each change found the version that the one before it made."""
    return all(earlier.new_ctid == later.old_ctid for earlier, later in pairwise(chain)) and not (
        # A delete, and then the insert of what it deleted.
        chain and chain[0].old_ctid and chain[0].old_ctid in {entry.new_ctid for entry in chain}
    )


def ordered(chain: Sequence[Entry]) -> list[Entry]:
    """Order the changes of one row in one transaction and one layout.

    They come as they are when nothing links them: the table was rewritten in between, or it is no
    heap.
    """
    if in_order(chain):
        return list(chain)
    lives = sorted(_lives(chain), key=_place_of_life)
    path = [entry for life in lives for entry in life]
    return path if len(path) == len(chain) and in_order(path) else list(chain)


def _lives(chain: Sequence[Entry]) -> list[list[Entry]]:
    """Link the changes from each insert, or from the version found, to the delete or the end."""
    after = {entry.old_ctid: entry for entry in chain if entry.old_ctid}
    made = {entry.new_ctid for entry in chain if entry.new_ctid}
    lives = []
    for first in chain:
        if first.old_ctid not in made:
            life = [first]
            while (place := life[-1].new_ctid) and place in after and len(life) < len(chain):
                life.append(after[place])
            lives.append(life)
    return lives


def _place_of_life(life: Sequence[Entry]) -> tuple[bool, bool, int]:
    """The version found comes first, the one that stays last, between them any order is as good."""
    return life[0].old_ctid is None, life[-1].new_ctid is not None, life[0].seq


def net(chain: Sequence[Entry]) -> tuple[Image, Image]:
    """Give a row's image before and after its changes in one transaction, at least one."""
    path = ordered(chain)
    return path[0].old, path[-1].new


def repaired(entries: Iterable[Entry]) -> list[Entry]:
    """Order a window's changes of each row; entries that are in order stay where they are.

    Entries come in the order of seq. A row's changes that were not in theirs change places among
    themselves.
    """
    result = list(entries)
    for places in _chains(result):
        path = ordered([result[place] for place in places])
        for place, entry in zip(places, path, strict=True):
            result[place] = entry
    return result


def _chains(entries: Sequence[Entry]) -> list[list[int]]:
    """Find the places of each row's changes in one transaction, between changes of its layout.

    A truncation or a change of layout waits until no statement uses the table, so nothing before
    it can be journaled after it.
    """
    chains: list[list[int]] = []
    current: dict[tuple[int, int, UUID | None, str], list[int]] = {}
    for place, entry in enumerate(entries):
        if entry.op == "T":
            for key in [key for key in current if key[1] == entry.relation]:
                del current[key]
        elif entry.row_id is not None:
            key = (entry.xid, entry.relation, entry.workspace_id, entry.row_id)
            chain = current.get(key)
            if chain is None or entries[chain[0]].layout != entry.layout:
                chain = current[key] = []
                chains.append(chain)
            chain.append(place)
    return chains
