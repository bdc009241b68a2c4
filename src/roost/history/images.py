"""Images of the journal as rows of their table, in SQL: whichever layout they were written in."""

from typing import Any, Final

from sqlalchemy import CTE, BigInteger, Table, Text, column, text
from sqlalchemy.dialects import postgresql

_DIALECT: Final = postgresql.dialect()  # type: ignore[no-untyped-call]  # untyped in the library


def relation(table: Table) -> str:
    """Write the expression of a table's number in the journal."""
    return (
        "(select max(r.id) from journal.relation r"  # noqa: S608 -- names of the schema
        f" where r.schema = 'public' and r.name = '{table.name}')"
    )


def layouts(table: Table) -> str:
    """Write the CTE `layouts` of a table: which are like the present one, and how to get there."""
    return f"""layouts as materialized (
        select l.id, l.columns, l.oid = present.oid as same_table, present.columns as wanted,
            present.fields = (
                select string_agg((x ->> 'name') || ' ' || (x ->> 'type'), ',')
                from jsonb_array_elements(l.columns) x
            ) as is_present
        from journal.layout l
        cross join (
            select a.attrelid as oid,
                jsonb_agg(
                    jsonb_build_object('name', a.attname, 'attnum', a.attnum) order by a.attnum
                ) as columns,
                string_agg(
                    a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ','
                    order by a.attnum
                ) as fields
            from pg_attribute a
            where a.attrelid = cast('public.{table.name}' as regclass) and a.attnum > 0
                and not a.attisdropped
            group by a.attrelid
        ) present
        where l.relation = {relation(table)}
    )"""  # noqa: S608 -- names of the schema


def record(table: Table, image: str, layout: str) -> str:
    """Write the row that an image is; `layout` is the alias of its row of `layouts`."""
    return (
        f"case when {layout}.is_present then cast({image} as public.{table.name})"
        f" else cast(journal.image_as({image}, {layout}.columns, {layout}.wanted,"
        f" {layout}.same_table) as public.{table.name}) end"
    )


def fields(table: Table, row: str) -> str:
    """Write the columns of a row, but those that the database computes; `row` is an expression.

    One that must have a value and had none yet in the row's layout gets what new rows get.
    """
    return ", ".join(
        f"{_value(each, row)} as {each.name}" for each in table.c if each.computed is None
    )


def _value(each: Any, row: str) -> str:  # noqa: ANN401 -- a table's column
    value = f"({row}).{each.name}"
    default = getattr(each.server_default, "arg", None)
    if each.nullable or default is None or "now()" in str(default):
        return value
    written = f"'{default}'" if isinstance(default, str) else str(default)
    return f"coalesce({value}, cast({escaped(written)} as {each.type.compile(_DIALECT)}))"


def images_of(table: Table, entries: str = "entries", name: str = "images") -> CTE:
    """Make the CTE of what entries have found (side `old`) and left (`new`), as rows of the table.

    `entries` is the name of a CTE with `seq`, `layout`, `old` and `new`.
    """
    sql = f"""
        with {layouts(table)}
        select e.seq, i.side, {fields(table, "s.r")}
        from {entries} e
        cross join lateral (values ('old', e.old), ('new', e.new)) i (side, image)
        join layouts l on l.id = e.layout
        cross join lateral (select {record(table, "i.image", "l")} as r offset 0) s
        where i.image is not null"""  # noqa: S608 -- names of the schema
    stored = [column(each.name, each.type) for each in table.c if each.computed is None]
    typed = text(sql).columns(column("seq", BigInteger), column("side", Text), *stored)
    return typed.cte(name).prefix_with("MATERIALIZED")


def escaped(sql: str) -> str:
    """Keep SQLAlchemy from reading colons as places."""
    return sql.replace(":", "\\:")
