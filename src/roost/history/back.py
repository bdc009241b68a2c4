"""The statements that put rows back as they were at a moment; they run within a transaction.

Places of all: `workspace` and those of the moment; most take `of_id`, the rows' ids.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    delete,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from roost.db.statements import Statement, compiled
from roost.history.differences import change_of, differing
from roost.history.images import layouts, record, relation
from roost.history.kinds import Kind, Reference
from roost.history.states import BY_ID, Keys, past, states, touched

_WORKSPACE: Final = bindparam("workspace", type_=Uuid)
_IDS: Final = bindparam("of_id", type_=ARRAY(Uuid))
_ONE: Final[ColumnElement[Any]] = literal_column("1")


def _computed(kind: Kind) -> list[str]:
    return [each.name for each in kind.table.c if each.computed is not None]


def _was(kind: Kind, keys: Keys) -> CTE:
    return states(kind.table, keys, name="was", exclude=_computed(kind))


@lru_cache(maxsize=32)
def changes(kind: Kind, only: str | None = None) -> Statement:
    """Give the statement of what a restore would do to each row that is not as it was.

    Rows: `id`, `change` (`created`, `changed`, `deleted`, `kept`), and `has_moved`: its place must
    be free before. With `only`, of the rows whose column of that name is in `of_<only>`.
    """
    table = kind.table
    ctes = [past(_WORKSPACE)]
    if only is None:
        ctes.append(touched(table, "touched"))
    ctes.append(_was(kind, Keys(only=only, among=None if only else "touched")))
    was, now = ctes[-1], table.alias("now")
    here = [now.c.workspace_id == _WORKSPACE]
    if only is None:
        keys = text("select cast(row_id as uuid) as id from touched").columns(column("id", Uuid))
        here.append(now.c.id.in_(select(keys.subquery("keys").c.id)))
    else:
        here.append(now.c[only] == func.any(bindparam(f"of_{only}", type_=ARRAY(Uuid))))
    live = select(now).where(*here).subquery("live")
    change = change_of(live.c, was.c)
    if kind.kept_by is not None:
        hangs = _named_by(kind.kept_by, live.c.id)
        change = case((and_(was.c.id.is_(None), hangs), literal_column("'kept'")), else_=change)
    moved = or_(false(), *(live.c[name] != was.c[name] for name in kind.place))
    rows = (
        select(
            func.coalesce(live.c.id, was.c.id).label("id"),
            change.label("change"),
            func.coalesce(moved, false()).label("has_moved"),
        )
        .select_from(live.join(was, live.c.id == was.c.id, full=True))
        .where(differing(live.c, was.c, kind.compared))
    )
    return compiled(f"select {kind.name}.changes", rows.add_cte(*ctes))


def _named_by(reference: Reference, row: ColumnElement[Any]) -> ColumnElement[bool]:
    other = reference.table.c
    named: Any = select(_ONE).where(
        other.workspace_id == _WORKSPACE, other[reference.column] == row
    )
    exists: ColumnElement[bool] = named.correlate_except(reference.table).exists()
    return exists


@lru_cache(maxsize=8)
def hold(kind: Kind) -> Statement:
    """Give the statement that locks rows to the transaction's end, so that nothing names them."""
    c = kind.table.c
    rows = select(c.id).where(c.workspace_id == _WORKSPACE, c.id == func.any(_IDS))
    return compiled(f"select {kind.name}.held", rows.order_by(c.id).with_for_update())


@lru_cache(maxsize=8)
def parts(kind: Kind, column_: str) -> Statement:
    """Give the statement of which rows name one of `whole`, further ids, in a column."""
    c = kind.table.c
    named = c[column_] == func.any(bindparam("whole", type_=ARRAY(Uuid)))
    rows = select(c.id).where(c.workspace_id == _WORKSPACE, c.id == func.any(_IDS), named)
    return compiled(f"select {kind.name}.parts", rows)


@lru_cache(maxsize=8)
def remove(kind: Kind) -> Statement:
    """Give the statement that deletes rows."""
    c = kind.table.c
    gone = delete(kind.table).where(c.workspace_id == _WORKSPACE, c.id == func.any(_IDS))
    return compiled(f"delete {kind.name}.back", gone.returning(c.id))


@lru_cache(maxsize=8)
def unset_single(kind: Kind) -> Statement:
    """Give the statement after which no two of the rows have the kind's `single` set."""
    c = kind.table.c
    assert kind.single is not None  # noqa: S101 -- it is asked of such kinds only
    flag = c[kind.single]
    changed = update(kind.table).where(c.workspace_id == _WORKSPACE, c.id == func.any(_IDS), flag)
    return compiled(f"update {kind.name}.single", changed.values({flag.name: false()}))


@lru_cache(maxsize=8)
def put(kind: Kind) -> Statement:
    """Give the statement that makes rows what they were, anew or in their place; gives their ids.

    What they name and is gone by now is left empty, or leaves the row out. Their version grows.
    """
    table = kind.table
    ctes = [past(_WORKSPACE), _was(kind, BY_ID)]
    was = ctes[-1]
    if "version" in table.c:
        ctes.append(_last_versions(kind))
    values = [_value(kind, was, name).label(name) for name in kind.stored]
    rows = select(*values)
    for reference in kind.references:
        if reference.required:
            rows = rows.where(_is_there(reference, was.c[reference.column]))
    made = insert(table).from_select(kind.stored, rows)
    changed: dict[str, Any] = {
        name: made.excluded[name] for name in kind.stored if name not in {"workspace_id", "id"}
    }
    if "version" in changed:
        # Whoever else has changed the row meanwhile has counted too.
        changed["version"] = func.greatest(made.excluded.version, table.c.version + _ONE)
    made = made.on_conflict_do_update(index_elements=["workspace_id", "id"], set_=changed)
    return compiled(f"insert {kind.name}.back", made.add_cte(*ctes).returning(table.c.id))


def _value(kind: Kind, was: CTE, name: str) -> ColumnElement[Any]:
    value: ColumnElement[Any] = was.c[name]
    for reference in kind.references:
        if reference.column == name and not reference.required:
            return case((_is_there(reference, value), value), else_=null())
    if name == kind.single:
        return and_(value, ~_has_other(kind, was))
    if name == "updated_at":
        return func.now()
    if name == "version":
        last = select(literal_column("max(l.version)", BigInteger)).select_from(
            text("last_versions l")
        )
        this = last.where(literal_column("l.id") == was.c.id).correlate(was).scalar_subquery()
        # A version that was given out once must not stand for something else.
        return func.greatest(value, this) + _ONE
    return value


def _is_there(reference: Reference, value: ColumnElement[Any]) -> ColumnElement[bool]:
    other = reference.table.c
    found: Any = select(_ONE).where(other.workspace_id == _WORKSPACE, other[reference.key] == value)
    exists: ColumnElement[bool] = found.correlate_except(reference.table).exists()
    return exists


def _has_other(kind: Kind, was: CTE) -> ColumnElement[bool]:
    other = kind.table.alias("other")
    assert kind.single is not None  # noqa: S101 -- it is asked of such kinds only
    found: Any = select(_ONE).where(
        other.c.workspace_id == _WORKSPACE,
        other.c.user_id == was.c.user_id,
        other.c[kind.single],
        other.c.id != was.c.id,
    )
    exists: ColumnElement[bool] = found.correlate(was).exists()
    return exists


def _last_versions(kind: Kind) -> CTE:
    """Make the CTE of the last version that each of the rows had, those that are gone included."""
    table = kind.table
    sql = f"""
        with {layouts(table)}
        select cast(k.id as uuid) as id, coalesce(t.version, (s.r).version) as version
        from unnest(:of_id) k (id)
        left join public.{table.name} t on t.workspace_id = :workspace and t.id = k.id
        left join lateral (
            select coalesce(j.new, j.old) as image, j.layout from journal.journal j
            where t.id is null and j.workspace_id = :workspace
                and j.relation = {relation(table)} and j.row_id = cast(k.id as text)
            order by j.seq desc limit 1
        ) e on true
        left join layouts l on l.id = e.layout
        cross join lateral (
            select case when e.image is not null then {record(table, "e.image", "l")} end as r
            offset 0
        ) s"""  # noqa: S608 -- names of the schema
    found = text(sql).bindparams(_IDS, _WORKSPACE)
    typed = found.columns(column("id", Uuid), column("version", BigInteger))
    return typed.cte("last_versions").prefix_with("MATERIALIZED")


LOCK: Final = compiled(
    "select history.lock",
    select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("turn", type_=Text), 0))),
)
SET_CAUSE: Final = compiled(
    "select history.cause",
    select(
        func.set_config(
            literal_column("'roost.cause'"), bindparam("cause", type_=Text), literal_column("true")
        )
    ),
)
MAKE_TICK: Final = compiled(
    "select journal.make_tick", select(func.journal.make_tick(type_=BigInteger).label("tick"))
)
