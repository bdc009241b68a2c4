"""The statements' part that tells what became of one row from a place on, oldest first."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    DateTime,
    FromClause,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    column,
    literal_column,
    text,
)
from sqlalchemy.types import TypeEngine

from roost.history.images import images_of, relation


@dataclass(frozen=True, slots=True)
class Course:
    """A row's entries, and what each found and left, as CTEs of a statement around."""

    entries: CTE
    images: CTE

    @property
    def ctes(self) -> tuple[CTE, CTE]:
        """Both, in their order."""
        return self.entries, self.images

    def joined(self) -> tuple[FromClause, Any, Any]:
        """Give the FROM of all entries, and the columns of the row before and after each."""
        seq = self.entries.c.seq
        old, new = (self.images.alias(f"{self.images.name}_{side}") for side in ("old", "new"))
        before = and_(old.c.seq == seq, old.c.side == literal_column("'old'"))
        after = and_(new.c.seq == seq, new.c.side == literal_column("'new'"))
        return self.entries.outerjoin(old, before).outerjoin(new, after), old.c, new.c


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which entries of which row: all in SQL, which may name the columns of `run r`.

    `after` and `last` are numbers of entries, `since` a time, `most` how many at most.
    """

    row: str
    after: str
    last: str
    since: str
    most: str


def entries_after(table: Table, bounds: Bounds) -> str:
    """Write the call that gives a row's entries, oldest first."""
    return (
        f"journal.entries_after(r.workspace_id, {relation(table)}, cast({bounds.row} as text),"
        f" {bounds.after}, {bounds.last}, {bounds.since}, {bounds.most})"
    )


def course(
    table: Table,
    name: str,
    bounds: Bounds,
    places: Mapping[str, TypeEngine[Any]],
    *,
    whole: bool = True,
) -> Course:
    """Make the course of a row of the workspace of `run r`, a CTE that goes before it.

    `places` are the bound ones in its bounds. Without `whole`, large columns that a change left
    alone are null before it: that is cheaper.
    """
    old = "journal.whole_image(j.old, j.new, l.columns, j.kept)" if whole else "j.old"
    sql = f"""
        select j.seq, cast(j.op as text) as op, j.at, j.actor_id, j.cause, j.layout, j.new,
            {old} as old
        from run r
        cross join lateral {entries_after(table, bounds)} j
        join journal.layout l on l.id = j.layout"""  # noqa: S608 -- names of the schema
    found = text(sql).bindparams(*(bindparam(each, type_=kind) for each, kind in places.items()))
    named: dict[str, Any] = {"seq": BigInteger(), "at": DateTime(timezone=True), "actor_id": Uuid()}
    named |= {"layout": BigInteger()} | dict.fromkeys(("op", "cause", "old", "new"), Text())
    typed = found.columns(*(column(each, kind) for each, kind in named.items()))
    entries = typed.cte(name).prefix_with("MATERIALIZED")
    return Course(entries, images_of(table, name, f"{name}_images"))
