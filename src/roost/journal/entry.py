"""What the journal holds: entries, and the layouts that give the fields of their images names."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from roost.journal.connection import Connection
from roost.journal.record import parse_record, restore_fields

Op = Literal["I", "U", "D", "T"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one row, or (op T) the truncation of a table.

    `old` and `new` are the row's images: record texts, whole, whose fields `layout` names.
    `row_id` is the key within relation and workspace: its column's text, or the record's of
    several. An update of key or workspace comes as two entries, D and I. `xid` has 64 bits. The
    ctids link the changes that one transaction made to a row (see `roost.journal.net`).
    """

    seq: int
    xid: int
    at: datetime
    actor_id: UUID | None
    cause: str | None
    workspace_id: UUID | None
    relation: int
    layout: int
    row_id: str | None
    op: Op
    old: str | None
    new: str | None
    old_ctid: tuple[int, int] | None
    new_ctid: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it was: `stored` is false for those left out of the images (always NULL there).

    `version` is the transaction that last changed its definition.
    """

    name: str
    attnum: int
    type: str
    version: int
    stored: bool
    large: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The fields of an image, in their order; `oid` is the table's, or the partition's."""

    id: int
    relation: int
    oid: int
    columns: tuple[Column, ...]

    def values(self, image: str) -> dict[str, str | None]:
        """Read an image: each stored column's output text, None for NULL.

        Raises ValueError when the image was not written in this layout.
        """
        fields = parse_record(image)
        if len(fields) != len(self.columns):
            msg = f"layout {self.id} has {len(self.columns)} columns, the image {len(fields)}"
            raise ValueError(msg)
        return {
            column.name: field
            for column, field in zip(self.columns, fields, strict=True)
            if column.stored
        }

    def positions(self, attnums: Iterable[int]) -> list[int]:
        """Where the columns of these numbers stand in an image, from 0."""
        wanted = set(attnums)
        return [at for at, column in enumerate(self.columns) if column.attnum in wanted]


async def load_layouts(connection: Connection, ids: Iterable[int]) -> dict[int, Layout]:
    """Read layouts; they never change, so they may be kept for good."""
    rows = await connection.fetch(
        "select id, relation, oid::bigint as oid, columns::text as columns"
        " from journal.layout where id = any($1::bigint[])",
        list(ids),
    )
    return {
        row["id"]: Layout(
            row["id"],
            row["relation"],
            row["oid"],
            tuple(Column(**column) for column in json.loads(row["columns"])),
        )
        for row in rows
    }


ENTRY_COLUMNS = (
    "seq, xid::text as xid, at, actor_id, cause, workspace_id, relation, layout, row_id,"
    " op::text as op, old, new, kept, old_ctid, new_ctid"
)
"""What `entries_of` needs of each row of journal.journal."""


async def entries_of(
    connection: Connection,
    rows: Iterable[Mapping[str, Any]],
    layouts: dict[int, Layout] | None = None,
) -> list[Entry]:
    """Make entries of rows of journal.journal, the old images whole again.

    `layouts` is the caller's cache; the ones that had to be read are added to it.
    """
    rows = list(rows)
    known = {} if layouts is None else layouts
    missing = {row["layout"] for row in rows if row["kept"]} - known.keys()
    if missing:
        known.update(await load_layouts(connection, missing))
    return [_entry(row, known) for row in rows]


def _entry(row: Mapping[str, Any], layouts: Mapping[int, Layout]) -> Entry:
    fields = dict(row)
    kept = fields.pop("kept")
    entry = Entry(**(fields | {"xid": int(fields["xid"])}))
    if not kept or entry.old is None or entry.new is None:
        return entry
    positions = layouts[entry.layout].positions(kept)
    return replace(entry, old=restore_fields(entry.old, entry.new, positions))
