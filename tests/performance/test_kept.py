"""What the doctor remembers stays bounded: days are pressed into hours, and then dropped."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from roost.db.roles import DOCTOR_ROLE, OWNER_ROLE
from tests.support.schema import as_role

DAYS = "(now() at time zone 'utc')::date"


class Shelf:
    """The doctor's connection, and the owner's who makes partitions of days gone by."""

    def __init__(self, doctor: Any, owner: Any) -> None:
        self.doctor = doctor
        self.owner = owner

    async def make_day(self, days_ago: int) -> None:
        day = await self.owner.fetchval(f"select {DAYS} - $1::integer", days_ago)
        following = await self.owner.fetchval(f"select {DAYS} - $1::integer + 1", days_ago)
        for parent in ("delta", "latency", "gauge"):
            name = await self.owner.fetchval(
                "select performance.partition_name($1, $2)", parent, day
            )
            await self.owner.execute(
                f"create table if not exists performance.{name} partition of performance.{parent}"
                f" for values from ('{day}T00:00:00Z') to ('{following}T00:00:00Z')"
            )
        start = f"({DAYS} - {days_ago})::timestamp at time zone 'utc'"
        minutes = (
            f"select {start} + make_interval(mins => n) as at, n from generate_series(1, 180) n"
        )
        await self.owner.execute(
            "insert into performance.delta select at, q, n % 5, n, 2, 3, 4, 5, 6"
            f" from ({minutes}) m, generate_series(1, 2) q"
        )
        await self.owner.execute(
            "insert into performance.latency select at, w, 'GET /x', 'a', 2, n % 2, n, n,"
            f" jsonb_build_object('80', 1, (80 + n % 3)::text, 1) from ({minutes}) m,"
            " unnest(array['one', 'two']) w"
        )
        await self.owner.execute(
            f"insert into performance.gauge select at, 'size', n from ({minutes}) m"
        )

    async def sums(self) -> list[Any]:
        found = await self.doctor.fetch(
            "select date_trunc('hour', at), query_id, sum(calls), sum(total_ms), sum(rows),"
            " sum(wal_bytes) from performance.delta group by 1, 2 order by 1, 2"
        )
        found += await self.doctor.fetch(
            "select date_trunc('hour', l.at), b.key, sum(b.value::bigint)"
            " from performance.latency l, jsonb_each_text(l.buckets) b group by 1, 2 order by 1, 2"
        )
        found += await self.doctor.fetch(
            "select date_trunc('hour', at), sum(calls), sum(errors), sum(total_ms), max(slowest_ms)"
            " from performance.latency group by 1 order by 1"
        )
        return [tuple(row) for row in found]

    async def rows(self) -> tuple[int, int, int]:
        row = await self.doctor.fetchrow(
            "select (select count(*) from performance.delta),"
            " (select count(*) from performance.latency), (select count(*) from performance.gauge)"
        )
        return tuple(row)


@pytest.fixture
async def shelf(fresh_roost_database: str) -> AsyncIterator[Shelf]:
    doctor = await asyncpg.connect(as_role(fresh_roost_database, DOCTOR_ROLE))
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    yield Shelf(doctor, owner)
    await doctor.close()
    await owner.close()


async def test_minutes_become_hours_and_every_sum_stays(shelf: Shelf) -> None:
    await shelf.make_day(3)
    before = await shelf.sums()
    assert await shelf.rows() == (360, 360, 180)
    assert await shelf.doctor.fetchval("select performance.press_old()") == 1
    assert await shelf.rows() == (8, 4, 4)
    assert await shelf.sums() == before


async def test_pressing_again_changes_nothing(shelf: Shelf) -> None:
    await shelf.make_day(3)
    await shelf.doctor.fetchval("select performance.press_old()")
    before = await shelf.sums()
    assert await shelf.doctor.fetchval("select performance.press_old()") == 0
    assert await shelf.sums() == before


async def test_yesterday_and_today_stay_as_they_are(shelf: Shelf) -> None:
    await shelf.make_day(1)
    await shelf.make_day(0)
    assert await shelf.doctor.fetchval("select performance.press_old()") == 0
    assert await shelf.rows() == (720, 720, 360)


async def test_days_past_their_time_are_dropped_and_no_others(shelf: Shelf) -> None:
    for days_ago in (20, 16, 14):
        await shelf.make_day(days_ago)
    assert await shelf.doctor.fetchval("select performance.drop_older(15)") == 6
    assert (await shelf.rows())[0] == 360


async def test_partitions_are_there_for_the_days_to_come(shelf: Shelf) -> None:
    await shelf.doctor.execute("select performance.prepare_partitions()")
    await shelf.doctor.execute("select performance.prepare_partitions()")
    for days in (-1, 0, 1, 2):
        await shelf.doctor.execute(
            "insert into performance.gauge values (now() + make_interval(days => $1), 'x', 1)", days
        )


async def test_the_doctor_may_not_drop_or_make_tables_itself(shelf: Shelf) -> None:
    for sql in (
        "drop table performance.slow",
        "create table performance.mine (id int)",
        "truncate performance.delta",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await shelf.doctor.execute(sql)
