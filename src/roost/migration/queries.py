"""The statements on migrations, their dumps, items and receipts."""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    column,
    delete,
    func,
    insert,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.jsontext import array_text, object_text, rows_text
from roost.db.keyset import Key, Ordering, after, page
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.migration.model import RUNNING
from roost.migration.tables import migration_dumps, migration_items, migration_keys, migrations
from roost.migration.targets.target import USER, WORKSPACE, records
from roost.web.paging import COUNT_CAP

_m, _d, _k, _i = migrations.c, migration_dumps.c, migration_keys.c, migration_items.c
_MIGRATION: Final = bindparam("migration", type_=Uuid)
_is_running: Final = _m.state.in_(
    [literal_column(f"'{name}'", Text) for name in sorted(state.value for state in RUNNING)]
)
LISTED: Final = 100
"""So many migrations, the newest, are listed."""

WIRE: Final[dict[str, Any]] = {
    "id": _m.id,
    "state": _m.state,
    "origin": _m.origin,
    "capturedAt": _m.captured_at,
    "config": _m.config,
    "counts": _m.counts,
    "progress": _m.progress,
    "error": _m.error,
    "createdAt": _m.created_at,
    "startedAt": _m.started_at,
    "finishedAt": _m.finished_at,
}
_ITEM: Final[dict[str, Any]] = {
    "id": _i.id,
    "key": _i.key,
    "kind": _i.kind,
    "sourceId": _i.source_id,
    "targetId": _i.target_id,
    "verdict": _i.verdict,
    "reason": _i.reason,
    "field": _i.field,
    "detail": _i.detail,
    "offset": _i.byte_offset,
    "warnings": _i.warnings,
    "conflict": _i.conflict,
    "resolution": _i.resolution,
    "position": _i.position,
}
_STORED: Final[dict[str, Any]] = {
    "position": _i.position,
    "key": _i.key,
    "kind": _i.kind,
    "sourceId": _i.source_id,
    "targetId": _i.target_id,
    "verdict": _i.verdict,
    "reason": _i.reason,
    "field": _i.field,
    "detail": _i.detail,
    "offset": _i.byte_offset,
    "warnings": _i.warnings,
    "conflict": _i.conflict,
    "resolution": _i.resolution,
}

# --- Reading for a route ------------------------------------------------------------------------
_mine = (_m.workspace_id == TENANT_ID) & (_m.user_id == USER_ID)
_one = _mine & (_m.id == _MIGRATION)
ITEM = tenant_read(
    "select migrations.item",
    select(object_text(WIRE).label("body"), _m.version, _m.state).where(_one),
)
LIST = tenant_read(
    "select migrations.list",
    select(
        array_text(literal_column("newest.body", Text)).label("items"),
        func.max(literal_column("newest.running", Text)).label("running"),
    ).select_from(
        select(
            object_text(WIRE).label("body"),
            case((_is_running, cast(_m.id, Text))).label("running"),
        )
        .where(_mine)
        .order_by(_m.created_at.desc(), _m.id.desc())
        .limit(LISTED)
        .subquery("newest")
    ),
)
DUMP = tenant_read(
    "select migration_dumps",
    select(_d.content, _d.sha256, _d.size, _m.origin)
    .join(_m.id.table, (_m.workspace_id == _d.workspace_id) & (_m.id == _d.migration_id))
    .where(_one, _d.workspace_id == TENANT_ID),
)
_receipt_keys = (
    select(
        _k.key,
        _k.kind,
        _k.sha256,
        _k.size.label("bytes"),
        _k.item_count.label("items"),
        _k.note,
        _k.stored,
    )
    .where(_k.workspace_id == TENANT_ID, _k.migration_id == _MIGRATION)
    .order_by(_k.key)
)
RECEIPT = tenant_read(
    "select migration_keys",
    select(rows_text(_receipt_keys).label("keys"), _m.state, _d.sha256, _d.size, _m.version)
    .join(_d.id.table, (_m.workspace_id == _d.workspace_id) & (_m.id == _d.migration_id))
    .where(_one),
)

_CONDITIONS: Final[dict[str, ColumnElement[bool]]] = {
    "verdict": _i.verdict == func.any(bindparam("verdict", type_=ARRAY(Text))),
    "kind": _i.kind == func.any(bindparam("kind", type_=ARRAY(Text))),
    "key": _i.key == bindparam("key", type_=Text),
}


def _item_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    names = {wire: known.name for wire, known in _ITEM.items()}
    shown = {wire: columns[name] for wire, name in names.items()}
    # The sealed secrets of what was overwritten are for putting them back, not for showing.
    shown["conflict"] = columns["conflict"].op("#-")(text("'{existing,sealed}'"))
    shown["conflict"] = cast(shown["conflict"], JSONB)
    return object_text(shown)


@lru_cache(maxsize=SHAPES)
def items_page(filters: tuple[str, ...], *, by_cursor: bool) -> Statement:
    """Give the statement of a page of items, in their order. Places: the filters', and paging."""
    matching = (_i.workspace_id == TENANT_ID) & (_i.migration_id == _MIGRATION)
    for name in filters:
        matching &= _CONDITIONS[name]
    rows = select(*(known for known in _ITEM.values())).where(matching)
    keys = [Key(Ordering(_i.position), descending=False)]
    if by_cursor:
        rows = rows.where(after(keys))
    items, cursor, source = page(rows, keys, _item_json, with_offset=not by_cursor)
    counted = select(literal_column("1")).where(matching).limit(COUNT_CAP + 1).subquery("counted")
    known = select(_m.id).where(_one).scalar_subquery()
    return tenant_read(
        "select migration_items.page",
        select(
            items.label("items"),
            cursor.label("cursor"),
            select(func.count()).select_from(counted).scalar_subquery().label("total"),
            known.label("migration"),
        ).select_from(source),
    )


def _report() -> Statement:
    ours = (_i.workspace_id == TENANT_ID) & (_i.migration_id == _MIGRATION)
    numbers = (
        select(_i.kind, _i.verdict, func.count().label("number"))
        .where(ours)
        .group_by(_i.kind, _i.verdict)
        .subquery("numbers")
    )
    kinds = select(
        func.json_agg(func.json_build_array(numbers.c.kind, numbers.c.verdict, numbers.c.number))
    ).scalar_subquery()
    shown = (
        "key",
        "kind",
        "sourceId",
        "targetId",
        "verdict",
        "reason",
        "field",
        "detail",
        "offset",
    )
    problems = (
        select(*(_ITEM[name].label(name) for name in shown), _i.resolution)
        .where(ours, _i.verdict.in_([literal_column("'invalid'"), literal_column("'conflict'")]))
        .order_by(_i.position)
    )
    return tenant_read(
        "select migrations.report",
        select(
            object_text(WIRE).label("body"),
            func.coalesce(cast(kinds, Text), "[]").label("kinds"),
            rows_text(problems).label("problems"),
        ).where(_one),
    )


REPORT = _report()


# --- Writing ------------------------------------------------------------------------------------
_this = (_m.workspace_id == WORKSPACE) & (_m.id == _MIGRATION)
_of_this_item = (_i.workspace_id == WORKSPACE) & (_i.migration_id == _MIGRATION)
_of_this_key = (_k.workspace_id == WORKSPACE) & (_k.migration_id == _MIGRATION)
RECEIVE = compiled(
    "insert migrations",
    insert(migrations).values(
        workspace_id=WORKSPACE,
        id=_MIGRATION,
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
        migration_id=_MIGRATION,
        sha256=bindparam("sha256", type_=LargeBinary),
        size=bindparam("size", type_=BigInteger),
        content=bindparam("content", type_=LargeBinary),
    ),
)
RUNNING_ONE = compiled(
    "select migrations.running",
    select(_m.id).where(_m.workspace_id == WORKSPACE, _m.user_id == USER, _is_running),
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
        _MIGRATION,
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
            _MIGRATION,
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
