"""Bloat: how much of an index is empty, estimated from its rows, or measured by pgstattuple."""

from typing import Final

import asyncpg

from roost.db.pool import Database
from roost.performance.advice import Advice
from roost.performance.reading import OURS, Question
from roost.web.structs import Outgoing

LEAST_BYTES: Final = 1024 * 1024
ACT_BYTES: Final = 10 * 1024 * 1024
SHARE: Final = 0.5
"""Share of an index that must be empty before anything is said."""
_MEASURED: Final = 20
_MEASURED_BYTES: Final = 1024**3
_USUAL: Final = 0.9
"""How full PostgreSQL makes the leaves of a B-tree."""


class Wide(Outgoing):
    """A B-tree whose keys have a fixed width: `needed` is what its rows take, in bytes."""

    table: str
    index: str
    rows: int
    bytes: int
    needed: float


# A leaf has 16 bytes of special space and 24 of head; an entry 8 of its own and 4 that point to it.
_ESTIMATED: Final = Question(
    "bloat",
    Wide,
    f"""
    select t.oid::regclass::text as "table", i.indexrelid::regclass::text as index,
           c.reltuples::bigint as rows, pg_relation_size(c.oid) as bytes,
           ceil(greatest(c.reltuples, 1) * (12 + ceil(w.width / 8.0) * 8)
                / ((current_setting('block_size')::float8 - 40) * {_USUAL}) * 1.02 + 2)
               * current_setting('block_size')::float8 as needed
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    join pg_am m on m.oid = c.relam and m.amname = 'btree'
    join lateral (select sum(a.attlen) as width, min(a.attlen) as narrowest from pg_attribute a
                  where a.attrelid = i.indexrelid) w on w.narrowest > 0
    where i.indisvalid and c.reltuples >= 0 and {OURS}
      and pg_relation_size(c.oid) >= {LEAST_BYTES}
    order by bytes desc
    """,  # noqa: S608 -- constants
)


async def bloated(database: Database) -> list[Advice]:
    """Estimate for B-trees with keys of a fixed width: of others nothing is said."""
    return [
        _advice(each, "estimated") for each in await _ESTIMATED.ask(database) if _is_empty(each)
    ]


def _is_empty(index: Wide) -> bool:
    return index.bytes - index.needed >= index.bytes * SHARE


def _advice(index: Wide, how: str) -> Advice:
    wasted = index.bytes - index.needed
    large = wasted >= ACT_BYTES
    return Advice(
        problem="bloated",
        verdict="act" if large else "watch",
        table=index.table,
        index=index.index,
        columns=[],
        reason=f"About {wasted / index.bytes:.0%} of it is empty.",
        evidence={
            "bytes": index.bytes,
            "wastedBytes": round(wasted),
            "rows": index.rows,
            "how": how,
        },
        sql=f"reindex index concurrently {index.index};",
    )


_LARGEST: Final = Question(
    "large_indexes",
    Wide,
    f"""
    select t.oid::regclass::text as "table", i.indexrelid::regclass::text as index,
           greatest(c.reltuples, 0)::bigint as rows, pg_relation_size(c.oid) as bytes, 0 as needed
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join pg_class t on t.oid = i.indrelid
    join pg_namespace n on n.oid = t.relnamespace
    join pg_am m on m.oid = c.relam and m.amname = 'btree'
    where i.indisvalid and {OURS}
      and pg_relation_size(c.oid) between {LEAST_BYTES} and {_MEASURED_BYTES}
    order by bytes desc limit {_MEASURED}
    """,  # noqa: S608 -- constants
)


async def measured(database: Database) -> list[Advice] | None:
    """Read the largest B-trees through and measure; None without pgstattuple or the right to."""
    found = []
    for each in await _LARGEST.ask(database):
        try:
            async with database.connection() as connection:
                density = await connection.fetchval(
                    "select avg_leaf_density from pgstatindex($1::text::regclass)", each.index
                )
        except (asyncpg.UndefinedFunctionError, asyncpg.InsufficientPrivilegeError):
            return None
        except asyncpg.QueryCanceledError:
            continue
        if density is not None and density == density:  # noqa: PLR0124 -- NaN of an empty one
            each.needed = min(each.bytes * density / 100 / _USUAL, each.bytes)
            if _is_empty(each):
                found.append(_advice(each, "measured"))
    return found
