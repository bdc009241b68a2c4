"""Figures of the database and of each worker's pool: written once a minute, and read as of now.

Trends are drawn from those that are written; alarms ask for the present ones.
"""

from typing import Any, Final

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context

LATEST_SECONDS: Final = 120
"""How old a figure may be that is written each minute: two of them."""
FEWEST_BLOCKS: Final = 1_000
_SEES_ALL: Final = "pg_has_role(current_user, 'pg_read_all_stats', 'usage')"
# Each is null, and not a smaller figure, where the role sees its own connections only.
_CONNECTION_SHARE: Final = f"""
    case when {_SEES_ALL}
    then (select count(*) from pg_stat_activity where backend_type = 'client backend')
    else (select sum(numbackends) from pg_stat_database) end::float8
    / current_setting('max_connections')::float8"""  # noqa: S608 -- a constant
_OLDEST_TRANSACTION: Final = f"""
    case when {_SEES_ALL} then
    (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)
     from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid()
       and datname = current_database())
    end::float8"""  # noqa: S608 -- a constant
# A replica that has nothing to catch up with has no lag, and null.
_REPLICATION_LAG: Final = f"""
    case when {_SEES_ALL} then
    (select coalesce(max(extract(epoch from replay_lag)), 0) from pg_stat_replication)
    end::float8"""  # noqa: S608 -- a constant


def _clients(condition: str = "true") -> str:
    return f"""
    case when {_SEES_ALL} then
    (select count(*) from pg_stat_activity where backend_type = 'client backend' and {condition})
    end::float8"""  # noqa: S608 -- constants


def _now(name: str, sql: str) -> Statement:
    return Statement(f"select performance.{name}", f"select {sql} as value", (), {})


CONNECTION_SHARE: Final = _now("connection_share", _CONNECTION_SHARE)
OLDEST_TRANSACTION: Final = _now("oldest_transaction", _OLDEST_TRANSACTION)
REPLICATION_LAG: Final = _now("replication_lag", _REPLICATION_LAG)
_OF_DATABASE: Final = Statement(
    "insert performance.gauge",
    f"""
    insert into performance.gauge
    select clock_timestamp(), g.name, g.value
    from pg_stat_database d
    cross join lateral (values
        ('database.bytes', pg_database_size(d.datid)::float8),
        ('database.commits', d.xact_commit::float8),
        ('database.rollbacks', d.xact_rollback::float8),
        ('database.deadlocks', d.deadlocks::float8),
        ('database.temp_bytes', d.temp_bytes::float8),
        ('database.blocks_hit', d.blks_hit::float8),
        ('database.blocks_read', d.blks_read::float8),
        ('connections.total', {_clients()}),
        ('connections.active', {_clients("state = 'active'")}),
        ('connections.share', {_CONNECTION_SHARE}),
        ('locks.waiting', {_clients("wait_event_type = 'Lock'")}),
        ('transactions.oldest_seconds', {_OLDEST_TRANSACTION}),
        ('replication.lag_seconds', {_REPLICATION_LAG})
    ) g (name, value)
    where d.datname = current_database() and g.value is not null
    """,  # noqa: S608 -- constants
    (),
    {},
)
_OF_WORKER: Final = Statement(
    "insert performance.gauge_pool",
    """
    insert into performance.gauge
    select clock_timestamp(), name, value from (values
        ('pool.used', $1::float8), ('pool.waiting', $2), ('pool.share', $3)) g (name, value)
    """,
    ("used", "waiting", "share"),
    {},
)
# By when it ended, or was seen last: one that runs for an hour is slow now.
_SLOW: Final = Statement(
    "select performance.slow_now",
    """
    select count(*)::float8 as value from performance.slow
    where started_at > now() - interval '1 day' and duration_ms >= $2
      and started_at + make_interval(secs => duration_ms / 1000)
          > now() - make_interval(secs => $1)
    """,
    ("seconds", "slow_ms"),
    {},
)
_HIGHEST: Final = Statement(
    "select performance.highest_now",
    """
    select max(value) as value from performance.gauge
    where name = $1 and at > now() - make_interval(secs => $2)
    """,
    ("name", "seconds"),
    {},
)
# Counts that have gone down were set to zero in between.
_INCREASE: Final = Statement(
    "select performance.increase",
    """
    select sum(greatest(value - before, 0))::float8 as value
    from (select value, lag(value) over (order by at) as before from performance.gauge
          where name = $1 and at > now() - make_interval(secs => $2)) points
    where before is not null
    """,
    ("name", "seconds"),
    {},
)


async def store_of_database(transaction: Transaction) -> None:
    """Write down how the database is."""
    await transaction.row(_OF_DATABASE)


async def store_of_worker(transaction: Transaction, pool: Database) -> None:
    """Write down how full a worker's pool is."""
    limit = pool.config.max_connections
    await transaction.row(
        _OF_WORKER,
        used=float(pool.used),
        waiting=float(pool.waiting),
        share=pool.used / limit,
    )


async def ask(database: Database, statement: Statement, **values: object) -> float | None:
    """Give the figure."""
    row: Any = await database.read(statement, Context(), **values)
    return None if row is None or row["value"] is None else float(row["value"])


async def slow_statements(database: Database, seconds: float, slow_ms: float) -> float | None:
    """Count the slow statements that ran in the last seconds."""
    return await ask(database, _SLOW, seconds=seconds, slow_ms=slow_ms)


async def highest_now(database: Database, name: str) -> float | None:
    """Give the highest of the latest figures of that name: each worker writes its own."""
    return await ask(database, _HIGHEST, name=name, seconds=LATEST_SECONDS)


async def increase(database: Database, name: str, seconds: float) -> float | None:
    """Give by how much a count has grown; None with fewer than two figures of it."""
    return await ask(database, _INCREASE, name=name, seconds=seconds)


async def cache_hit_ratio(database: Database, seconds: float) -> float | None:
    """Give the share of blocks that were in memory; None when there were too few to tell."""
    hit = await increase(database, "database.blocks_hit", seconds)
    missed = await increase(database, "database.blocks_read", seconds)
    if hit is None or missed is None or hit + missed < FEWEST_BLOCKS:
        return None
    return hit / (hit + missed)
