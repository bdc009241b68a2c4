"""The statements on migrations, their dumps, items and receipts."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    literal_column,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.jsontext import array_text, object_text, rows_text
from roost.db.keyset import Ordering
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.migration.model import RUNNING
from roost.migration.tables import migration_dumps, migration_items, migration_keys, migrations
from roost.web.lists import Listing

_m, _d, _k, _i = migrations.c, migration_dumps.c, migration_keys.c, migration_items.c
MIGRATION: Final = bindparam("migration", type_=Uuid)
_after, _most = bindparam("after", type_=Integer), bindparam("most", type_=Integer)
IS_RUNNING: Final = _m.state.in_(
    [literal_column(f"'{name}'", Text) for name in sorted(state.value for state in RUNNING)]
)
LISTED: Final = 100
"""So many migrations, the newest, are listed on a page for people."""
CLAIM_SEED: Final = 7266837383
"""What the claim of a user and workspace is hashed with; all processes of a database agree."""

WIRE: Final[dict[str, Any]] = {
    "id": _m.id,
    "state": _m.state,
    "origin": _m.origin,
    "capturedAt": _m.captured_at,
    "config": _m.config,
    "counts": _m.counts,
    "progress": _m.progress,
    "error": _m.error,
    "undo": _m.undo,
    "createdAt": _m.created_at,
    "startedAt": _m.started_at,
    "finishedAt": _m.finished_at,
}
ITEM_COLUMNS: Final[dict[str, Any]] = {
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

_mine = (_m.workspace_id == TENANT_ID) & (_m.user_id == USER_ID)
_one = _mine & (_m.id == MIGRATION)
ITEM = tenant_read(
    "select migrations.item",
    select(object_text(WIRE).label("body"), _m.version, _m.state).where(_one),
)
LIST = tenant_read(
    "select migrations.list",
    select(array_text(literal_column("newest.body", Text)).label("items")).select_from(
        select(object_text(WIRE).label("body"))
        .where(_mine)
        .order_by(_m.created_at.desc(), _m.id.desc())
        .limit(LISTED)
        .subquery("newest")
    ),
)
_claim_key: ColumnElement[int] = func.hashtextextended(
    func.concat(
        literal_column("'migration:'"),
        literal_column("tenant.workspace_id"),
        literal_column("':'"),
        literal_column("tenant.user_id"),
    ),
    literal_column(str(CLAIM_SEED)),
    type_=BigInteger,
)
# An advisory lock's 64 bits are two columns of 32.
_is_claimed: ColumnElement[bool] = (
    select(literal_column("1"))
    .select_from(text("pg_locks"))
    .where(
        text("locktype = 'advisory' and granted and objsubid = 1"),
        text("database = (select oid from pg_database where datname = current_database())"),
        cast(literal_column("classid"), BigInteger)
        == _claim_key.op(">>")(literal_column("32")).op("&")(literal_column("4294967295")),
        cast(literal_column("objid"), BigInteger)
        == _claim_key.op("&")(literal_column("4294967295")),
    )
    .exists()
)


def _migration_json(columns: Any) -> ColumnElement[str]:  # noqa: ANN401 -- a column collection
    return object_text({wire: columns[known.name] for wire, known in WIRE.items()})


OVERVIEW = Listing(
    name="migrations.page",
    rows=select().select_from(migrations).where(_mine),
    fields={known.name: known for known in WIRE.values()},
    unique=_m.id,
    orderings={"createdAt": Ordering(_m.created_at)},
    default="-createdAt",
    as_text=_migration_json,
    beside=(
        select(object_text(WIRE)).where(_mine, IS_RUNNING).scalar_subquery().label("running"),
        _is_claimed.label("is_claimed"),
    ),
)
STANDING = tenant_read(
    "select migrations.standing",
    select(_m.state, _is_claimed.label("is_claimed")).where(_one),
)
DUMP = tenant_read(
    "select migration_dumps",
    select(_m.id, func.octet_length(_d.content).label("length"), _d.sha256, _d.size, _m.origin)
    .join(_m.id.table, (_m.workspace_id == _d.workspace_id) & (_m.id == _d.migration_id))
    .where(_one, _d.workspace_id == TENANT_ID),
)
DUMP_PIECE = tenant_read(
    "select migration_dumps.piece",
    select(func.substring(_d.content, _after + 1, _most).label("piece")).where(
        _d.migration_id == MIGRATION, _d.workspace_id == TENANT_ID
    ),
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
    .where(_k.workspace_id == TENANT_ID, _k.migration_id == MIGRATION)
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
    names = {wire: known.name for wire, known in ITEM_COLUMNS.items()}
    shown = {wire: columns[name] for wire, name in names.items()}
    # The sealed secrets of what was overwritten are for putting them back, not for showing.
    shown["conflict"] = columns["conflict"].op("#-")(text("'{existing,sealed}'"))
    shown["conflict"] = cast(shown["conflict"], JSONB)
    return object_text(shown)


ITEMS = Listing(
    name="migration_items.page",
    rows=select()
    .select_from(migration_items)
    .where(_i.workspace_id == TENANT_ID, _i.migration_id == MIGRATION),
    fields={known.name: known for known in ITEM_COLUMNS.values()},
    unique=None,
    orderings={"position": Ordering(_i.position)},
    default="position",
    conditions=_CONDITIONS,
    as_text=_item_json,
    beside=(select(_m.id).where(_one).scalar_subquery().label("migration"),),
)


_SECRETS: Final[ColumnElement[str]] = literal_column(
    """'$[*] ? (@.code starts with "SECRET")'::jsonpath"""
)


def _report() -> Statement:
    ours = (_i.workspace_id == TENANT_ID) & (_i.migration_id == MIGRATION)
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
        select(*(ITEM_COLUMNS[name].label(name) for name in shown), _i.resolution)
        .where(ours, _i.verdict.in_([literal_column("'invalid'"), literal_column("'conflict'")]))
        .order_by(_i.position)
    )
    others = (
        select(_i.detail, func.count().label("number"))
        .where(ours, _i.reason == literal_column("'OTHER_USER'"))
        .group_by(_i.detail)
        .order_by(func.count().desc(), _i.detail)
        .limit(LISTED)
    )
    credentials = (
        select(_i.key, _i.kind, _i.source_id.label("sourceId"), _i.warnings)
        .where(ours, _i.warnings.op("@?")(_SECRETS))
        .order_by(_i.position)
    )
    return tenant_read(
        "select migrations.report",
        select(
            object_text(WIRE).label("body"),
            func.coalesce(cast(kinds, Text), "[]").label("kinds"),
            rows_text(problems).label("problems"),
            rows_text(others, "others").label("others"),
            rows_text(credentials, "credentials").label("credentials"),
        ).where(_one),
    )


REPORT = _report()
