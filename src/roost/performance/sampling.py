"""Looking at pg_stat_statements again and again: what was counted since the look before.

A look writes the heaviest statements only; what the others did is written when they are among the
heaviest, or at the full hour. So a look costs the same however many statements there are, and
nothing is left out of the sum.
"""

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from roost.db.pool import Transaction
from roost.db.statements import Statement
from roost.performance.counting import REFUSALS, obstacle_of
from roost.performance.wording import name_of, shown

HEAVIEST: Final = 100
"""Statements that a look writes at most, but for one look an hour."""
_TEXTS: Final = 1_000
_LONGEST: Final = 20_000
"""Characters that are kept of a statement: what is cut off can't be planned any more."""

_LAST = Statement(
    "select performance.last_sample",
    """
    select at, stats_reset, dealloc, clock_timestamp() as now,
           date_trunc('hour', at) < date_trunc('hour', clock_timestamp()) as is_hourly
    from performance.sample order by at desc limit 1
    """,
    (),
    {},
)
_INFO = Statement(
    "select performance.statements_info",
    "select stats_reset, dealloc, clock_timestamp() as now from pg_stat_statements_info",
    (),
    {},
)
# A statement that has fewer calls than before, or is counted since another moment, was forgotten
# and met again.
_LOOK = Statement(
    "insert performance.delta",
    """
    with counted as materialized (
        select user_id, is_top, query_id, max(s.stats_since) as since,
               sum(calls)::bigint as calls, sum(total_exec_time) as total_ms,
               sum(rows)::bigint as rows,
               sum(shared_blks_hit)::bigint as blocks_hit,
               sum(shared_blks_read)::bigint as blocks_read,
               sum(temp_blks_read + temp_blks_written)::bigint as temp_blocks,
               sum(wal_bytes) as wal_bytes
        -- Before PostgreSQL 17 the name is found in the first of the two.
        from (select null::timestamptz as stats_since) older cross join lateral (
            select userid as user_id, toplevel as is_top, queryid as query_id, stats_since, calls,
                   total_exec_time, rows, shared_blks_hit, shared_blks_read, temp_blks_read,
                   temp_blks_written, wal_bytes
            from pg_stat_statements(false)
            where queryid is not null
              and dbid = (select oid from pg_database where datname = current_database())) s
        group by 1, 2, 3),
    grown as materialized (
        select c.*, coalesce(l.query_id is not null and not $2 and c.calls >= l.calls
                             and c.total_ms >= l.total_ms
                             and coalesce(c.since = l.since, true), false) as goes_on,
               l.calls as calls_then, l.total_ms as total_then, l.rows as rows_then,
               l.blocks_hit as hit_then, l.blocks_read as read_then, l.temp_blocks as temp_then,
               l.wal_bytes as wal_then
        from counted c left join performance.counter l
            on l.query_id = c.query_id and l.user_id = c.user_id and l.is_top = c.is_top
        where l.query_id is null or $2 or c.calls <> l.calls or c.since <> l.since),
    heavy as materialized (
        select query_id, row_number() over (
            order by sum(total_ms - case when goes_on then total_then else 0 end) desc) as place
        from grown group by query_id),
    chosen as materialized (
        select g.* from grown g join heavy h on h.query_id = g.query_id
        where $3 or $2 or h.place <= $4),
    kept as (
        insert into performance.counter as k
        select user_id, is_top, query_id, calls, total_ms, rows, blocks_hit, blocks_read,
               temp_blocks, wal_bytes, since
        from chosen
        on conflict (query_id, user_id, is_top) do update
        set calls = excluded.calls, total_ms = excluded.total_ms, rows = excluded.rows,
            blocks_hit = excluded.blocks_hit, blocks_read = excluded.blocks_read,
            temp_blocks = excluded.temp_blocks, wal_bytes = excluded.wal_bytes,
            since = excluded.since),
    written as (
        insert into performance.delta
        select $1, query_id, sum(calls - case when goes_on then calls_then else 0 end),
               sum(total_ms - case when goes_on then total_then else 0 end),
               sum(greatest(rows - case when goes_on then rows_then else 0 end, 0)),
               sum(greatest(blocks_hit - case when goes_on then hit_then else 0 end, 0)),
               sum(greatest(blocks_read - case when goes_on then read_then else 0 end, 0)),
               sum(greatest(temp_blocks - case when goes_on then temp_then else 0 end, 0)),
               sum(greatest(wal_bytes - case when goes_on then wal_then else 0 end, 0))
        from chosen where not $5 group by query_id returning 1)
    select (select count(distinct query_id) from counted)::integer as statements,
           (select count(*) from written)::integer as written
    """,
    ("at", "was_reset", "all", "most", "is_first"),
    {},
)
_NOTE = Statement(
    "insert performance.sample",
    "insert into performance.sample values ($1, $2, $3, $4, $5, $6, $7, $8)",
    ("at", "since", "stats_reset", "dealloc", "was_reset", "evicted", "statements", "written"),
    {},
)
_FORGET = Statement(
    "delete performance.counter",
    """
    delete from performance.counter c where not exists (
        select from pg_stat_statements(false) s
        where s.queryid = c.query_id and s.userid = c.user_id and s.toplevel = c.is_top
          and s.dbid = (select oid from pg_database where datname = current_database()))
    """,
    (),
    {},
)
_SEEN = Statement(
    "update performance.statement",
    """
    update performance.statement s set last_seen = $1
    where exists (select from performance.delta d
                  where d.query_id = s.query_id and d.at > $1::timestamptz - interval '2 hours')
    """,
    ("at",),
    {},
)
_UNKNOWN = Statement(
    "select performance.unknown_statements",
    """
    with unknown as materialized (
        select c.query_id from performance.counter c
        where not exists (select from performance.statement s where s.query_id = c.query_id)
        limit $1)
    select distinct on (p.queryid) p.queryid as query_id, p.query as text
    from pg_stat_statements p join unknown u on u.query_id = p.queryid
    where p.dbid = (select oid from pg_database where datname = current_database())
    """,
    ("most",),
    {},
)
_ANY_UNKNOWN = Statement(
    "select performance.any_unknown",
    """
    select exists (select from performance.counter c where not exists (
        select from performance.statement s where s.query_id = c.query_id)) as found
    """,
    (),
    {},
)
_KNOW = Statement(
    "insert performance.statement",
    """
    insert into performance.statement (query_id, name, text)
    select * from unnest($1::bigint[], $2::text[], $3::text[]) on conflict do nothing
    """,
    ("ids", "names", "texts"),
    {},
)


@dataclass(frozen=True, slots=True)
class Look:
    """What a look found. `reason` says why there was none."""

    at: datetime | None = None
    statements: int = 0
    written: int = 0
    was_reset: bool = False
    reason: str | None = None


async def look(transaction: Transaction, *, heaviest: int = HEAVIEST) -> Look:
    """Write down what was counted since the look before; the first only remembers the counts."""
    try:
        # A savepoint: what else is written with the look must not go with its failure.
        async with transaction.connection.transaction():
            return await _look(transaction, heaviest)
    except REFUSALS as error:
        return Look(reason=f"{obstacle_of(error)} PostgreSQL says: {error.args[0]}")


async def _look(transaction: Transaction, heaviest: int) -> Look:
    info: Any = await transaction.row(_INFO)
    last: Any = await transaction.row(_LAST)
    was_reset = last is not None and info["stats_reset"] != last["stats_reset"]
    hourly = last is None or last["is_hourly"]
    found: Any = await transaction.row(
        _LOOK,
        at=info["now"],
        was_reset=was_reset,
        all=hourly,
        most=heaviest,
        is_first=last is None,
    )
    await transaction.row(
        _NOTE,
        at=info["now"],
        since=last["at"] if last is not None else None,
        stats_reset=info["stats_reset"],
        dealloc=info["dealloc"],
        was_reset=was_reset,
        evicted=max(info["dealloc"] - last["dealloc"], 0) if last is not None else 0,
        statements=found["statements"],
        written=found["written"],
    )
    if hourly or was_reset:
        await transaction.row(_FORGET)
        await transaction.row(_SEEN, at=info["now"])
    await _learn(transaction)
    return Look(info["now"], found["statements"], found["written"], was_reset)


async def _learn(transaction: Transaction) -> None:
    """Write down what ids stand for that are new."""
    any_unknown: Any = await transaction.row(_ANY_UNKNOWN)
    if not any_unknown["found"]:
        return
    rows = await transaction.rows(_UNKNOWN, most=_TEXTS)
    # Up to a millisecond each.
    texts = await asyncio.to_thread(lambda: [shown(row["text"], _LONGEST) or "…" for row in rows])
    await transaction.row(
        _KNOW,
        ids=[row["query_id"] for row in rows],
        names=[name_of(row["text"]) for row in rows],
        texts=texts,
    )
