"""Indexes that the workload lacks: columns that statements look rows of large tables up by."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from roost.db.pool import Database
from roost.performance.advice import Advice, Verdict
from roost.performance.predicates import Lookup, by_table, lookups
from roost.performance.reading import OURS, Question, Ranged
from roost.web.structs import Outgoing

LARGE_ROWS: Final = 10_000
"""Rows from which on a table is worth an index."""
FEW: Final = 0.05
"""Share of a table's rows, at most, that a look-up gives if an index is to help it."""
MANY: Final = 0.30
"""Share from which on going through the whole table is the better way."""
CALLS: Final = 10
SLOW_MS: Final = 1.0
_OF_TABLE: Final = 0.1
"""Share of a table that a scan reads, at least: each of a parallel scan's workers counts as one."""
_DAYS: Final = 7 * 86_400.0


class Facts(Outgoing):
    """A large table. `columns` are those that a B-tree can hold, by name, as SQL writes them."""

    key: str
    name: str
    rows: int
    sequential_scans: int
    rows_read: int
    columns: dict[str, str]
    leading: list[str]
    """The first columns of its usable indexes."""


_FACTS: Final = Question(
    "large_tables",
    Facts,
    f"""
    select n.nspname || '.' || c.relname as key, c.oid::regclass::text as name,
           c.reltuples::bigint as rows, coalesce(s.seq_scan, 0) as "sequentialScans",
           coalesce(s.seq_tup_read, 0) as "rowsRead",
           (select json_object_agg(a.attname, quote_ident(a.attname))
            from pg_attribute a join pg_type t on t.oid = a.atttypid
            where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
              and (t.typtype in ('e', 'd') or t.typcategory in ('A', 'S') or exists (
                select from pg_opclass o join pg_am m on m.oid = o.opcmethod
                where o.opcintype = t.oid and o.opcdefault and m.amname = 'btree'))) as columns,
           coalesce((select json_agg(distinct a.attname)
            from pg_index i join pg_attribute a
                on a.attrelid = c.oid and a.attnum = i.indkey[0]
            where i.indrelid = c.oid and i.indisvalid and i.indpred is null), '[]') as leading
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_stat_user_tables s on s.relid = c.oid
    where c.relkind = 'r' and c.reltuples >= {LARGE_ROWS} and {OURS}
    """,  # noqa: S608 -- constants
)


class Statement(Outgoing):
    """A statement of the workload, with its sums."""

    id: str
    name: str | None
    text: str
    calls: int
    total_ms: float
    rows: int


_STATEMENTS: Final = Ranged(
    "workload",
    Statement,
    "delta",
    """
    with sums as materialized (
        select query_id, sum(calls)::bigint as calls, sum(total_ms) as total_ms,
               sum(rows)::bigint as rows
        from @rows d where query_id <> 0 group by query_id
        order by sum(total_ms) desc limit $2)
    select d.query_id::text as id, s.name, s.text, d.calls, d.total_ms as "totalMs", d.rows
    from sums d join performance.statement s on s.query_id = d.query_id
    where d.calls > 0 order by d.total_ms desc
    """,
    ("seconds", "most"),
)
_HEAVIEST: Final = 200


class Candidate(msgspec.Struct):
    """Columns that an index would begin with, and the statements it would be for."""

    table: Facts
    columns: tuple[str, ...]
    statements: list[Statement]

    @property
    def sql(self) -> str:
        """What makes it."""
        return f"create index concurrently on {self.table.name} ({', '.join(self.quoted)});"

    @property
    def quoted(self) -> list[str]:
        """The columns as SQL writes them."""
        return [self.table.columns[each] for each in self.columns]


async def candidates(database: Database) -> list[Candidate]:
    """Give what the heaviest statements of a week look up by and no index begins with."""
    tables = {each.key: each for each in await _FACTS.ask(database)}
    statements = await _STATEMENTS.ask(database, seconds=_DAYS, most=_HEAVIEST)
    # Reading a statement takes about a millisecond, and there may be hundreds.
    return await asyncio.to_thread(find, tables, statements)


def find(tables: Mapping[str, Facts], statements: Iterable[Statement]) -> list[Candidate]:
    """Give what the statements lack, the costliest first; one for each set of columns."""
    found: dict[tuple[str, tuple[str, ...]], Candidate] = {}
    keys = {key: key for key in tables}
    for statement in statements:
        for key, lookup in by_table(lookups(statement.text), keys):
            table = tables[key]
            columns = _columns(table, lookup)
            if columns:
                made = found.setdefault((key, columns), Candidate(table, columns, []))
                if statement not in made.statements:
                    made.statements.append(statement)
    return sorted(found.values(), key=lambda each: -sum(s.total_ms for s in each.statements))


def _columns(table: Facts, lookup: Lookup) -> tuple[str, ...]:
    """Give the columns of an index for a look-up; none if there is one that begins well."""
    equal = sorted(each for each in lookup.equal if each in table.columns)
    ranges = sorted(each for each in lookup.ranges if each in table.columns)
    helped = set(equal) or set(ranges)
    if helped & set(table.leading):
        return ()
    return (*equal, *ranges[:1])


def judged(candidate: Candidate) -> Advice:
    """Say what is to be done about it."""
    table, statements = candidate.table, candidate.statements
    calls = sum(each.calls for each in statements)
    total_ms = sum(each.total_ms for each in statements)
    share = sum(each.rows for each in statements) / calls / table.rows
    scanned = table.rows_read / table.sequential_scans if table.sequential_scans else 0.0
    verdict, reason = _verdict(candidate, calls, total_ms / calls, share, scanned)
    return Advice(
        problem="missing",
        verdict=verdict,
        table=table.name,
        index=None,
        columns=candidate.quoted,
        reason=reason,
        evidence={
            "rows": table.rows,
            "calls": calls,
            "totalMs": round(total_ms, 3),
            "meanMs": round(total_ms / calls, 3),
            "shareOfRowsGiven": round(share, 6),
            "sequentialScans": table.sequential_scans,
            "rowsReadByScan": round(scanned),
            "statements": [{"id": each.id, "name": each.name} for each in statements[:10]],
        },
        sql=candidate.sql if verdict in {"act", "watch"} else None,
    )


def _verdict(
    candidate: Candidate, calls: int, mean_ms: float, share: float, scanned: float
) -> tuple[Verdict, str]:
    names = ", ".join(candidate.columns)
    if calls < CALLS:
        return "insufficientData", (
            f"Rows are looked up by {names} without an index, but only {calls} times so far."
        )
    if share >= MANY:
        return "keep", (
            f"Statements that look at {names} are given {share:.0%} of all rows: going through "
            "the table is the right way."
        )
    if share <= FEW and mean_ms >= SLOW_MS and scanned >= candidate.table.rows * _OF_TABLE:
        return "act", (
            f"{calls} times rows were looked up by {names} by going through all of the table, for "
            f"{share:.4%} of its rows and {mean_ms:.1f} ms each."
        )
    return "watch", f"Rows are looked up by {names}, with which no index begins."


def distinct(found: Sequence[Candidate]) -> list[Candidate]:
    """Leave out those whose columns another's begin with."""
    return [
        each
        for each in found
        if not any(
            other is not each
            and other.table.key == each.table.key
            and len(other.columns) > len(each.columns)
            and other.columns[: len(each.columns)] == each.columns
            for other in found
        )
    ]
