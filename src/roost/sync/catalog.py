"""What PostgreSQL's catalogue says of a table, and what tells when that has changed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from roost.sync.identifiers import quoted

_PLAIN: Final = frozenset(
    [
        *("text", "varchar", "int2", "int4", "int8", "oid", "float4", "float8", "numeric"),
        *("uuid", "json", "jsonb", "bytea", "date", "time", "timetz", "timestamp", "timestamptz"),
        "interval",
    ]
)
"""Types of which a cast to text gives what their output function gives."""
_TIMES: Final = frozenset({"time", "timetz", "timestamp", "timestamptz"})
_BITS: Final = frozenset({"bit", "varbit"})

SIGNATURE: Final = """
md5(row(
    c.oid, n.nspname, c.relname, c.relkind, c.relnatts,
    (
        select array_agg(
            row(a.attnum, a.attname, a.atttypid, a.atttypmod, a.attnotnull, a.xmin::text)
            order by a.attnum
        )
        from pg_attribute a where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    ),
    (select i.indkey::text from pg_index i where i.indrelid = c.oid and i.indisprimary),
    (
        select array_agg(row(t.tgname, t.tgenabled, t.tgfoid) order by t.tgname)
        from pg_trigger t
        where t.tgrelid = c.oid and t.tgname in ('!journal', '!journal_truncate')
    ),
    (
        select array_agg(row(p.relid::oid, (
            select t.tgenabled from pg_trigger t
            where t.tgrelid = p.relid and t.tgname = '!journal_truncate'
        )) order by p.relid::oid)
        from pg_partition_tree(c.oid) p where c.relkind = 'p'
    )
)::text)"""
"""Another text whenever the meaning of a table's images may be another: any DDL on its columns
(`xmin` of pg_attribute tells even a rewrite of values), its key, its name, its partitions, and
whether its triggers are there and fire. Not another after VACUUM FULL or ANALYZE."""

_RELATION: Final = f"""
select c.oid::int8 as oid, n.nspname, c.relname, c.relkind::text as relkind,
    {SIGNATURE} as signature,
    (
        select r.id from journal.relation r
        where r.oid = c.oid and exists (
            select from pg_trigger t
            where t.tgrelid = c.oid and t.tgname = '!journal' and t.tgenabled in ('A', 'O')
                and t.tgfoid = to_regprocedure(format('journal.on_%s()', r.id))
        )
    ) as journaled,
    (
        select json_agg(json_build_object(
            'name', a.attname, 'attnum', a.attnum, 'type', coalesce(e.typname, t.typname),
            'is_array', e.oid is not null, 'dims', a.attndims, 'typmod', a.atttypmod,
            'not_null', a.attnotnull, 'pk_index', array_position(i.indkey::int2[], a.attnum),
            'is_virtual', a.attgenerated = 'v',
            'has_interval', exists (
                with recursive within (oid) as (
                    select a.atttypid
                    union
                    select part.oid from within w join pg_type d on d.oid = w.oid
                    cross join lateral (
                        values (d.typbasetype), (d.typelem)
                        union all
                        select f.atttypid from pg_attribute f
                        where f.attrelid = d.typrelid and f.attnum > 0 and not f.attisdropped
                        union all
                        select r.rngsubtype from pg_range r
                        where d.oid in (r.rngtypid, r.rngmultitypid)
                    ) as part (oid)
                    where part.oid <> 0
                )
                select from within where oid = 'interval'::regtype
            ),
            'kind', coalesce(e.typtype, t.typtype), 'base', (
                with recursive b as (
                    select coalesce(e.oid, t.oid) as oid
                    union all
                    select d.typbasetype from b join pg_type d using (oid) where d.typbasetype <> 0
                )
                select d.typname from b join pg_type d using (oid) where d.typbasetype = 0
            )
        ) order by a.attnum)
        from pg_attribute a
        join pg_type t on t.oid = a.atttypid
        left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
        left join pg_index i on i.indrelid = c.oid and i.indisprimary
        where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    )::text as columns
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')"""  # noqa: S608 -- constants
_SIGNATURES: Final = f"""
select c.oid::int8 as oid, {SIGNATURE} as signature
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.oid = any($1::oid[])"""  # noqa: S608 -- constants


class ColumnFacts(msgspec.Struct, frozen=True):
    """A column; `type` is an array's element's, `pk_index` its place in the key from 0.

    `base` is what a domain is made of, and the type itself of every other. `has_interval` says that
    its values have intervals in them, be it deep within.
    """

    name: str
    attnum: int
    type: str
    is_array: bool
    dims: int
    typmod: int
    not_null: bool
    pk_index: int | None
    is_virtual: bool
    kind: str
    base: str
    has_interval: bool = False

    @property
    def is_interval(self) -> bool:
        """Whether its values are intervals, or arrays of them."""
        return self.base in {"interval", "_interval"}

    def text_sql(self, table: str) -> str:
        """SQL of the text that the type's output function makes of the column; null stays null."""
        column = f"{table}.{quoted(self.name)}"
        if self.kind == "b" and self.type in _PLAIN:
            return f"{column}::text"
        # Of a composite, `is not null` would ask whether each of its fields has a value.
        return (
            f"case when {column} is distinct from null then pg_catalog.format('%s', {column}) end"
        )

    def schema(self) -> dict[str, Any]:
        """What clients are told of it."""
        found: dict[str, Any] = {"type": self.type}
        if self.is_array:
            found["dims"] = self.dims or 1
        if self.pk_index is not None:
            found["pk_index"] = self.pk_index
        if self.not_null:
            found["not_null"] = True
        return found | (self._modifier() if self.typmod != -1 else {})

    def _modifier(self) -> dict[str, Any]:
        if self.type == "varchar":
            return {"max_length": self.typmod - 4}
        if self.type == "bpchar":
            return {"length": self.typmod - 4}
        if self.type in _BITS:
            return {"length": self.typmod}
        if self.type in _TIMES:
            return {"precision": self.typmod}
        if self.type == "numeric":
            packed = self.typmod - 4
            return {"precision": packed >> 16 & 0xFFFF, "scale": packed & 0xFFFF}
        return {"type_mod": self.typmod}


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it is now. `journaled` is its id in the journal, None when it is not journaled.

    `stored_as` is its name in the database, where clients know it by another.
    """

    oid: int
    schema: str
    name: str
    is_partitioned: bool
    signature: str
    journaled: int | None
    columns: tuple[ColumnFacts, ...]
    by_name: Mapping[str, ColumnFacts] = field(compare=False, repr=False)
    stored_as: str | None = None

    @property
    def key(self) -> tuple[str, ...]:
        """The primary key's columns in its order; all columns when there is none."""
        keyed = [column for column in self.columns if column.pk_index is not None]
        if keyed:
            return tuple(each.name for each in sorted(keyed, key=lambda each: each.pk_index or 0))
        return tuple(column.name for column in self.columns)

    @property
    def has_key(self) -> bool:
        """Whether there is a primary key."""
        return any(column.pk_index is not None for column in self.columns)

    @property
    def deep_intervals(self) -> list[ColumnFacts]:
        """The columns whose values have intervals within, and are something else themselves."""
        return [each for each in self.columns if each.has_interval and not each.is_interval]

    @property
    def sql(self) -> str:
        """Its name in SQL."""
        return f"{quoted(self.schema)}.{quoted(self.stored_as or self.name)}"

    def schema_header(self, names: Sequence[str]) -> str:
        """What clients are told of these columns, as JSON in ASCII, for a header."""
        columns = {name: self.by_name[name].schema() for name in names}
        return json.dumps(columns, separators=(",", ":"))


async def find_relation(connection: Any, schema: str, name: str) -> Relation | None:  # noqa: ANN401 -- asyncpg's
    """Look a table up; None when there is none of that name."""
    row = await connection.fetchrow(_RELATION, schema, name)
    if row is None:
        return None
    columns = tuple(msgspec.json.decode(row["columns"] or "[]", type=list[ColumnFacts]))
    return Relation(
        row["oid"],
        row["nspname"],
        row["relname"],
        row["relkind"] == "p",
        row["signature"],
        row["journaled"],
        columns,
        {column.name: column for column in columns},
    )


async def signatures(connection: Any, oids: Sequence[int]) -> dict[int, str]:  # noqa: ANN401 -- asyncpg's
    """What tables' signatures are now; one that is gone has none."""
    return {row["oid"]: row["signature"] for row in await connection.fetch(_SIGNATURES, oids)}
