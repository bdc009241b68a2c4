"""Slow statements: told by the driver of each worker, and seen in the database while they ran.

Both see the same one: a backend runs one statement at a time, so its process and the time it began
tell which it was.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

import asyncpg
import msgspec

from roost.db.pool import LOST, Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.duties import Duty
from roost.performance.plans import Plan, plan_of
from roost.performance.reading import Question
from roost.performance.wording import name_of, shown
from roost.telemetry.tally import Slow
from roost.web.structs import Outgoing

SLOW_MS: Final = 1_000.0
"""Milliseconds from which on a statement is slow; those from `WATCH_MS` on are worth a look."""
WATCH_MS: Final = 100.0
PLANS_AT_ONCE: Final = 5
MOST_AT_ONCE: Final = 20
"""Statements of one worker that are written down at once, the slowest: all are counted anyway."""
_PLAN_SECONDS: Final = 2.0

_SAME: Final = """
    known as (
        select id from performance.slow
        where pid = $1 and pid <> 0 and not ended
          and started_at between $2::timestamptz - interval '1 second'
                             and $2::timestamptz + interval '1 second'
        order by abs(extract(epoch from started_at - $2::timestamptz)) limit 1 for update)"""
_TELL: Final = Statement(
    "insert performance.slow",
    f"""
    with {_SAME},
    changed as (
        update performance.slow s
        set duration_ms = $3, ended = true, name = $4, text = coalesce(s.text, $5), route = $6,
            trace_id = $7, error = $8, plan = $9, seen_by = array['driver', 'database']
        from known where s.id = known.id returning s.id)
    insert into performance.slow (pid, started_at, duration_ms, ended, name, text, route, trace_id,
                                  error, plan, seen_by)
    select $1, $2, $3, true, $4, $5, $6, $7, $8, $9, array['driver']
    where not exists (select from known)
    """,  # noqa: S608 -- constants
    ("pid", "started_at", "duration_ms", "name", "text", "route", "trace_id", "error", "plan"),
    {},
)
_SEE: Final = Statement(
    "insert performance.slow_seen",
    f"""
    with {_SAME},
    changed as (
        update performance.slow s
        set duration_ms = greatest(s.duration_ms, $3),
            waits = case when $6::text is null then s.waits else jsonb_set(
                s.waits, array[$6], to_jsonb(coalesce((s.waits ->> $6)::integer, 0) + 1)) end
        from known where s.id = known.id and not s.ended returning s.id)
    insert into performance.slow (pid, started_at, duration_ms, ended, name, text, waits, seen_by)
    select $1, $2, $3, false, $4, $5,
           case when $6::text is null then '{{}}' else jsonb_build_object($6::text, 1) end,
           array['database']
    where not exists (select from known)
    """,  # noqa: S608 -- constants
    ("pid", "started_at", "duration_ms", "name", "text", "wait"),
    {},
)
_RUNNING: Final = Statement(
    "select performance.running",
    """
    select pid, query_start as started_at, wait_event_type || ': ' || wait_event as wait,
           extract(epoch from clock_timestamp() - query_start)::float8 * 1000 as duration_ms,
           query as text
    from pg_stat_activity
    where state = 'active' and backend_type = 'client backend' and datname = current_database()
      and pid <> pg_backend_pid()
      and query_start <= clock_timestamp() - make_interval(secs => $1::float8 / 1000)
    """,
    ("least_ms",),
    {},
)


class SlowQuery(Outgoing):
    """One slow statement; `seenBy` says who noticed it."""

    id: str
    level: Literal["slow", "watch"]
    started_at: datetime
    duration_ms: float
    is_running: bool
    name: str | None
    statement: str | None
    route: str | None
    trace_id: str | None
    error: str | None
    waits: dict[str, int]
    plan: Any
    seen_by: list[str]


class SlowQueries(Outgoing):
    """The slowest first; `counts` are of all in the range."""

    threshold_ms: float
    watch_ms: float
    counts: dict[str, int]
    items: list[SlowQuery]


_LIST: Final = Question(
    "slow_queries",
    SlowQuery,
    """
    select id::text, case when duration_ms >= $2 then 'slow' else 'watch' end as level,
           started_at as "startedAt", duration_ms as "durationMs",
           not ended and started_at + make_interval(secs => duration_ms / 1000 + 10) > now()
               as "isRunning",
           name, text as statement, nullif(route, '') as route, trace_id as "traceId", error,
           waits, plan, seen_by as "seenBy"
    from performance.slow
    where started_at > now() - make_interval(secs => $1) and duration_ms >= $3
    order by duration_ms desc, id desc limit $4
    """,
    ("seconds", "slow_ms", "least_ms", "most"),
)


class _Count(msgspec.Struct):
    level: str
    number: int


_COUNT: Final = Question(
    "slow_counts",
    _Count,
    """
    select case when duration_ms >= $2 then 'slow' else 'watch' end as level, count(*) as number
    from performance.slow
    where started_at > now() - make_interval(secs => $1) and duration_ms >= $3 group by 1
    """,
    ("seconds", "slow_ms", "least_ms"),
)


async def slow_queries(
    database: Database,
    seconds: float,
    *,
    level: Literal["slow", "watch"] = "watch",
    slow_ms: float = SLOW_MS,
    most: int = 50,
) -> SlowQueries:
    """List those that began in the last `seconds`."""
    least = slow_ms if level == "slow" else WATCH_MS
    values = {"seconds": seconds, "slow_ms": slow_ms}
    counts = await _COUNT.ask(database, **values, least_ms=WATCH_MS)
    return SlowQueries(
        threshold_ms=slow_ms,
        watch_ms=WATCH_MS,
        counts={"slow": 0, "watch": 0} | {each.level: each.number for each in counts},
        items=await _LIST.ask(database, **values, least_ms=least, most=most),
    )


async def tell(doctor: Database, pool: Database, slow: Sequence[Slow]) -> None:
    """Write down what a worker's driver has noticed, the slowest with their plans."""
    slow = sorted(slow, key=lambda each: -each.seconds)[:MOST_AT_ONCE]
    plans = {each.sql: await _planned(pool, each.sql) for each in slow[:PLANS_AT_ONCE]}

    async def write(transaction: Transaction) -> None:
        for each in slow:
            plan = plans.get(each.sql)
            await transaction.row(
                _TELL,
                pid=each.pid,
                started_at=each.started_at,
                duration_ms=each.seconds * 1e3,
                name=each.name,
                text=shown(each.sql),
                route=each.route,
                trace_id=each.trace_id,
                error=each.error,
                plan=None if plan is None else msgspec.json.encode(plan).decode(),
            )

    await doctor.write(Context(), write)


async def _planned(pool: Database, sql: str) -> Plan:
    """Ask for a plan, but not for long: the pool may be run dry, which is what makes it slow."""
    try:
        async with asyncio.timeout(_PLAN_SECONDS):
            return await plan_of(pool, sql)
    except (TimeoutError, asyncpg.PostgresError, *LOST) as error:
        return Plan(reason=f"not asked for: {str(error) or 'no connection was free'}")


async def see(doctor: Database, duty: Duty, *, slow_ms: float = SLOW_MS) -> None:
    """Look for slow statements that run now, anybody's, and write them down."""
    async with doctor.connection() as connection:
        rows = await connection.fetch(_RUNNING.sql, *_RUNNING.arguments({"least_ms": slow_ms}))
    if not rows:
        return

    async def write(transaction: Transaction) -> None:
        for row in rows:
            await transaction.row(
                _SEE,
                pid=row["pid"],
                started_at=row["started_at"],
                duration_ms=row["duration_ms"],
                name=name_of(row["text"]),
                text=shown(row["text"]),
                wait=row["wait"],
            )

    await duty.turn(write)
