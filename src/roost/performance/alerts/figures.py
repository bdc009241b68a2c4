"""The statements behind metrics: each gives one figure, or null where nothing can be said."""

from typing import Any, Final

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context

Now = Statement
LATEST_SECONDS: Final = 120
"""How old a figure may be that is written each minute: two of them."""
FEWEST_BLOCKS: Final = 1_000
_SEES_ALL: Final = "pg_has_role(current_user, 'pg_read_all_stats', 'usage')"

CONNECTION_SHARE: Final = Statement(
    "select performance.connection_share",
    f"""
    select case when {_SEES_ALL}
           then (select count(*) from pg_stat_activity where backend_type = 'client backend')
           else (select sum(numbackends) from pg_stat_database) end::float8
           / current_setting('max_connections')::float8 as value
    """,  # noqa: S608 -- a constant
    (),
    {},
)
# A replica that has nothing to catch up with has no lag, and null.
REPLICATION_LAG: Final = Statement(
    "select performance.replication_lag",
    f"""
    select case when {_SEES_ALL} then
           (select coalesce(max(extract(epoch from replay_lag)), 0) from pg_stat_replication)
           end::float8 as value
    """,  # noqa: S608 -- a constant
    (),
    {},
)
OLDEST_TRANSACTION: Final = Statement(
    "select performance.oldest_transaction",
    f"""
    select case when {_SEES_ALL} then
           (select coalesce(max(extract(epoch from clock_timestamp() - xact_start)), 0)
            from pg_stat_activity
            where backend_type = 'client backend' and pid <> pg_backend_pid()
              and datname = current_database())
           end::float8 as value
    """,  # noqa: S608 -- a constant
    (),
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


async def ask(database: Database, statement: Now, **values: object) -> float | None:
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
