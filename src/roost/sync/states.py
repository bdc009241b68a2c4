"""A tenant's tables as they were at earlier moments, told from the present and the journal.

A moment is what a tick sees together with what a shape's snapshot saw. In a transaction whose
snapshot is newer, the rows that have changed since are taken out, and put back as they were.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from roost.journal.entry import ENTRY_COLUMNS, Entry, Layout, entries_of, load_layouts
from roost.journal.net import net
from roost.sync.catalog import Relation
from roost.sync.identifiers import quoted
from roost.sync.matching import fitted, rows_of, same_row

_HERE, _LATER, _THEN = "roost_here", "roost_later", "roost_then"
"""Names that no table of anybody's has."""
Sees = Callable[[int], bool]
"""Whether a transaction had ended at a moment, by its id."""


@dataclass(slots=True)
class Undone:
    """What of a table has changed since a moment: an image of each row, and those as they were."""

    changed: list[str] = field(default_factory=list)
    earlier: list[str] = field(default_factory=list)

    def sql(self, relation: Relation, arrays: tuple[str, str]) -> str:
        """SQL of the table at the moment; `arrays` are the places of both lists."""
        if not self.changed:
            return relation.sql
        names = [quoted(each.name) for each in relation.columns]
        here, then = (", ".join(f"{side}.{name}" for name in names) for side in (_HERE, _THEN))
        return (
            f"(select {here} from {relation.sql} as {_HERE} where not exists ("  # noqa: S608 -- quoted names
            f"select from {rows_of(relation, arrays[0], _LATER)}"
            f" where {same_row(relation, _LATER, _HERE)})"
            f" union all select {then} from {rows_of(relation, arrays[1], _THEN)})"
        )


class Present:
    """What has changed since the earliest moment asked about, as one transaction sees it."""

    def __init__(self, entries: Sequence[Entry], layouts: Mapping[int, Layout]) -> None:
        self._layouts = layouts
        self._chains: dict[int, dict[str, list[list[Entry]]]] = {}
        chains: dict[tuple[int, str, int], list[Entry]] = {}
        for entry in entries:
            if entry.row_id is not None:
                chains.setdefault((entry.relation, entry.row_id, entry.xid), []).append(entry)
        # In the order of each chain's last change: who waits for a row's lock writes after it.
        ordered = sorted(chains.items(), key=lambda each: each[1][-1].seq)
        for (relation, row_id, _), chain in ordered:
            self._chains.setdefault(relation, {}).setdefault(row_id, []).append(chain)

    @classmethod
    async def read(
        cls,
        connection: Any,  # noqa: ANN401 -- asyncpg's
        after: int,
        workspace_id: UUID | None,
        layouts: dict[int, Layout],
    ) -> "Present":
        """Read what tick `after` does not see; within a repeatable-read transaction."""
        rows = await connection.fetch(
            f"select {ENTRY_COLUMNS} from journal.since($1, $2)",  # noqa: S608 -- constants
            after,
            workspace_id,
        )
        entries = await entries_of(connection, rows, layouts)
        missing = {entry.layout for entry in entries} - layouts.keys()
        if missing:
            layouts.update(await load_layouts(connection, missing))
        return cls(entries, layouts)

    def undone(self, relation: Relation, sees: Sees) -> Undone:
        """What must be undone of a table to have it as it was at a moment."""
        undone = Undone()
        for chains in self._chains.get(relation.journaled or 0, {}).values():
            later = [chain for chain in chains if not sees(chain[0].xid)]
            if not later:
                continue
            before, _ = net(later[0])
            _, after = net(later[-1])
            layout = self._layouts[later[0][0].layout]
            if before is not None:
                undone.earlier.append(fitted(relation, layout, before))
            present = after if after is not None else before
            if present is not None:
                undone.changed.append(
                    fitted(relation, self._layouts[later[-1][-1].layout], present)
                )
        return undone
