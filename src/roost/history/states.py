"""The rows of a table as a moment's snapshot saw them, in one statement.

A row's state is what its latest entry that the snapshot sees has left; of a row without such an
entry, what its first entry since has found; of one without any, what it is now. Each is one descent
of the index of a row's entries, so the cost goes with the rows and not with the journal.

The states stand in a CTE that has the table's own name. To whatever else the statement says of the
table, filters, orders and pages of the live list included, it is the table.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    select,
    text,
)
from sqlalchemy.dialects import postgresql

from roost.db.tenancy import TENANT_ID
from roost.history.images import escaped, fields, layouts, record, relation
from roost.journal.tables import Snapshot


def past(workspace: ColumnElement[UUID] = TENANT_ID, name: str = "past") -> CTE:
    """Make the CTE of workspace and moment that `states` reads, and that goes before it.

    Places: those of `Moment.places`. The workspace is the statement's tenant unless it is given.
    """
    snapshot = cast(cast(bindparam(f"{name}_snapshot", type_=Text), Text), Snapshot())
    last = cast(bindparam(f"{name}_last_seq", type_=BigInteger), BigInteger)
    rows = select(
        workspace.label("workspace_id"), snapshot.label("snapshot"), last.label("last_seq")
    )
    if workspace is TENANT_ID:
        rows = rows.select_from(text("tenant"))
    return rows.cte(name).prefix_with("MATERIALIZED")


def touched(table: Table, name: str, since: str = "past", until: str | None = None) -> CTE:
    """Make the CTE of the keys (`row_id`) of a table's rows that were changed between two moments.

    `since` and `until` name CTEs of `past`; without `until`, until now.
    """
    if until is None:
        source = f"""{since} p join journal.journal j on j.workspace_id = p.workspace_id
            and j.xid >= pg_snapshot_xmin(p.snapshot)
            and not pg_visible_in_snapshot(j.xid, p.snapshot)"""
    else:
        source = f"""{since} p cross join {until} u
            cross join lateral journal.finished_between(p.snapshot, u.snapshot) finished
            join journal.journal j on j.workspace_id = p.workspace_id
                and j.xid >= finished.first and j.xid < finished.beyond"""
    sql = f"""select distinct k.row_id from (
        select j.row_id from {source} and j.relation = {relation(table)} offset 0
    ) k"""  # noqa: S608 -- names of the schema
    return text(sql).columns(column("row_id", Text)).cte(name).prefix_with("MATERIALIZED")


@dataclass(frozen=True, slots=True)
class Keys:
    """Which rows of a table are looked for; without anything, all.

    `only` is a column, the id or one that never changes, whose value must be in the list bound at
    `of_<only>`. `among` is the name of a CTE of their keys (`row_id`).
    """

    only: str | None = None
    among: str | None = None

    def source(self, table: Table) -> str:
        """Write the SELECT of the keys of what there may have been: now, or deleted since."""
        if self.among is not None:
            return f"select row_id from {self.among}"  # noqa: S608 -- a name of ours
        if self.only == "id":
            return "select cast(o as text) as row_id from unnest(:of_id) o"
        live = deleted = ""
        if self.only is not None:
            place = f":of_{self.only}"
            live = f" and t.{self.only} = any ({place})"
            # In the text, before any state is looked for: most that was deleted is another's.
            deleted = (
                f" and exists (select from unnest({place}) o"
                " where strpos(j.old, cast(o as text)) > 0)"
            )
        return f"""
            select cast(t.id as text) as row_id from public.{table.name} t
            where t.workspace_id = p.workspace_id{live}
            union
            select j.row_id from journal.journal j
            where j.workspace_id = p.workspace_id and j.relation = p.relation and j.op = 'D'
                and j.xid >= pg_snapshot_xmin(p.snapshot)
                and not pg_visible_in_snapshot(j.xid, p.snapshot){deleted}
            offset 0"""  # noqa: S608 -- names of the schema


ALL: Final = Keys()
BY_ID: Final = Keys(only="id")


def states(
    table: Table,
    keys: Keys = ALL,
    *,
    name: str | None = None,
    moment: str = "past",
    exclude: Sequence[str] = (),
) -> CTE:
    """Make the CTE of a table's rows as they were, named like the table unless told otherwise.

    `moment` is the name of the CTE of `past`. Columns in `exclude` are left out.
    """
    kept = [each for each in table.c if each.name not in exclude]
    shown = ", ".join(_shown(each) for each in kept)
    condition = f" and (s.r).{keys.only} = any (:of_{keys.only})" if keys.only else ""
    sql = f"""
        with {layouts(table)}
        select {shown} from (
            select {fields(table, "s.r")} from {_sources(table, keys, moment)}
            where (s.r).id is not null{condition}
        ) was"""  # noqa: S608 -- names of the schema
    found = text(sql)
    if keys.only is not None:
        found = found.bindparams(bindparam(f"of_{keys.only}", type_=postgresql.ARRAY(Uuid)))
    typed = found.columns(*(column(each.name, each.type) for each in kept))
    return typed.cte(name or table.name).prefix_with("MATERIALIZED")


def _shown(each: Any) -> str:  # noqa: ANN401 -- a table's column
    if each.computed is None:
        return f"was.{each.name}"
    # What the database computes is not journaled.
    return f"{escaped(str(each.computed.sqltext))} as {each.name}"


def _sources(table: Table, keys: Keys, moment: str) -> str:
    """Write the FROM: `i` the images, `l` their layouts, `s` what they say of the row."""
    return f"""(
        select m.*, {relation(table)} as relation from {moment} m offset 0
    ) p
    cross join lateral journal.images_at(
        p.workspace_id, p.relation, array({keys.source(table)}), p.snapshot, p.last_seq
    ) i
    left join layouts l on l.id = i.layout
    left join lateral (
        select t as r from public.{table.name} t
        where i.layout is null and t.workspace_id = p.workspace_id
            and t.id = cast(i.row_id as uuid)
        offset 0
    ) now on true
    cross join lateral (
        select case
            when i.layout is null then now.r
            when i.image is not null then {record(table, "i.image", "l")}
        end as r
        offset 0
    ) s"""  # noqa: S608 -- names of the schema
