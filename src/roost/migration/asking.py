"""The statements on conflicts that are asked about, and on their answers."""

from sqlalchemy import (
    Boolean,
    Integer,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.statements import compiled
from roost.migration.queries import MIGRATION
from roost.migration.tables import migration_items, migrations
from roost.migration.targets.target import WORKSPACE
from roost.migration.writes import IS_LATE

_m, _i = migrations.c, migration_items.c
_this = (_m.workspace_id == WORKSPACE) & (_m.id == MIGRATION)
_of_this_item = (_i.workspace_id == WORKSPACE) & (_i.migration_id == MIGRATION)
CHOICES = compiled(
    "select migration_items.choices",
    select(
        _i.position,
        _i.resolution,
        cast(_i.conflict["choice"], Text).label("fields"),
        cast(_i.conflict["version"], Text).label("version"),
    ).where(
        _of_this_item,
        _i.position >= bindparam("start", type_=Integer),
        _i.position < bindparam("stop", type_=Integer),
        _i.conflict["answered"].is_not(None),
    ),
)
_open = (_i.verdict == literal_column("'conflict'")) & _i.resolution.is_(None)
MARK_LATE = compiled(
    "update migration_items.late",
    update(migration_items)
    .where(_of_this_item, _open)
    .values(conflict=_i.conflict.op("||")(cast(literal_column("""'{"late": true}'"""), JSONB))),
)
LATE = compiled(
    "select migration_items.late",
    select(_i.position).where(_of_this_item, IS_LATE),
)
CHOOSE = compiled(
    "update migration_items.choice",
    update(migration_items)
    .where(
        _of_this_item,
        _i.verdict == literal_column("'conflict'"),
        or_(~bindparam("only_late", type_=Boolean), IS_LATE),
        or_(bindparam("item", type_=Uuid).is_(None), _i.id == bindparam("item", type_=Uuid)),
        or_(bindparam("kind", type_=Text).is_(None), _i.kind == bindparam("kind", type_=Text)),
        or_(bindparam("key", type_=Text).is_(None), _i.key == bindparam("key", type_=Text)),
    )
    .values(
        resolution=bindparam("resolution", type_=Text),
        conflict=(_i.conflict.op("-")(literal_column("'choice'"))).op("||")(
            bindparam("choice", type_=JSONB)
        ),
    )
    .returning(_i.id),
)
UNRESOLVED = compiled(
    "select migration_items.unresolved",
    select(func.count().label("number")).where(_of_this_item, _open),
)
_goes_on = bindparam("goes_on", type_=Boolean)
_only_late = bindparam("only_late", type_=Boolean)
CHOSEN = compiled(
    "update migrations.chosen",
    update(migrations)
    .where(_this)
    .values(
        counts=bindparam("counts", type_=JSONB),
        state=case(
            (_goes_on & _only_late, literal_column("'applying'", Text)),
            (_goes_on, literal_column("'received'", Text)),
            else_=_m.state,
        ),
        approved_at=case((_goes_on, func.now()), else_=_m.approved_at),
        finished_at=case((_goes_on, null()), else_=_m.finished_at),
        progress=case(
            (
                _goes_on & _only_late,
                _m.progress.op("||")(cast(literal_column("""'{"phase": "applying"}'"""), JSONB)),
            ),
            (_goes_on, cast(literal_column("""'{"phase": "received"}'"""), JSONB)),
            else_=_m.progress,
        ),
        version=_m.version + 1,
        updated_at=func.now(),
    ),
)
