"""What both sides of a merge come from: a row as the user's last migration left it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import ARRAY, Text, Uuid, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from roost.db.jsontext import object_text
from roost.db.pool import Transaction
from roost.db.statements import Statement, compiled
from roost.journal.entry import load_layouts
from roost.journal.tables import journal, relation
from roost.migration.conflicts import Conflict
from roost.migration.content import Content, encode
from roost.migration.merging import Base
from roost.migration.reversal.rows import as_json
from roost.migration.tables import migration_items, migrations
from roost.migration.targets import documents, environments, tasks
from roost.migration.targets.registry import table_of
from roost.migration.targets.target import IDS, USER, WORKSPACE, Place, records

_j, _r, _m, _i = journal.c, relation.c, migrations.c, migration_items.c
_FIELDS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "task": ("tasks", tasks.FIELDS),
    "environment": ("environments", environments.FIELDS),
    "document": ("documents", documents.FIELDS),
}
_own: Final = select(cast(_m.id, Text)).where(
    _m.workspace_id == WORKSPACE, _m.user_id == USER, _m.state == literal_column("'completed'")
)
_LAST: Final = compiled(
    "select journal.base",
    select(_j.row_id, _j.cause, _j.layout, _j.new)
    .ext(distinct_on(_j.row_id))
    .where(
        _j.workspace_id == WORKSPACE,
        _j.relation.in_(
            select(_r.id).where(
                _r.schema == literal_column("'public'"),
                cast(_r.name, Text) == bindparam("name", type_=Text),
            )
        ),
        _j.row_id == func.any(cast(IDS, ARRAY(Text))),
        _j.cause.in_(_own),
        _j.new.is_not(None),
    )
    .order_by(_j.row_id, _j.at.desc(), _j.seq.desc()),
)
_MERGED: Final = compiled(
    "select migration_items.merged",
    select(
        cast(_i.migration_id, Text).label("cause"),
        _i.target_id,
        cast(_i.conflict["incoming"], Text).label("incoming"),
        cast(_i.conflict["kept"], Text).label("kept"),
    ).where(
        _i.workspace_id == WORKSPACE,
        _i.migration_id == func.any(bindparam("migrations", type_=ARRAY(Uuid))),
        _i.target_id == func.any(IDS),
        _i.resolution == literal_column("'merge'"),
    ),
)


def _read(fields: dict[str, Any]) -> Statement:
    """Contents out of rows that are given by their columns' texts."""
    new = records({known.name: known for known in fields.values()} | {"id": _i.id})
    shown = {wire: new.c[known.name] for wire, known in fields.items()}
    return compiled("select rows.read", select(new.c.id, object_text(shown).label("body")))


_READ: Final = {table: _read(fields) for table, (_, fields) in _FIELDS.items()}


async def bases_of(
    transaction: Transaction, place: Place, conflicts: Sequence[Conflict]
) -> dict[str, Base]:
    """The bases that the journal has, by the row's id."""
    found: dict[str, Base] = {}
    for table, (name, fields) in _FIELDS.items():
        ids = [str(each.item.target_id) for each in conflicts if table_of(each.item) == table]
        if ids:
            found |= await _of_table(transaction, place, ids, name, _READ[table], fields)
    return found


async def _of_table(  # noqa: PLR0913, PLR0917 -- what a table is made of
    transaction: Transaction,
    place: Place,
    ids: Sequence[str],
    name: str,
    read: Statement,
    fields: dict[str, Any],
) -> dict[str, Base]:
    this = {"workspace": place.workspace_id, "user": place.user_id, "ids": ids}
    rows = await transaction.rows(_LAST, **this, name=name)
    layouts = await load_layouts(transaction.connection, {row["layout"] for row in rows})
    known = {column.name for column in fields.values()} | {"id"}
    values = []
    for row in rows:
        images = layouts[row["layout"]].values(row["new"])
        if known <= images.keys():  # or the table has changed since
            values.append(as_json(name, {column: images[column] for column in known}))
    if not values:
        return {}
    read_rows = await transaction.rows(read, rows=encode(values).decode())
    contents = {str(row["id"]): msgspec.json.decode(row["body"], type=Content) for row in read_rows}
    causes = {row["row_id"]: row["cause"] for row in rows}
    merged = await transaction.rows(
        _MERGED,
        workspace=place.workspace_id,
        migrations=list(set(causes.values())),
        ids=list(contents),
    )
    overlaid = {(row["cause"], str(row["target_id"])): row for row in merged}
    return {
        row_id: Base(content, _source(content, overlaid.get((causes[row_id], row_id))))
        for row_id, content in contents.items()
    }


def _source(row: Content, merged: Any) -> Content:  # noqa: ANN401 -- a record
    """What the browser had: the row, but for the fields in which a merge left the row another."""
    if merged is None or merged["kept"] is None:
        return row
    incoming = msgspec.json.decode(merged["incoming"])
    kept = msgspec.json.decode(merged["kept"])
    return row | {name: incoming[name] for name in kept if name in incoming and name in row}
