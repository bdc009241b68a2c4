"""The statements by which a migration is stored, carried out and ended."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
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
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.statements import Statement, compiled
from roost.migration.mapping.rows import KEYS
from roost.migration.queries import CLAIM_SEED, IS_RUNNING, ITEM_COLUMNS, MIGRATION
from roost.migration.tables import (
    migration_backups,
    migration_dumps,
    migration_items,
    migration_keys,
    migrations,
)
from roost.migration.targets.target import USER, WORKSPACE, records

_m, _d, _k, _i = migrations.c, migration_dumps.c, migration_keys.c, migration_items.c
_b = migration_backups.c
EVERY: Final = 2**31 - 1
"""Past the last position that an item can have."""
_STORED: Final = {wire: known for wire, known in ITEM_COLUMNS.items() if wire != "id"}

_this = (_m.workspace_id == WORKSPACE) & (_m.id == MIGRATION)
_of_this_item = (_i.workspace_id == WORKSPACE) & (_i.migration_id == MIGRATION)
_of_this_key = (_k.workspace_id == WORKSPACE) & (_k.migration_id == MIGRATION)
_here = (_i.position >= bindparam("start", type_=Integer)) & (
    _i.position < bindparam("stop", type_=Integer)
)
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
FORGET_DUMP = compiled(
    "update migration_dumps",
    update(migration_dumps)
    .where(_d.workspace_id == WORKSPACE, _d.migration_id == MIGRATION)
    .values(content=None),
)
RUNNING_ONE = compiled(
    "select migrations.running",
    select(_m.id).where(_m.workspace_id == WORKSPACE, _m.user_id == USER, IS_RUNNING),
)
LOCK = compiled(
    "select migrations.lock",
    select(
        _m.state,
        _m.config,
        _m.progress,
        _m.error,
        _m.created_at,
        _m.version,
        _m.counts,
        _m.undo,
        _m.approved_at,
        # Plans are kept as long as their connection, and may be made while a table is empty: those
        # that go by an index are as good when it is full.
        func.set_config(literal_column("'enable_seqscan'"), literal_column("'off'"), true()).label(
            "by_index"
        ),
    )
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
ASK_TO_CANCEL = compiled(
    "update migrations.stop",
    update(migrations)
    .where(_this)
    .values(
        error=bindparam("error", type_=JSONB),
        # What had waited has to be taken up again to be taken back.
        state=case((IS_RUNNING, _m.state), else_=literal_column("'applying'", Text)),
        version=_m.version + 1,
        updated_at=func.now(),
    ),
)
CLEAR_ITEMS = compiled(
    "delete migration_items", delete(migration_items).where(_of_this_item, _here)
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
UNDONE = compiled(
    "update migrations.undone",
    update(migrations)
    .where(_this)
    .values(
        state=bindparam("state", type_=Text),
        undo=bindparam("undo", type_=JSONB),
        version=_m.version + 1,
        updated_at=func.now(),
    ),
)
STORE_BACKUP = compiled(
    "insert migration_backups",
    insert(migration_backups).values(
        workspace_id=WORKSPACE,
        id=bindparam("backup", type_=Uuid),
        migration_id=MIGRATION,
        undo_number=bindparam("number", type_=Integer),
        content=bindparam("content", type_=LargeBinary),
    ),
)
_of_this_backup = (_b.workspace_id == WORKSPACE) & (_b.migration_id == MIGRATION)
BACKUPS = compiled(
    "select migration_backups",
    select(_b.content)
    .where(_of_this_backup, _b.undo_number == bindparam("number", type_=Integer))
    .order_by(_b.id),
)
CLEAR_BACKUPS = compiled(
    "delete migration_backups",
    delete(migration_backups).where(_of_this_backup, _b.undo_number == literal_column("0")),
)
IS_LATE: Final = _i.conflict["late"].is_not(None)
_changing = _i.resolution.in_(
    [literal_column("'overwrite'"), literal_column("'merge'")]
) & _i.conflict["unchanged"].is_(None)
PLANNED = compiled(
    "select migration_items.planned",
    select(
        _i.position,
        _i.key,
        _i.kind,
        _i.target_id,
        _i.verdict,
        _i.reason,
        _i.detail,
        _i.resolution,
        _i.digest,
        cast(_i.conflict["version"], Text).label("version"),
        cast(_i.conflict["kept"], Text).label("kept"),
        _changing.label("is_changing"),
    )
    .where(_of_this_item, _here)
    .order_by(_i.position),
)
_reads_as_planned = (
    (_i.kind == literal_column("'task'"))
    & _i.verdict.in_([literal_column(f"'{each}'") for each in ("create", "same", "skip")])
    & _i.resolution.is_(None)
)
PLANNED_KEYS = compiled(
    "select migration_items.keys",
    select(
        _i.key,
        func.min(_i.position).label("start"),
        func.count().label("number"),
        func.bool_and(_reads_as_planned).label("is_plain"),
    )
    .where(_of_this_item)
    .group_by(_i.key),
)
# What a preference is called: its key, but for rows of Roost's own, which lie under one key.
_preference = case(
    (_i.key == literal_column(f"'{KEYS['preference']}'"), _i.source_id), else_=_i.key
)
TOUCHED = compiled(
    "select migration_items.touched",
    select(_i.position, _i.kind, _preference.label("preference"), _i.target_id)
    .where(_of_this_item, _changing, _here)
    .order_by(_i.position)
    .limit(bindparam("most", type_=Integer)),
)
WRITTEN_PREFERENCES = compiled(
    "select migration_items.preferences",
    select(
        _i.verdict,
        _i.resolution,
        _i.digest,
        cast(_i.conflict, Text).label("conflict"),
        func.coalesce(cast(_i.conflict["copy"].astext, Uuid), _i.target_id).label("written_id"),
        func.coalesce(_i.conflict["copyKey"].astext, _preference).label("written_key"),
    )
    .where(
        _of_this_item,
        _i.kind == literal_column("'preference'"),
        _i.position < bindparam("stop", type_=Integer),
        ~IS_LATE,
        (_i.verdict == literal_column("'create'"))
        | _changing
        | (_i.resolution == literal_column("'keepBoth'")),
    )
    .order_by(_i.position),
)
# What lies nowhere but in the dump: what was left out and is no copy, what could not be kept aside,
# and credentials that a conflict's answer did not take.
_only_in_dump = or_(
    (_i.verdict == literal_column("'skip'"))
    & func.coalesce(_i.reason, literal_column("''", Text)).not_in(
        [literal_column("'DUPLICATE'"), literal_column("'BACKUP_COPY'")]
    ),
    (_i.verdict == literal_column("'invalid'")) & _i.digest.is_(None),
    _i.resolution.in_([literal_column("'skip'"), literal_column("'merge'")])
    & _i.conflict["fields"].contains(cast(literal_column("""'["secrets"]'"""), JSONB)),
)
_has_dump = (
    select(_d.id)
    .where(_d.workspace_id == WORKSPACE, _d.migration_id == MIGRATION, _d.content.is_not(None))
    .exists()
)
KEYS_STORED = compiled(
    "update migration_keys",
    update(migration_keys)
    .where(_of_this_key)
    .values(
        stored=bindparam("stored", type_=Boolean)
        & or_(
            _has_dump,
            _k.key.in_(select(_i.key).where(_of_this_item))
            & _k.key.not_in(select(_i.key).where(_of_this_item, _only_in_dump)),
        )
    ),
)
CONFLICTS = compiled(
    "select migration_items.conflicts",
    select(_i.kind, _i.target_id, _i.key, cast(_i.conflict, Text).label("conflict"))
    .where(
        _of_this_item,
        _changing,
    )
    .order_by(_i.position),
)
_is_others = (_i.verdict == literal_column("'skip'")) & (
    func.coalesce(_i.reason, literal_column("''")) == literal_column("'OTHER_USER'")
)
COUNTS = compiled(
    "select migration_items.counts",
    select(
        _i.verdict,
        _i.resolution,
        _changing.label("is_changing"),
        _is_others.label("is_others"),
        func.count().label("number"),
    )
    .where(_of_this_item)
    .group_by(_i.verdict, _i.resolution, _changing, _is_others),
)
FIRST_INVALID = compiled(
    "select migration_items.invalid",
    select(_i.key, _i.kind, _i.field, _i.reason, _i.detail, _i.byte_offset, _i.position)
    .where(_of_this_item, _i.verdict == "invalid")
    .order_by(_i.position)
    .limit(1),
)
UNFINISHED = "select workspace_id, user_id, id from unfinished_migrations()"
CLAIM: Final = f"select pg_try_advisory_xact_lock(hashtextextended($1, {CLAIM_SEED}))"
HOLD = "set local idle_in_transaction_session_timeout = 0"
