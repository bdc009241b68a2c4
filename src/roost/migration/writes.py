"""The statements by which a migration is stored, carried out and ended."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.statements import Statement, compiled
from roost.migration.queries import IS_RUNNING, ITEM_COLUMNS, MIGRATION
from roost.migration.tables import migration_dumps, migration_items, migration_keys, migrations
from roost.migration.targets.target import USER, WORKSPACE, records

_m, _d, _k, _i = migrations.c, migration_dumps.c, migration_keys.c, migration_items.c
_STORED: Final = {wire: known for wire, known in ITEM_COLUMNS.items() if wire != "id"}

_this = (_m.workspace_id == WORKSPACE) & (_m.id == MIGRATION)
_of_this_item = (_i.workspace_id == WORKSPACE) & (_i.migration_id == MIGRATION)
_of_this_key = (_k.workspace_id == WORKSPACE) & (_k.migration_id == MIGRATION)
RECEIVE = compiled(
    "insert migrations",
    insert(migrations).values(
        workspace_id=WORKSPACE,
        id=MIGRATION,
        user_id=USER,
        state="received",
        origin=bindparam("origin", type_=Text),
        captured_at=bindparam("captured_at", type_=DateTime(timezone=True)),
        config=bindparam("config", type_=JSONB),
        progress=bindparam("progress", type_=JSONB),
        started_at=func.now(),
    ),
)
STORE_DUMP = compiled(
    "insert migration_dumps",
    insert(migration_dumps).values(
        workspace_id=WORKSPACE,
        id=bindparam("dump", type_=Uuid),
        migration_id=MIGRATION,
        sha256=bindparam("sha256", type_=LargeBinary),
        size=bindparam("size", type_=BigInteger),
        content=bindparam("content", type_=LargeBinary),
    ),
)
RUNNING_ONE = compiled(
    "select migrations.running",
    select(_m.id).where(_m.workspace_id == WORKSPACE, _m.user_id == USER, IS_RUNNING),
)
LOCK = compiled(
    "select migrations.lock",
    select(_m.state, _m.config, _m.progress, _m.error, _m.created_at, _m.version, _m.counts)
    .where(_this, _m.user_id == USER)
    .with_for_update(),
)
ADVANCE = compiled(
    "update migrations",
    update(migrations)
    .where(_this)
    .values(
        state=bindparam("state", type_=Text),
        progress=func.coalesce(bindparam("progress", type_=JSONB), _m.progress),
        counts=func.coalesce(bindparam("counts", type_=JSONB), _m.counts),
        error=func.coalesce(bindparam("error", type_=JSONB), _m.error),
        finished_at=func.coalesce(
            bindparam("finished_at", type_=DateTime(timezone=True)), _m.finished_at
        ),
        version=_m.version + 1,
        updated_at=func.now(),
    ),
)
CANCEL = compiled(
    "update migrations.cancel",
    update(migrations)
    .where(_this)
    .values(
        state="cancelled",
        version=_m.version + 1,
        finished_at=func.now(),
        updated_at=func.now(),
    ),
)
CLEAR_ITEMS = compiled(
    "delete migration_items",
    delete(migration_items).where(
        _of_this_item,
        _i.position >= bindparam("start", type_=Integer),
        _i.position < bindparam("stop", type_=Integer),
    ),
)
CLEAR_KEYS = compiled("delete migration_keys", delete(migration_keys).where(_of_this_key))


def _store_items() -> Statement:
    digest: ColumnElement[Any] = column("digest", Text)
    new = records({"id": _i.id, "digest": digest, **_STORED})
    hexadecimal: ColumnElement[str] = literal_column("'hex'", Text)
    rows = select(
        WORKSPACE,
        MIGRATION,
        new.c.id,
        func.decode(new.c.digest, hexadecimal),
        *(new.c[wire] for wire in _STORED),
    )
    names = [known.name for known in _STORED.values()]
    return compiled(
        "insert migration_items",
        insert(migration_items).from_select(
            ["workspace_id", "migration_id", "id", "digest", *names], rows
        ),
    )


STORE_ITEMS = _store_items()
_new_key = records(
    {
        "id": _k.id,
        "key": _k.key,
        "kind": _k.kind,
        "sha256": _k.sha256,
        "size": _k.size,
        "item_count": _k.item_count,
        "note": _k.note,
    }
)
STORE_KEYS = compiled(
    "insert migration_keys",
    insert(migration_keys).from_select(
        [
            "workspace_id",
            "migration_id",
            "id",
            "key",
            "kind",
            "sha256",
            "size",
            "item_count",
            "note",
        ],
        select(
            WORKSPACE,
            MIGRATION,
            *(
                _new_key.c[name]
                for name in ("id", "key", "kind", "sha256", "size", "item_count", "note")
            ),
        ),
    ),
)
KEYS_STORED = compiled(
    "update migration_keys", update(migration_keys).where(_of_this_key).values(stored=True)
)
PLANNED = compiled(
    "select migration_items.planned",
    select(
        _i.position,
        _i.kind,
        _i.target_id,
        _i.verdict,
        _i.resolution,
        _i.digest,
        cast(_i.conflict["version"], Text).label("version"),
        cast(_i.conflict["kept"], Text).label("kept"),
    )
    .where(
        _of_this_item,
        _i.position >= bindparam("start", type_=Integer),
        _i.position < bindparam("stop", type_=Integer),
    )
    .order_by(_i.position),
)
CONFLICTS = compiled(
    "select migration_items.conflicts",
    select(_i.kind, _i.target_id, _i.key, cast(_i.conflict, Text).label("conflict"))
    .where(
        _of_this_item,
        _i.resolution == "overwrite",
        _i.position >= bindparam("start", type_=Integer),
        _i.position < bindparam("stop", type_=Integer),
    )
    .order_by(_i.position),
)
COUNTS = compiled(
    "select migration_items.counts",
    select(_i.verdict, _i.resolution, func.count().label("number"))
    .where(_of_this_item)
    .group_by(_i.verdict, _i.resolution),
)
FIRST_INVALID = compiled(
    "select migration_items.invalid",
    select(_i.key, _i.kind, _i.field, _i.reason, _i.detail, _i.byte_offset, _i.position)
    .where(_of_this_item, _i.verdict == "invalid")
    .order_by(_i.position)
    .limit(1),
)
UNFINISHED = "select workspace_id, user_id, id from unfinished_migrations()"
CLAIM = "select pg_try_advisory_xact_lock(hashtextextended($1, 7266837383))"
HOLD = "set local idle_in_transaction_session_timeout = 0"
