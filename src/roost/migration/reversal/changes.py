"""What a cause has changed, as the journal has it: row by row, a transaction at a time."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    DateTime,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    select,
)

from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.journal.entry import Entry, Layout, entries_of, load_layouts
from roost.journal.net import net
from roost.journal.tables import Xid8, journal, relation
from roost.migration.targets.target import WORKSPACE

RELATIONS: Final = (
    "environments",
    "environment_secrets",
    "tasks",
    "messages",
    "documents",
    "kept_secrets",
)
"""Tables whose rows a migration writes and the journal has, whole but for sealed values."""

Row = tuple[str, str]
"""A row: its table, its id."""
Values = dict[str, str | None]
"""A row's columns, each as its type's own text."""

_j, _r = journal.c, relation.c
_CAUSES: Final = bindparam("causes", type_=ARRAY(Text))
_RELATIONS: Final = bindparam("relations", type_=ARRAY(BigInteger))
_ours: Final = (_j.workspace_id == WORKSPACE) & (_j.relation == func.any(_RELATIONS))
_KNOWN: Final = compiled(
    "select journal.relation",
    select(_r.id, cast(_r.name, Text).label("name")).where(
        _r.schema == literal_column("'public'"),
        cast(_r.name, Text) == func.any(bindparam("names", type_=ARRAY(Text))),
    ),
)
_TRANSACTIONS: Final = compiled(
    "select journal.transactions",
    select(cast(_j.xid, Text).label("xid"), func.max(_j.seq).label("last"))
    .where(
        _ours,
        _j.cause == func.any(_CAUSES),
        _j.at >= bindparam("since", type_=DateTime(timezone=True)),
    )
    .group_by(_j.xid)
    .order_by(func.max(_j.seq).desc()),
)
_ENTRIES: Final = compiled(
    "select journal.entries",
    select(
        _j.seq,
        cast(_j.xid, Text).label("xid"),
        _j.at,
        _j.actor_id,
        _j.cause,
        _j.workspace_id,
        _j.relation,
        _j.layout,
        _j.row_id,
        cast(_j.op, Text).label("op"),
        _j.old,
        # Of rows that were new, it is enough to know that they were.
        case(
            (_j.old.is_not(None) | _j.new.is_(None), _j.new), else_=literal_column("''", Text)
        ).label("new"),
        _j.kept,
        _j.old_ctid,
        _j.new_ctid,
    )
    .where(
        _ours,
        _j.cause == func.any(_CAUSES),
        _j.xid == cast(cast(bindparam("xid", type_=Text), Text), Xid8()),
    )
    .order_by(_j.seq),
)
_LATER: Final = compiled(
    "select journal.later",
    select(_j.relation, _j.row_id, cast(_j.op, Text).label("op"), _j.at, _j.actor_id)
    .where(
        _ours,
        _j.row_id == func.any(bindparam("rows", type_=ARRAY(Text))),
        _j.seq > bindparam("last", type_=BigInteger),
        _j.cause.is_(None) | (_j.cause != func.all(_CAUSES)),
    )
    .order_by(_j.seq),
)


class Change(msgspec.Struct):
    """One row before and after: `before` None says that it was new, `is_there` that it stayed."""

    table: str
    id: str
    before: Values | None
    is_there: bool


class Edit(msgspec.Struct, frozen=True):
    """When somebody else has last changed a row since, and who; `is_new`: they made it."""

    at: datetime
    by: UUID | None
    is_new: bool


class Reader:
    """Reads the changes of `causes` in one workspace; `since` (aware) is before the first."""

    def __init__(
        self, transaction: Transaction, workspace_id: UUID, causes: Sequence[str], since: datetime
    ) -> None:
        self._transaction = transaction
        self._values: dict[str, Any] = {"workspace": workspace_id}
        self._causes = list(causes)
        self._since = since
        self._names: dict[int, str] = {}
        self._layouts: dict[int, Layout] = {}

    async def transactions(self) -> list[tuple[str, int]]:
        """The transactions that changed rows for the causes, last first, with their last seq."""
        known = await self._transaction.rows(_KNOWN, names=list(RELATIONS))
        self._names = {row["id"]: row["name"] for row in known}
        self._values["relations"] = list(self._names)
        rows = await self._transaction.rows(
            _TRANSACTIONS, **self._values, causes=self._causes, since=self._since
        )
        return [(row["xid"], row["last"]) for row in rows]

    async def changes(self, xid: str) -> list[Change]:
        """What a transaction made of each row: of those that it changed in the end."""
        rows = await self._transaction.rows(_ENTRIES, **self._values, causes=self._causes, xid=xid)
        connection = self._transaction.connection
        found_rows = [dict(row) for row in rows]
        chains: dict[Row, list[Entry]] = {}
        for entry in await entries_of(connection, found_rows, self._layouts):
            chains.setdefault((self._names[entry.relation], str(entry.row_id)), []).append(entry)
        found = []
        for (table, row_id), chain in chains.items():
            before, after = net(chain)
            if before is None and after is None:
                continue
            values = None if before is None else await self._read(before, chain[0].layout)
            found.append(Change(table, row_id, values, after is not None))
        return found

    async def _read(self, image: str, layout: int) -> Values:
        if layout not in self._layouts:
            self._layouts |= await load_layouts(self._transaction.connection, [layout])
        return self._layouts[layout].values(image)

    async def later(self, rows: Iterable[Row], last: int, own: Sequence[str]) -> Mapping[Row, Edit]:
        """Which of the rows somebody else has changed after `last`, and when and who."""
        entries = await self._transaction.rows(
            _LATER, **self._values, rows=[row_id for _, row_id in rows], last=last, causes=list(own)
        )
        found: dict[Row, Edit] = {}
        for each in entries:
            row = (self._names[each["relation"]], each["row_id"])
            is_new = each["op"] == "I" if row not in found else found[row].is_new
            found[row] = Edit(each["at"], each["actor_id"], is_new)
        return found
