"""The schema `performance`: what the doctor remembers, and how it is kept from growing."""

from importlib import resources
from typing import Any, Final

from roost.db.pool import Transaction
from roost.db.statements import Statement

HEAVIEST: Final = 300
"""Statements that are told apart in an hour that is past; all others are one."""

_PREPARE: Final = Statement(
    "select performance.prepare", "select performance.prepare_partitions()", (), {}
)
_DROP: Final = Statement(
    "select performance.drop", "select performance.drop_minutes() as gone", (), {}
)
# The last two minutes belong to who is late. Hours that nobody looked at are left out.
_DUE: Final = Statement(
    "select performance.due",
    """
    select h.at from (
        select distinct date_trunc('hour', at) + interval '1 hour' as at from performance.gauge
    ) h
    where h.at <= now() - interval '2 minutes'
      and not exists (select from performance.rolled r where r.at = h.at)
    order by h.at
    """,
    (),
    {},
)
_ROLL_DELTAS: Final = Statement(
    "insert performance.delta_hour",
    """
    with sums as (
        select query_id, sum(calls)::bigint as calls, sum(total_ms) as total_ms,
               sum(rows)::bigint as rows, sum(blocks_hit)::bigint as blocks_hit,
               sum(blocks_read)::bigint as blocks_read, sum(temp_blocks)::bigint as temp_blocks,
               sum(wal_bytes) as wal_bytes
        from performance.delta
        where at > $1::timestamptz - interval '1 hour' and at <= $1 group by query_id),
    placed as (select *, row_number() over (order by total_ms desc) as place from sums)
    insert into performance.delta_hour
    select $1, case when place <= $2 then query_id else 0 end, sum(calls), sum(total_ms),
           sum(rows), sum(blocks_hit), sum(blocks_read), sum(temp_blocks), sum(wal_bytes)
    from placed group by 2 on conflict do nothing
    """,
    ("at", "most"),
    {},
)
_ROLL_LATENCIES: Final = Statement(
    "insert performance.latency_hour",
    """
    with these as materialized (
        select * from performance.latency
        where at > $1::timestamptz - interval '1 hour' and at <= $1),
    counts as (
        select route, name, bucket, sum(number::bigint) as number
        from these, jsonb_each_text(buckets) b (bucket, number) group by 1, 2, 3),
    merged as (
        select route, name, jsonb_object_agg(bucket, number) as buckets
        from counts group by 1, 2),
    sums as (
        select route, name, sum(calls)::bigint as calls, sum(errors)::bigint as errors,
               sum(total_ms) as total_ms, max(slowest_ms) as slowest_ms
        from these group by 1, 2)
    insert into performance.latency_hour
    select $1, '', s.route, s.name, s.calls, s.errors, s.total_ms, s.slowest_ms, m.buckets
    from sums s join merged m on m.route = s.route and m.name = s.name on conflict do nothing
    """,
    ("at",),
    {},
)
_ROLL_GAUGES: Final = Statement(
    "insert performance.gauge_hour",
    """
    insert into performance.gauge_hour
    select $1, name, avg(value), max(value) from performance.gauge
    where at > $1::timestamptz - interval '1 hour' and at <= $1 group by name
    on conflict do nothing
    """,
    ("at",),
    {},
)
_ROLLED: Final = Statement(
    "insert performance.rolled",
    "insert into performance.rolled values ($1) on conflict do nothing",
    ("at",),
    {},
)
_FORGET: Final = Statement(
    "delete performance.old",
    """
    with bound as (select now() - make_interval(days => $1) as at),
    a as (delete from performance.delta_hour d using bound b where d.at < b.at),
    c as (delete from performance.latency_hour d using bound b where d.at < b.at),
    e as (delete from performance.gauge_hour d using bound b where d.at < b.at),
    f as (delete from performance.rolled d using bound b where d.at < b.at),
    j as (delete from performance.fault d using bound b where d.last_seen < b.at),
    k as (delete from performance.fault_hour d using bound b where d.at < b.at),
    i as (delete from performance.report d using bound b where d.at < b.at),
    g as (delete from performance.sample d using bound b where d.at < b.at),
    l as (delete from performance.slow where id < (
        select id from performance.slow order by id desc offset 20000 limit 1)),
    m as (insert into performance.index_seen (index_id)
          select indexrelid from pg_index on conflict do nothing),
    n as (delete from performance.index_seen s
          where not exists (select from pg_class c where c.oid = s.index_id)),
    h as (delete from performance.slow d using bound b where d.started_at < b.at)
    delete from performance.statement d using bound b where d.last_seen < b.at
    """,
    ("days",),
    {},
)


def install_sql(name: str = "kept") -> str:
    """Give the statements that make it, once; `alerts` and `benchmarks` are parts of their own."""
    return (resources.files("roost.performance") / "sql" / f"{name}.sql").read_text("utf-8")


async def keep_up(transaction: Transaction, days: int) -> None:
    """Make partitions for the days to come, roll hours up, forget what is older than `days`."""
    await transaction.row(_PREPARE)
    await roll_up(transaction)
    await transaction.row(_DROP)
    await transaction.row(_FORGET, days=days)


async def roll_up(transaction: Transaction, heaviest: int = HEAVIEST) -> int:
    """Write the hours that are over by their sums; gives how many."""
    due: list[Any] = await transaction.rows(_DUE)
    for row in due:
        await transaction.row(_ROLL_DELTAS, at=row["at"], most=heaviest)
        await transaction.row(_ROLL_LATENCIES, at=row["at"])
        await transaction.row(_ROLL_GAUGES, at=row["at"])
        await transaction.row(_ROLLED, at=row["at"])
    return len(due)
