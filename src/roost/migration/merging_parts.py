"""Fields of which either side may give a part: objects by member, labels one by one."""

from collections.abc import Collection
from typing import Any, Literal

from msgspec import UNSET

from roost.migration.content import Content, equal
from roost.migration.mapping.tasks import MAX_LABELS

Side = Literal["existing", "incoming"]
Known = tuple[Any, Any] | None
"""What a value was in the row and in the browser after the last migration; None: unknown."""


def same(left: object, right: object) -> bool:
    """JSON equality, where UNSET, for what is not there, equals nothing but itself."""
    return left is right if left is UNSET or right is UNSET else equal(left, right)


def side_of(existing: object, incoming: object, known: Known, newer: Side) -> Side:
    """Which of two values wins: the one that changed, or the newer side's where both did."""
    if known is not None:
        row, source = known
        if same(incoming, source):
            return "existing"
        return "incoming" if same(existing, row) else newer
    # Nobody knows that it was ever there on the other side: it was not removed.
    if incoming is UNSET:
        return "existing"
    return "incoming" if existing is UNSET else newer


def members(
    existing: Content,
    incoming: Content,
    known: Known,
    newer: Side,
    deeper: Collection[str] = (),
) -> tuple[Content, Content]:
    """One object out of two, and the members that lost; those in `deeper` are merged likewise."""
    merged: Content = {}
    lost: Content = {}
    for name in dict.fromkeys((*existing, *incoming)):
        ours, theirs = existing.get(name, UNSET), incoming.get(name, UNSET)
        before = None if known is None else tuple(each.get(name, UNSET) for each in known)
        kept: Any = ours
        gone: Any = UNSET
        if same(ours, theirs):
            pass
        elif name in deeper and isinstance(ours, dict) and isinstance(theirs, dict):
            kept, parts = members(ours, theirs, objects(before), newer)
            gone = parts or UNSET
        elif side_of(ours, theirs, before, newer) == "existing":
            gone = theirs
        else:
            kept, gone = theirs, ours
        if kept is not UNSET:
            merged[name] = kept
        if gone is not UNSET:
            lost[name] = gone
    return merged, lost


def objects(known: Known) -> Known:
    """What is known of an object's members; an object that was not there had none."""
    if known is None:
        return None
    row, source = ({} if each is UNSET else each for each in known)
    return (row, source) if isinstance(row, dict) and isinstance(source, dict) else None


def labels(existing: list[str], incoming: list[str], known: Known) -> tuple[list[str], list[str]]:
    """Everything that either side has, less what either has removed; and what that leaves out.

    Incoming ones that a task can't have besides its own are left out too.
    """
    new = set(incoming)
    removed: set[str] = set()
    if known is not None:
        row, source = map(set, known)
        removed = (row - set(existing)) | (source - new)
        # What the row did without then, it does without now.
        new -= source
    kept = [label for label in existing if label not in removed]
    more = new - removed - set(kept)
    added = [label for label in dict.fromkeys(incoming) if label in more]
    merged = kept + added[: max(0, MAX_LABELS - len(kept))]
    present = set(merged)
    everything = dict.fromkeys((*existing, *incoming))
    return merged, [label for label in everything if label not in present]
