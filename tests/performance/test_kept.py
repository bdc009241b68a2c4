"""What the doctor remembers stays bounded: minutes become hours, and both go in their time."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE, OWNER_ROLE
from roost.db.tenancy import Context
from roost.performance import kept, latencies
from roost.performance.queries import queries
from roost.performance.query_detail import query
from tests.support.schema import as_role, pool_config

HOUR = "date_trunc('hour', now())"
STATEMENTS = 6


class Shelf:
    """The doctor's connections, and the owner's who makes partitions of days gone by."""

    def __init__(self, doctor: Database, owner: Any) -> None:
        self.doctor = doctor
        self.owner = owner

    async def make_day(self, days_ago: int) -> None:
        for parent in ("delta", "latency", "gauge"):
            await self.owner.execute(
                f"""
                do $$
                declare day date := (now() at time zone 'utc')::date - {days_ago};
                begin
                    execute format(
                        'create table if not exists performance.%I partition of'
                        ' performance.{parent} for values from (%L) to (%L)',
                        performance.partition_name('{parent}', day),
                        to_char(day, 'YYYY-MM-DD') || 'T00:00:00Z',
                        to_char(day + 1, 'YYYY-MM-DD') || 'T00:00:00Z');
                end $$
                """
            )

    async def fill_hour(self, hours_ago: int) -> None:
        """Write an hour's minutes: the later a statement's number the heavier it is."""
        minutes = (
            f"(select {HOUR} - make_interval(hours => {hours_ago}) + make_interval(mins => n)"
            " as at, n from generate_series(1, 60) n)"
        )
        await self.owner.execute(
            "insert into performance.delta select at, q, n % 5, n * q, 2, 3, 4, 5, 6"
            f" from {minutes} m, generate_series(1, {STATEMENTS}) q"
        )
        await self.owner.execute(
            "insert into performance.latency select at, w, 'GET /x', 'a', 2, n % 2, n, n,"
            f" jsonb_build_object('80', 1, (81 + n % 3)::text, 1) from {minutes} m,"
            " unnest(array['one', 'two']) w"
        )
        await self.owner.execute(
            f"insert into performance.gauge select at, 'size', n from {minutes} m"
        )

    async def roll_up(self, heaviest: int = 300) -> int:
        return await self.doctor.write(Context(), lambda t: kept.roll_up(t, heaviest))

    async def seen(self, within: Any) -> tuple[Any, ...]:
        found = await queries(self.doctor, within, most=100)
        merged = await latencies.BY_NAME.ask(self.doctor, seconds=86_400.0, names=["a"])
        return (
            found.calls,
            round(found.total_ms, 3),
            sorted((each.id, each.calls, each.rows, each.wal_bytes) for each in found.items),
            [(each.calls, each.errors, each.buckets, each.slowest_ms) for each in merged],
        )


@pytest.fixture
async def shelf(fresh_roost_database: str) -> AsyncIterator[Shelf]:
    config = pool_config(fresh_roost_database)
    doctor = await Database.connect(replace(config, url=as_role(fresh_roost_database, DOCTOR_ROLE)))
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    shelf = Shelf(doctor, owner)
    await shelf.make_day(1)
    yield shelf
    await doctor.close()
    await owner.close()


async def test_a_day_reads_the_same_by_minutes_and_by_hours(shelf: Shelf) -> None:
    for hours_ago in (1, 2, 5):
        await shelf.fill_hour(hours_ago + 1)
    before = await shelf.seen("24h")
    assert before[0] == 3 * STATEMENTS * 120
    assert await shelf.roll_up() >= 3
    assert await shelf.owner.fetchval("select count(*) from performance.delta_hour") == 18
    assert await shelf.seen("24h") == before
    await shelf.owner.execute("truncate performance.delta, performance.latency")
    assert await shelf.seen("24h") == before


async def test_rolling_up_again_changes_nothing(shelf: Shelf) -> None:
    await shelf.fill_hour(3)
    assert await shelf.roll_up() >= 1
    before = await shelf.seen("24h")
    assert await shelf.roll_up() == 0
    assert await shelf.seen("24h") == before


async def test_minutes_after_the_last_full_hour_count_too(shelf: Shelf) -> None:
    await shelf.fill_hour(3)
    await shelf.roll_up()
    await shelf.owner.execute(
        "insert into performance.delta values (now(), 77, 9, 9, 0, 0, 0, 0, 0)"
    )
    found = await queries(shelf.doctor, "24h", most=100)
    assert {each.id: each.calls for each in found.items}["77"] == 9
    assert found.calls == STATEMENTS * 120 + 9


async def test_the_light_statements_of_an_hour_become_one_and_no_call_is_lost(shelf: Shelf) -> None:
    await shelf.fill_hour(3)
    calls = (await queries(shelf.doctor, "24h")).calls
    await shelf.roll_up(heaviest=2)
    found = await queries(shelf.doctor, "24h", most=100)
    assert found.calls == calls
    assert {each.id for each in found.items} == {"0", "5", "6"}
    others = await query(shelf.doctor, shelf.doctor, 0, "24h")
    assert others is not None
    assert (others.statement, others.calls) == ("(all others)", 4 * 120)


async def test_days_of_minutes_go_after_two_days_and_no_others(shelf: Shelf) -> None:
    for days_ago in (0, 1, 2, 3, 4):
        await shelf.make_day(days_ago)
    async with shelf.doctor.connection() as connection:
        assert await connection.fetchval("select performance.drop_minutes()") == 6
        assert await connection.fetchval("select performance.drop_minutes()") == 0
    assert await shelf.owner.fetchval(
        "select count(*) from pg_inherits where inhparent = 'performance.delta'::regclass"
    ) == len({-2, -1, 0, 1, 2})


async def test_hours_go_when_they_are_past_their_time(shelf: Shelf) -> None:
    await shelf.owner.execute(
        "insert into performance.delta_hour select now() - make_interval(days => d), 7, 1, 1, 0, 0,"
        " 0, 0, 0 from generate_series(1, 20) d"
    )
    await shelf.owner.execute(
        "insert into performance.statement values (7, null, 'select 7', now(), now()),"
        " (8, null, 'select 8', now(), now() - interval '16 days')"
    )
    await shelf.doctor.write(Context(), lambda t: kept.keep_up(t, 15))
    left = await shelf.owner.fetchval("select count(*) from performance.delta_hour")
    assert left in {14, 15}
    ids = await shelf.owner.fetch("select query_id from performance.statement order by 1")
    assert [row["query_id"] for row in ids] == [0, 7]


async def test_partitions_are_there_for_the_days_to_come(shelf: Shelf) -> None:
    await shelf.doctor.write(Context(), lambda t: kept.keep_up(t, 15))
    for days in (-1, 0, 1, 2):
        await shelf.owner.execute(
            "insert into performance.gauge values (now() + make_interval(days => $1), 'x', 1)", days
        )


async def test_the_doctor_may_not_drop_or_make_tables_itself(shelf: Shelf) -> None:
    async with shelf.doctor.connection() as connection:
        for sql in (
            "drop table performance.slow",
            "create table performance.mine (id int)",
            "truncate performance.delta",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(sql)
