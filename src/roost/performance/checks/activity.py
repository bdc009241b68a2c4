"""Checks of what connections do: how many there are, who waits, who holds others up."""

from roost.performance.checks.kinds import (
    LEAST_DAYS,
    NOT_SHOWN,
    TOO_SHORT,
    Check,
    Finding,
    Row,
    graded,
    growth_of,
    skipped,
)

_SEEN = "pg_has_role(current_user, 'pg_read_all_stats', 'usage') as seen"


def _connections(rows: list[Row]) -> Finding:
    row = rows[0]
    share = row["used"] / row["most"]
    return graded(
        "connections", share, "1", (0.8, 0.95),
        f"{row['used']} of {row['most']} connections are taken",
        "Lower DB_MAX_CONNECTIONS or the number of workers, put PgBouncer in front, or raise "
        "max_connections.",
        [{"state": row["state"], "count": row["count"]} for row in rows],
    )  # fmt: skip


def _idle(rows: list[Row]) -> Finding:
    if not rows[0]["seen"]:
        return skipped("idleInTransaction", NOT_SHOWN)
    rows = [row for row in rows if row["pid"] is not None]
    longest = max((row["seconds"] for row in rows), default=0.0)
    return graded(
        "idleInTransaction", longest, "s", (60, 600),
        f"{len(rows)} connections are idle in a transaction, {longest:.0f} s the longest",
        "Whoever opened it has to commit: it holds its locks, and vacuum back. To end it: "
        "select pg_terminate_backend(pid); to have that done: idle_in_transaction_session_timeout.",
        [{"pid": row["pid"], "seconds": row["seconds"], "application": row["application"]}
         for row in rows],
    )  # fmt: skip


def _long(rows: list[Row]) -> Finding:
    if not rows[0]["seen"]:
        return skipped("longStatements", NOT_SHOWN)
    rows = [row for row in rows if row["pid"] is not None]
    longest = max((row["seconds"] for row in rows), default=0.0)
    return graded(
        "longStatements", longest, "s", (60, 900),
        f"{len(rows)} statements run, {longest:.0f} s the longest",
        "See `/performance/connections` for what it is; to end it: select pg_cancel_backend(pid).",
        [{"pid": row["pid"], "seconds": row["seconds"]} for row in rows if row["seconds"] >= 60],  # noqa: PLR2004 -- as above
    )  # fmt: skip


def _blocked(rows: list[Row]) -> Finding:
    if not rows[0]["seen"]:
        return skipped("blocked", NOT_SHOWN)
    row = rows[0]
    return graded(
        "blocked", row["seconds"], "s", (5, 60),
        f"{row['count']} connections wait for a lock, {row['seconds']:.0f} s the longest",
        "See `/performance/locks` for who holds them up.",
    )  # fmt: skip


def _deadlocks(rows: list[Row]) -> Finding:
    row = rows[0]
    if row["days"] < LEAST_DAYS:
        return skipped("deadlocks", TOO_SHORT)
    return graded(
        "deadlocks", row["grown"] / row["days"], "1/d", (5, 100),
        f"{row['grown']:.0f} deadlocks in {row['days'] * 24:.1f} hours",
        "Transactions take the same rows in different orders; the server's log names both.",
    )  # fmt: skip


CHECKS = (
    Check(
        "connections",
        """
        select coalesce(state, 'unknown') as state, count(*) as count,
               sum(count(*)) over () as used,
               current_setting('max_connections')::integer
                   - current_setting('superuser_reserved_connections')::integer as most
        from pg_stat_activity where backend_type = 'client backend' group by 1 order by 2 desc
        """,
        _connections,
    ),
    Check(
        "idleInTransaction",
        f"""
        select {_SEEN}, a.pid, a.application_name as application,
               extract(epoch from clock_timestamp() - a.state_change)::float8 as seconds
        from (select) one left join pg_stat_activity a
            on a.state like 'idle in transaction%' and a.pid <> pg_backend_pid()
        order by seconds desc nulls last
        """,  # noqa: S608 -- a constant
        _idle,
    ),
    Check(
        "longStatements",
        f"""
        select {_SEEN}, a.pid,
               extract(epoch from clock_timestamp() - a.query_start)::float8 as seconds
        from (select) one left join pg_stat_activity a
            on a.state = 'active' and a.pid <> pg_backend_pid()
                and a.backend_type = 'client backend'
        order by seconds desc nulls last
        """,  # noqa: S608 -- a constant
        _long,
    ),
    Check(
        "blocked",
        f"""
        select {_SEEN}, count(l.pid) as count,
               coalesce(max(extract(epoch from clock_timestamp() - l.waitstart)), 0)::float8
                   as seconds
        from (select) one left join pg_locks l on not l.granted
        """,  # noqa: S608 -- a constant
        _blocked,
    ),
    Check(
        "deadlocks",
        growth_of("database.deadlocks"),
        _deadlocks,
    ),
)
