"""doctor: what the sampler costs with 5,000 statements, and how long each question takes there."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg
from rich.table import Table

from benchmarks import cpu, roost_server
from benchmarks.postgres import Postgres, embedded, scratch
from benchmarks.table import Verdict, finish
from roost.db.dsn import DatabaseConfig
from roost.db.pool import Database
from roost.db.target import DATABASE
from roost.db.tenancy import Context
from roost.performance import (
    connections,
    health,
    indexes,
    kept,
    locks,
    overview,
    ranges,
    sampling,
    slow,
    trends,
)
from roost.performance import queries as statements

Connection = Any
"""asyncpg's has no types."""
_STATEMENTS, _COLUMNS, _LOOKS, _DAYS = 4_900, 13, 5, 14
_MINUTE = 60.0
# A day by the minute, as it is after a day with every statement at work in each hour.
_FILL = (
    """
    insert into performance.delta
    select now() - make_interval(mins => n), s.query_id, 10, 20, 10, 5, 5, 0, 100
    from generate_series(0, 1439) n, lateral (
        select query_id from performance.statement where query_id <> 0
        order by query_id offset (n % 40) * 100 limit 100) s
    """,
    """
    insert into performance.delta
    select now() - make_interval(hours => n), s.query_id, 10, 20, 10, 5, 5, 0, 100
    from generate_series(0, 23) n, performance.statement s
    """,
    """
    insert into performance.latency
    select now() - make_interval(mins => n), 'worker ' || w, 'GET /route' || r,
           case when k = 0 then '' else 'select t.n' || k end, 100, 1, 200, 20,
           '{"80": 40, "81": 30, "82": 20, "85": 10}'
    from generate_series(0, 1439) n, generate_series(1, 2) w, generate_series(1, 10) r,
         generate_series(0, 3) k
    """,
    """
    insert into performance.gauge
    select now() - make_interval(mins => n), 'gauge ' || g, n
    from generate_series(0, 1439) n, generate_series(1, 16) g
    """,
)
_OLDER = (
    f"""
    insert into performance.delta_hour
    select at - make_interval(days => n), query_id, calls, total_ms, rows, 1, 1, 1, 1
    from performance.delta_hour, generate_series(1, {_DAYS - 1}) n on conflict do nothing
    """,
    f"""
    insert into performance.rolled
    select at - make_interval(days => n)
    from performance.rolled, generate_series(1, {_DAYS - 1}) n on conflict do nothing
    """,
)


def run() -> None:
    """Measure and print."""
    with scratch() as directory, embedded(directory / "roost") as postgres:
        roost_server.command(directory / "roost", "user", "create", "doctor@roost.example")
        asyncio.run(_measure(postgres))


async def _measure(postgres: Postgres) -> None:
    place = postgres.environment(DATABASE)
    url = f"postgresql://{{}}@/{DATABASE}?host={place['PGHOST']}&port={place['PGPORT']}"
    admin = await asyncpg.connect(url.format(place["PGUSER"]), statement_cache_size=0)
    doctor = await Database.connect(DatabaseConfig(url.format("roost_doctor"), max_connections=2))
    try:
        looks = await _looks(admin, doctor, postgres)
        await _fill(admin, doctor)
        size = await admin.fetchval(
            "select sum(pg_total_relation_size(oid))::bigint from pg_class"
            " where relnamespace = 'performance'::regnamespace and relkind = 'r'"
        )
        reads = {name: await _timed(ask) for name, ask in _questions(doctor).items()}
    finally:
        await doctor.close()
        await admin.close()
    _print(looks, reads, size)


async def _many(admin: Connection) -> None:
    """Run statements that differ in their columns, so that each is one of its own."""
    for number in range(1, _STATEMENTS + 1):
        columns = (f"c{n}" for n in range(_COLUMNS) if number >> n & 1)
        await admin.execute(f"select {', '.join(columns)} from many")


async def _looks(admin: Connection, doctor: Database, postgres: Postgres) -> list[float]:
    """Give the CPU seconds of a minute's look, all statements having run between two."""
    columns = ", ".join(f"c{n} integer" for n in range(_COLUMNS))
    await admin.execute(f"create table many ({columns})")
    await _many(admin)
    for _ in range(8):  # the first ones learn what each id stands for
        await doctor.write(Context(), sampling.look)
    found = []
    for _ in range(_LOOKS):
        await _many(admin)
        before = time.process_time() + cpu.tree_seconds(postgres.pid)
        await doctor.write(Context(), sampling.look)
        found.append(time.process_time() + cpu.tree_seconds(postgres.pid) - before)
    return found


async def _fill(admin: Connection, doctor: Database) -> None:
    yesterday = "(now() at time zone 'utc')::date - 2"
    for parent in ("delta", "latency", "gauge"):
        await admin.execute(
            f"do $$ begin execute format('create table if not exists performance.%I partition of"
            f" performance.{parent} for values from (%L) to (%L)', 'early_{parent}',"
            f" ({yesterday})::text || 'T00:00:00Z', ({yesterday} + 1)::text || 'T00:00:00Z');"
            " end $$"
        )
    for sql in _FILL:
        await admin.execute(sql)
    await doctor.write(Context(), kept.roll_up)
    for sql in _OLDER:
        await admin.execute(sql)
    await admin.execute("vacuum analyze")


def _questions(doctor: Database) -> dict[str, Callable[[], Awaitable[object]]]:
    found: dict[str, Callable[[], Awaitable[object]]] = {
        "health": partial(health.health, doctor),
        "indexes": partial(indexes.indexes, doctor),
        "locks": partial(locks.locks, doctor),
        "connections": partial(connections.connections, doctor, doctor),
    }
    for name, seconds in ranges.SECONDS.items():
        within: Any = name
        found[f"overview {name}"] = partial(overview.overview, doctor, doctor, {}, within)
        found[f"queries {name}"] = partial(statements.queries, doctor, within)
        found[f"trends {name}"] = partial(trends.trends, doctor, within, seconds)
        found[f"slow-queries {name}"] = partial(slow.slow_queries, doctor, seconds)
    return found


async def _timed(ask: Callable[[], Awaitable[object]]) -> float:
    """Give the median of five, in milliseconds; one before them warms up."""
    times = []
    for _ in range(6):
        began = time.perf_counter()
        await ask()
        times.append((time.perf_counter() - began) * 1e3)
    return sorted(times[1:])[2]


def _print(looks: list[float], reads: dict[str, float], size: int) -> None:
    table = Table(title=f"doctor  {_STATEMENTS:,} statements, {_DAYS} days", title_justify="left")
    table.add_column("question")
    table.add_column("ms", justify="right")
    for name, taken in reads.items():
        table.add_row(name, f"{taken:.1f}")
    share = sorted(looks)[len(looks) // 2] / _MINUTE * 100
    verdicts = [
        Verdict("the sampler's share of a core", share, 1, unit=" %"),
        Verdict("the slowest question", max(reads.values()), 200, unit=" ms"),
    ]
    notes = [f"All that is remembered takes {size / 2**20:.0f} MiB, minutes of a day included."]
    finish("doctor", table, verdicts, notes, {"looks": looks, "reads": reads, "bytes": size})
