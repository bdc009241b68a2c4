"""Figures of the database and of each worker's pool, one a minute: for trends and for alarms."""

from typing import Final

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement

_OF_DATABASE: Final = Statement(
    "insert performance.gauge",
    """
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
        ('connections.total', (select count(*) from pg_stat_activity
                               where backend_type = 'client backend')::float8),
        ('connections.active', (select count(*) from pg_stat_activity
                                where backend_type = 'client backend'
                                  and state = 'active')::float8),
        ('connections.share', (select count(*) from pg_stat_activity
                               where backend_type = 'client backend')::float8
                              / current_setting('max_connections')::float8),
        ('locks.waiting', (select count(*) from pg_stat_activity
                           where wait_event_type = 'Lock')::float8),
        ('transactions.oldest_seconds', (
            select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)
            from pg_stat_activity
            where backend_type = 'client backend' and datname = current_database())::float8),
        ('replication.lag_seconds', (
            select max(extract(epoch from replay_lag)) from pg_stat_replication)::float8)
    ) g (name, value)
    where d.datname = current_database() and g.value is not null
    """,
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
