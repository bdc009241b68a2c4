"""What somebody else has done to rows since a migration wrote them, as the journal has it."""

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import ARRAY, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.dialects.postgresql import distinct_on

from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.journal.tables import journal, relation
from roost.migration.targets.target import WORKSPACE, Place

_RELATIONS: Final = {
    "task": "tasks",
    "environment": "environments",
    "document": "documents",
    "secret": "kept_secrets",
}
_j, _r = journal.c, relation.c
_CAUSE: Any = bindparam("cause", type_=Text)
_of_the_table: Any = (_j.workspace_id == WORKSPACE) & (
    _j.relation
    == select(_r.id)
    .where(
        _r.schema == literal_column("'public'"),
        cast(_r.name, Text) == bindparam("table", type_=Text),
    )
    .scalar_subquery()
)
_latest: Any = (
    select(_j.row_id, cast(_j.op, Text).label("op"), _j.cause)
    .ext(distinct_on(_j.row_id))
    .where(
        _of_the_table,
        _j.row_id == func.any(bindparam("rows", type_=ARRAY(Text))),
    )
    .order_by(_j.row_id, _j.seq.desc())
    .subquery("latest")
)
_REMOVED: Final = compiled(
    "select journal.removed",
    select(_latest.c.row_id).where(
        _latest.c.op == literal_column("'D'"),
        _latest.c.cause.is_distinct_from(_CAUSE),
    ),
)
_own = journal.alias("own")
_CHANGED: Final = compiled(
    "select journal.changed_by_others",
    select(
        select(_j.seq)
        .where(
            _of_the_table,
            _j.cause.is_distinct_from(_CAUSE),
            _j.seq
            > select(func.min(_own.c.seq))
            .where(_own.c.workspace_id == WORKSPACE, _own.c.cause == _CAUSE)
            .scalar_subquery(),
        )
        .exists()
        .label("is_changed")
    ),
)


async def removed_by_others(
    transaction: Transaction, place: Place, target: str, ids: Collection[str]
) -> set[str]:
    """Those of a target's rows whose last change was that somebody removed them."""
    if not ids or target not in _RELATIONS:
        return set()
    rows = await transaction.rows(
        _REMOVED,
        workspace=place.workspace_id,
        table=_RELATIONS[target],
        rows=list(ids),
        cause=str(place.migration_id),
    )
    return {row["row_id"] for row in rows}


async def is_changed_by_others(transaction: Transaction, place: Place, target: str) -> bool:
    """Whether somebody else has written to a target's table since the migration first did."""
    row = await transaction.row(
        _CHANGED,
        workspace=place.workspace_id,
        table=_RELATIONS[target],
        cause=str(place.migration_id),
    )
    return bool(row and row["is_changed"])
