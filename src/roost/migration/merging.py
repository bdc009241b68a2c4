"""A row and what the browser has of it made one, field by field."""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET

from roost.migration import merging_parts as parts
from roost.migration.content import Content, equal
from roost.migration.merging_messages import united
from roost.migration.merging_parts import Known, Side

_TEXT: Final = ("content", "contentType", "encoding")
#: Objects that are merged member by member, and which of their members likewise.
_OBJECTS: Final[dict[str, tuple[str, ...]]] = {"metadata": ("legacy",), "config": (), "value": ()}
_COMPLETION: Final = ("status", "completedAt")
_MOMENTS: Final = ("createdAt", "updatedAt")


class Base(msgspec.Struct, frozen=True):
    """What the user's last migration left in the row, and what the browser had then.

    A field that either does not have has no base. `messages` and `secrets` never have one.
    """

    row: Content
    source: Content


class Merged(msgspec.Struct):
    """What the row is to be, and what became of each field in which the two sides differed.

    `losing` has the value that lost. Of a field that is merged part by part it has the parts
    that lost, and of a field nothing of which was lost it has nothing. `changed` says whether
    the row is to be written at all.
    """

    content: Content
    chosen: dict[str, Literal["existing", "incoming", "both"]]
    losing: dict[str, Any]
    changed: bool


def merge(
    existing: Content,
    incoming: Content,
    base: Base | None,
    fields: Mapping[str, Side] = {},
) -> Merged:
    """Merge two contents of one row, by the choices in `fields` before any rule; its id stays.

    The moments in both are in `rowjson.stamp`'s form. A guessed one is to be replaced before:
    as the time of the import it would be newer than any.
    """
    work = _Merge(existing, incoming, base, fields)
    for name in dict.fromkeys((*existing, *incoming)):
        work.field(name)
    return Merged(work.content, work.chosen, work.losing, not equal(work.content, existing))


class _Merge:
    """A merge on its way."""

    def __init__(
        self, existing: Content, incoming: Content, base: Base | None, fields: Mapping[str, Side]
    ) -> None:
        self.existing, self.incoming, self.base, self.fields = existing, incoming, base, fields
        self.content: Content = {}
        self.chosen: dict[str, Literal["existing", "incoming", "both"]] = {}
        self.losing: dict[str, Any] = {}
        self.sides: dict[Side, Content] = {"existing": existing, "incoming": incoming}
        last = [str(content.get("updatedAt") or "") for content in self.sides.values()]
        self.newer: Side = "incoming" if "" < last[0] < last[1] else "existing"

    def field(self, name: str) -> None:
        """Decide on one field."""
        ours, theirs = self.existing.get(name, UNSET), self.incoming.get(name, UNSET)
        if parts.same(ours, theirs) or name == "id":
            self.content[name] = theirs if ours is UNSET else ours
        elif name in _MOMENTS and name not in self.fields:
            self._moment(name)
        elif name in self.fields or not self._in_parts(name, ours, theirs):
            self._whole(name, ours, theirs)

    def _moment(self, name: str) -> None:
        """Created when it first was, updated when it last was: neither loses anything."""
        known: list[Side] = [side for side, content in self.sides.items() if content.get(name)]
        pick = min if name == "createdAt" else max
        # Moments in one form are ordered as texts.
        side = pick(known, key=lambda each: str(self.sides[each][name])) if known else "existing"
        self.content[name] = self.sides[side].get(name)
        self.chosen[name] = side

    def _whole(self, name: str, ours: object, theirs: object) -> None:
        """Take the field from one side."""
        side = self._side(name)
        kept, gone = (ours, theirs) if side == "existing" else (theirs, ours)
        if kept is not UNSET:
            self.content[name] = kept
        if gone is not UNSET:
            self.losing[name] = gone
        self.chosen[name] = side

    def _side(self, name: str) -> Side:
        together = self._together(name)
        for each in self._asked(name):
            if each in self.fields:
                return self.fields[each]
        # A field that one side does not have says nothing against the other's.
        if any(each not in self.incoming for each in together):
            return "existing"
        if any(each not in self.existing for each in together):
            return "incoming"
        ours, theirs = (
            {each: side[each] for each in together} for side in (self.existing, self.incoming)
        )
        return parts.side_of(ours, theirs, self._known(together), self.newer)

    def _together(self, name: str) -> tuple[str, ...]:
        """The fields by which it is decided from where this one comes."""
        if name in _TEXT:
            # Under another one's encoding it would be another text.
            return tuple(each for each in _TEXT if each in self.existing or each in self.incoming)
        if name == "completedAt" and self._statuses_differ():
            return ("status",)
        return (name,)

    def _asked(self, name: str) -> tuple[str, ...]:
        """The fields for which the user may have chosen where this one comes from."""
        if name in _TEXT:
            return self._together(name)
        if name in _COMPLETION and self._statuses_differ():
            # Who names one of them only, means both: a pending task has no such moment.
            return (name, *(each for each in _COMPLETION if each != name))
        return (name,)

    def _statuses_differ(self) -> bool:
        status = (side.get("status", UNSET) for side in (self.existing, self.incoming))
        return not parts.same(*status)

    def _known(self, names: tuple[str, ...]) -> Known:
        base = self.base
        if base is None or any(each not in base.row or each not in base.source for each in names):
            return None
        row, source = ({each: side[each] for each in names} for side in (base.row, base.source))
        return row, source

    def _in_parts(self, name: str, ours: Any, theirs: Any) -> bool:  # noqa: ANN401 -- JSON
        """Put the field together from both sides, when it is one that can be."""
        known = self._known((name,))
        before: Known = None if known is None else (known[0][name], known[1][name])
        merged: Any
        lost: Any
        if name in _OBJECTS and isinstance(ours, dict) and isinstance(theirs, dict):
            before = parts.objects(before)
            merged, lost = parts.members(ours, theirs, before, self.newer, _OBJECTS[name])
        elif name == "labels" and isinstance(ours, list) and isinstance(theirs, list):
            merged, lost = parts.labels(ours, theirs, before)
        elif name == "messages" and isinstance(ours, list) and isinstance(theirs, list):
            merged, lost = united(ours, theirs)
            if merged is ours and not lost and len(ours) == len(theirs):
                # The same messages; they differ in what the row alone knows.
                self.content[name] = ours
                return True
        else:
            return False
        self.content[name] = merged
        if lost:
            self.losing[name] = lost
        if equal(merged, ours):
            self.chosen[name] = "existing"
        else:
            self.chosen[name] = "incoming" if equal(merged, theirs) else "both"
        return True
