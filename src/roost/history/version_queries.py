"""The statements on the entries that one row has in the journal."""

from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    BindParameter,
    DateTime,
    Integer,
    Table,
    Text,
    TextClause,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    text,
)

from roost.db.jsontext import Finished, array_text, object_text
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, tenant_read
from roost.history.images import images_of, layouts, record, relation
from roost.history.kinds import Kind
from roost.web.paging import COUNT_CAP


def _entries(kind: Kind) -> CTE:
    """Make the CTE of a page of a row's entries, one more than asked for."""
    sql = f"""
        select j.seq, cast(j.op as text) as op, j.at, j.actor_id, j.cause, j.layout, j.new,
            journal.whole_image(j.old, j.new, l.columns, j.kept) as old,
            (
                select t.id from journal.tick t
                where t.at >= j.at and pg_visible_in_snapshot(j.xid, t.snapshot)
                order by t.at, t.id limit 1
            ) as tick
        from tenant
        cross join lateral (
            select * from journal.journal e
            where e.workspace_id = cast(tenant.workspace_id as uuid)
                and e.relation = {relation(kind.table)} and e.row_id = cast(:row as text)
                and e.seq < :before
            order by e.seq desc limit :limit + 1 offset :offset
        ) j
        join journal.layout l on l.id = j.layout"""  # noqa: S608 -- names of the schema
    places = text(sql).bindparams(
        bindparam("row", type_=Uuid),
        bindparam("before", type_=BigInteger),
        bindparam("limit", type_=Integer),
        bindparam("offset", type_=Integer),
    )
    named: dict[str, Any] = {"seq": BigInteger(), "at": DateTime(timezone=True), "actor_id": Uuid()}
    named |= {"layout": BigInteger(), "tick": BigInteger()}
    named |= dict.fromkeys(("op", "cause", "old", "new"), Text())
    typed = places.columns(*(column(name, type_) for name, type_ in named.items()))
    return typed.cte("entries").prefix_with("MATERIALIZED")


@lru_cache(maxsize=8)
def page_of_versions(kind: Kind) -> Statement:
    """Give the statement of a page. Places: `row`, `before` (a seq), `limit`, `offset`."""
    entries, images = _entries(kind), images_of(kind.table)
    e = entries.c

    def image(side: str, value: Any) -> Any:  # noqa: ANN401 -- an expression
        this = (images.c.seq == e.seq) & (images.c.side == literal_column(f"'{side}'"))
        return select(value).where(this).correlate(entries).scalar_subquery()

    version = func.coalesce(
        image("new", images.c.version), image("old", images.c.version), type_=BigInteger
    )
    document = object_text(
        {
            "seq": e.seq,
            "op": e.op,
            "at": e.at,
            "tick": e.tick,
            "actorId": e.actor_id,
            "cause": e.cause,
            "version": version,
            "before": Finished(image("old", kind.as_text(images.c))),
            "after": Finished(image("new", kind.as_text(images.c))),
        }
    )
    ordered = select(document.label("body")).order_by(e.seq.desc()).subquery("page")
    row = bindparam("row", type_=Uuid)
    whole = text(
        f"""select 1 from journal.journal j
        where j.workspace_id = cast(tenant.workspace_id as uuid)
            and j.relation = {relation(kind.table)} and j.row_id = cast(:row as text)
        limit {COUNT_CAP + 1}"""  # noqa: S608 -- names of the schema
    ).bindparams(row)
    counted = whole.columns(column("one", Integer)).subquery("counted")
    live = select(kind.table.c.id).where(
        kind.table.c.workspace_id == TENANT_ID, kind.table.c.id == row
    )
    body = select(
        array_text(ordered.c.body).label("items"),
        select(func.count()).select_from(counted).scalar_subquery().label("total"),
        live.scalar_subquery().label("live"),
    )
    return tenant_read(
        f"select {kind.name}.history", body.select_from(ordered), ctes=(entries, images)
    )


@lru_cache(maxsize=8)
def place_of_insert(table: Table) -> Statement:
    """Give the statement that finds where a row's entries begin, and the tick. Place: `row`."""
    sql = f"""
        select j.seq,
            cast(pg_current_snapshot() as text) as snapshot,
            (
                select t.id from journal.tick t
                where t.at >= j.at and pg_visible_in_snapshot(j.xid, t.snapshot)
                order by t.at, t.id limit 1
            ) as tick
        from tenant
        cross join lateral (
            select e.seq, e.xid, e.at
            from journal.journal e
            where e.workspace_id = cast(tenant.workspace_id as uuid)
                and e.relation = {relation(table)} and e.row_id = cast(:row as text)
            order by e.seq limit 1
        ) j"""  # noqa: S608 -- names of the schema
    return _placed(f"select {table.name}.insert", text(sql).bindparams(_ROW))


@lru_cache(maxsize=8)
def place_of_version(kind: Kind) -> Statement:
    """Give the statement that finds a version. Places: `row`, `version`."""
    table = kind.table
    sql = f"""
        with {layouts(table)}
        select j.seq,
            cast(pg_current_snapshot() as text) as snapshot,
            (
                select t.id from journal.tick t
                where t.at >= j.at and pg_visible_in_snapshot(j.xid, t.snapshot)
                order by t.at, t.id limit 1
            ) as tick
        from tenant
        cross join lateral (
            select e.seq, e.xid, e.at, s.r
            from journal.journal e
            join layouts l on l.id = e.layout
            cross join lateral (select {record(table, "e.new", "l")} as r offset 0) s
            where e.workspace_id = cast(tenant.workspace_id as uuid)
                and e.relation = {relation(table)} and e.row_id = cast(:row as text)
                and e.new is not null
            order by e.seq desc
            offset 0
        ) j
        where (j.r).version = :version
        order by j.seq desc limit 1"""  # noqa: S608 -- names of the schema
    found = text(sql).bindparams(_ROW, bindparam("version", type_=BigInteger))
    return _placed(f"select {kind.name}.version", found)


_ROW: Final[BindParameter[UUID]] = bindparam("row", type_=Uuid)


def _placed(name: str, found: TextClause) -> Statement:
    columns = (column("seq", BigInteger), column("snapshot", Text), column("tick", BigInteger))
    places = found.columns(*columns).cte("place")
    body = select(places.c.seq, places.c.snapshot, places.c.tick)
    used = cast(TENANT_ID, Text).is_not(None)
    return tenant_read(name, body.where(used), ctes=(places,))
