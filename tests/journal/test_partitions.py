"""The journal is kept by the month, and a write never waits for a partition."""

import asyncio
import re

import asyncpg
import pytest

from tests.journal.database import Journaled

PARTITIONS = """
select inhrelid::regclass::text as name from pg_inherits
where inhparent = 'journal.journal'::regclass order by 1
"""


async def names(database: Journaled) -> list[str]:
    return [row["name"] for row in await database.owner.fetch(PARTITIONS)]


async def test_months_are_prepared_ahead_once(database: Journaled) -> None:
    before = await names(database)
    assert len(before) == 1 + 4
    assert await database.owner.fetchval("select journal.prepare_partitions()") == 0
    assert await database.owner.fetchval("select journal.prepare_partitions(13)") == 10
    months = await database.owner.fetch(
        "select 'journal.journal_' || to_char(date_trunc('month', now() at time zone 'UTC')"
        " + make_interval(months => m), 'YYYY_MM') as name from generate_series(0, 13) m"
    )
    assert await names(database) == sorted(
        ["journal.journal_default", *(row["name"] for row in months)]
    )


async def test_changes_go_to_the_partition_of_their_month(database: Journaled) -> None:
    await database.table("id int primary key")
    await database.owner.execute("insert into t values (1)")
    superuser = await database.connect()
    where = await superuser.fetchval("select tableoid::regclass::text from journal.journal")
    month = await superuser.fetchval("select to_char(now() at time zone 'UTC', 'YYYY_MM')")
    assert where == f"journal.journal_{month}"


async def test_changes_without_a_partition_are_kept_and_moved_later(database: Journaled) -> None:
    await database.table("id int primary key")
    for name in await names(database):
        if name != "journal.journal_default":
            await database.owner.execute(f"drop table {name}")
    await database.owner.execute("insert into t select generate_series(1, 50)")
    superuser = await database.connect()
    assert await superuser.fetchval("select count(*) from journal.journal_default") == 50
    rows = "select * from journal.journal order by seq"
    before = await superuser.fetch(rows)
    assert await database.owner.fetchval("select journal.prepare_partitions(1)") == 2
    assert await superuser.fetchval("select count(*) from journal.journal_default") == 0
    assert await superuser.fetch(rows) == before
    await database.owner.execute("insert into t values (51)")
    assert [e.seq for e in await database.new_entries()] == list(range(1, 52))


async def test_writers_go_on_while_partitions_are_prepared(database: Journaled) -> None:
    await database.table("id int primary key")
    writer = await database.connect()
    async with writer.transaction():
        await writer.execute("insert into t values (1)")
        async with asyncio.timeout(5):
            assert await database.owner.fetchval("select journal.prepare_partitions(12)") == 9
        await writer.execute("insert into t values (2)")
    assert len(await database.new_entries()) == 2


async def test_only_one_of_many_makes_a_partition(database: Journaled) -> None:
    connections = [await database.connect() for _ in range(4)]
    made = await asyncio.gather(
        *(c.fetchval("select journal.prepare_partitions(8)") for c in connections)
    )
    assert sorted(made) == [0, 0, 0, 5]


@pytest.mark.parametrize("months", [-1, 121, None])
async def test_senseless_numbers_of_months_are_refused(
    database: Journaled, months: int | None
) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="between 0 and 120"):
        await database.owner.fetchval("select journal.prepare_partitions($1)", months)


async def test_a_rows_version_at_a_tick_is_found_by_index(database: Journaled) -> None:
    await database.table("id int primary key, n int")
    await database.owner.execute("insert into t select g, 0 from generate_series(1, 200) g")
    for n in range(1, 21):
        await database.owner.execute("update t set n = $1", n)
    superuser = await database.connect()
    await superuser.execute("analyze journal.journal")
    plan = "\n".join(
        row[0]
        for row in await superuser.fetch(
            "explain (analyze, buffers, costs off, timing off, summary off)"
            " select new from journal.journal where relation = 1 and row_id = '77'"
            " and seq <= 3000 order by seq desc limit 1"
        )
    )
    assert "Seq Scan" not in plan
    assert "Sort Key: journal.seq" not in plan or "Merge Append" in plan
    assert "Rows Removed by Filter" not in plan


async def test_a_row_of_thousands_of_changes_is_as_near_as_one_of_few(database: Journaled) -> None:
    await database.table("id int primary key, workspace_id uuid, n int")
    await database.owner.execute(
        "insert into t select g, '00000000-0000-0000-0000-000000000001', 0"
        " from generate_series(1, 5000) g"
    )
    for n in range(1, 1001):
        await database.owner.execute("update t set n = $1 where id = 77", n)
    superuser = await database.connect()
    await superuser.execute("analyze journal.journal")
    call = (
        "select image from journal.images_at('00000000-0000-0000-0000-000000000001', 1,"
        " array['77'], pg_current_snapshot(), 5500)"
    )
    # The first call also reads the catalogue.
    image = await superuser.fetchval(call)
    plan = await superuser.fetch(f"explain (analyze, buffers) {call}")
    [line] = [row[0] for row in plan if "Buffers" in row[0]][:1]
    read = sum(int(count) for count in re.findall(r"(?:hit|read)=(\d+)", line))

    assert image == "(77,00000000-0000-0000-0000-000000000001,500)"
    assert read < 60
