"""A cause taken back: each row as it was before it, unless somebody has worked on it since."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from roost.migration.reversal.changes import Change, Edit, Reader, Row, Values
from roost.migration.reversal.rows import PARTS, Rows

_WHOLE_OF: Final = {part: whole for whole, (part, _) in PARTS.items()}
_OWNER: Final = dict(PARTS.values())
# What hangs on something goes after it and comes before it.
_ORDER: Final = ("environments", "tasks", "documents", "kept_secrets")


class Unit(msgspec.Struct):
    """A row with what hangs on it, which go together: a task and its messages."""

    table: str
    id: str
    change: Change | None = None
    parts: list[Change] = []
    members: set[str] = set()
    added: set[str] = set()
    edit: Edit | None = None

    @property
    def is_new(self) -> bool:
        """Whether the cause made it."""
        return self.change is not None and self.change.before is None


class Reversed(msgspec.Struct):
    """What was done: rows removed, rows put back, and the units that were kept."""

    removed: int = 0
    restored: int = 0
    kept: list[Unit] = []


async def units_of(rows: Rows, changes: Iterable[Change]) -> dict[Row, Unit]:
    """Put changes together with what they hang on."""
    units: dict[Row, Unit] = {}
    parts: dict[str, list[Change]] = {part: [] for part in _WHOLE_OF}
    for change in changes:
        if change.table in parts:
            parts[change.table].append(change)
        else:
            units[change.table, change.id] = Unit(change.table, change.id, change)
    for part, found in parts.items():
        table = _WHOLE_OF[part]
        present = await rows.wholes(part, [each.id for each in found])
        for change in found:
            before = change.before or {}
            whole = present.get(change.id) or before.get(_OWNER[part])
            if whole is not None:
                unit = units.setdefault((table, whole), Unit(table, whole))
                unit.parts.append(change)
    return units


async def _hold(rows: Rows, units: dict[Row, Unit]) -> None:
    """Lock all that the units are made of: an edit is committed before that, or waits.

    What hangs on a row is looked for when nothing more can be hung on it.
    """
    for table in _ORDER:
        wholes = [each.id for each in units.values() if each.table == table]
        await rows.lock(table, wholes)
        if table in PARTS:
            part = PARTS[table][0]
            members = await rows.members(part, wholes)
            for member, whole in members.items():
                units[table, whole].members.add(member)
            await rows.lock(part, members)


async def reverse(
    reader: Reader, rows: Rows, own: Sequence[str], *, force: bool = False
) -> Reversed:
    """Take the reader's causes back; what others than `own` have changed since stays.

    With `force` it is taken back too.
    """
    result = Reversed()
    for xid, last in await reader.transactions():
        units = await units_of(rows, await reader.changes(xid))
        await _hold(rows, units)
        await _find_edits(reader, units, last, own)
        kept = [each for each in units.values() if each.edit is not None and not force]
        result.kept += kept
        going = [each for each in units.values() if each.edit is None or force]
        for table in reversed(_ORDER):
            result.removed += await _remove(rows, table, going)
        for table in _ORDER:
            result.restored += await _put(rows, table, going)
    return result


async def _find_edits(
    reader: Reader, units: dict[Row, Unit], last: int, own: Sequence[str]
) -> None:
    places: dict[Row, Unit] = {}
    for unit in units.values():
        places[unit.table, unit.id] = unit
        if unit.table in PARTS:
            part = PARTS[unit.table][0]
            for member in (*(each.id for each in unit.parts), *unit.members):
                places[part, member] = unit
    for row, edit in (await reader.later(places, last, own)).items():
        if row not in places:  # another table's row of that id
            continue
        unit = places[row]
        if unit.edit is None or unit.edit.at < edit.at:
            unit.edit = edit
        if edit.is_new and row[0] != unit.table:
            unit.added.add(row[1])


async def _remove(rows: Rows, table: str, units: Sequence[Unit]) -> int:
    here = [each for each in units if each.table == table]
    gone = await rows.remove(table, [each.id for each in here if each.is_new])
    if table in PARTS:
        part = PARTS[table][0]
        staying = [each for each in here if not each.is_new]
        changed = {each.id for unit in staying for each in unit.parts}
        added = {member for unit in staying for member in unit.added}
        await rows.remove(part, sorted(changed | added))
    return gone


async def _put(rows: Rows, table: str, units: Sequence[Unit]) -> int:
    here = [each for each in units if each.table == table and not each.is_new]
    befores = [each.change.before for each in here if each.change and each.change.before]
    done = await rows.put(table, befores)
    if table in PARTS:
        parts: list[Values] = [
            each.before for unit in here for each in unit.parts if each.before is not None
        ]
        await rows.put(PARTS[table][0], parts)
    return done
