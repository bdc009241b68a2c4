"""Old months and ticks are dropped, and what is younger stays whole."""

import asyncio
from typing import Any

import asyncpg
import pytest

from roost.journal.ticks import BEGINNING, latest_tick, make_tick, oldest_tick, window
from roost.journal.upkeep import drop_older
from tests.journal.database import APP, Journaled

PARTITIONS = """
select inhrelid::regclass::text as name from pg_inherits
where inhparent = 'journal.journal'::regclass order by 1
"""


async def age(connection: Any, days: int) -> None:
    """Make all that was journaled until now as much older, in partitions of their months."""
    await connection.execute(
        f"""
        do $$
        declare
            first timestamptz;
        begin
            set local timezone = 'UTC';
            for first in
                select distinct date_trunc('month', at - interval '{days} days')
                from journal.journal
            loop
                if to_regclass('journal.journal_' || to_char(first, 'YYYY_MM')) is null then
                    execute format('create table journal.%I partition of journal.journal'
                        ' for values from (%L) to (%L)', 'journal_' || to_char(first, 'YYYY_MM'),
                        first, first + interval '1 month');
                    execute format('alter table journal.%I owner to %I',
                        'journal_' || to_char(first, 'YYYY_MM'), (select pg_get_userbyid(nspowner)
                        from pg_namespace where nspname = 'journal'));
                end if;
            end loop;
            update journal.journal set at = at - interval '{days} days';
            update journal.tick set at = at - interval '{days} days';
        end $$
        """
    )


async def settled(connection: Any) -> None:
    """Make the newest tick see all that was journaled, whoever else works on the server."""
    async with asyncio.timeout(30):
        while await connection.fetchval(
            "select exists (select from journal.journal where xid >= pg_snapshot_xmin(snapshot))"
            " from journal.tick order by id desc limit 1"
        ):
            await asyncio.sleep(0.01)
            await connection.execute(
                "update journal.tick set snapshot = pg_current_snapshot()"
                " where id = (select max(id) from journal.tick)"
            )


async def changed(database: Journaled, value: int) -> int:
    """Change the row, and make a tick."""
    await database.owner.execute(
        "insert into t values (1, $1) on conflict (id) do update set n = $1", value
    )
    connection = await database.connect()
    tick = await make_tick(connection)
    await settled(connection)
    return tick


async def months(database: Journaled) -> int:
    return len(await database.owner.fetch(PARTITIONS))


async def test_months_and_ticks_that_are_older_go(database: Journaled) -> None:
    superuser = await database.connect()
    await database.table("id int primary key, n int")
    first = await changed(database, 1)
    await age(superuser, 60)
    base = await changed(database, 2)
    await age(superuser, 150)
    kept = await changed(database, 3)
    app = await database.connect(APP)
    before = await months(database)

    assert await drop_older(app, 250) == 0
    assert await oldest_tick(app) == BEGINNING
    assert await drop_older(app, 90) == 1

    # The month of the tick that is left may have changes of after it.
    assert await months(database) == before - 1
    # The newest one of those that are older stays: it is what a time of 89 days ago means.
    ticks = [row["id"] for row in await superuser.fetch("select id from journal.tick order by id")]
    assert ticks == [base, kept]
    assert await oldest_tick(app) == base
    assert first < base
    [entry] = await window(superuser, base, kept)
    assert (entry.old, entry.new) == ("(1,2)", "(1,3)")
    for after in (BEGINNING, first):
        with pytest.raises(asyncpg.NoDataFoundError):
            await window(superuser, after, kept)
    assert await drop_older(app, 90) == 0


async def test_the_newest_tick_is_never_dropped(database: Journaled) -> None:
    superuser = await database.connect()
    await database.table("id int primary key, n int")
    newest = await changed(database, 1)
    await age(superuser, 1_000)

    await drop_older(superuser, 1)

    assert await latest_tick(superuser) == newest
    assert await changed(database, 2) == newest + 1


async def test_changes_of_a_transaction_that_ended_later_stay(database: Journaled) -> None:
    superuser, writer = await database.connect(), await database.connect()
    await database.table("id int primary key, n int")
    block = writer.transaction()
    await block.start()
    await writer.execute("insert into t values (7, 7)")
    await database.owner.execute("insert into t values (1, 1)")
    base = await make_tick(superuser)
    await block.commit()
    await age(superuser, 150)
    newest = await make_tick(superuser)

    await drop_older(superuser, 90)

    assert await oldest_tick(superuser) in {BEGINNING, base}
    assert "(7,7)" in {entry.new for entry in await window(superuser, base, newest)}


async def test_rows_without_a_partition_go_as_well(database: Journaled) -> None:
    superuser = await database.connect()
    await database.table("id int primary key, n int")
    for row in await superuser.fetch(PARTITIONS):
        if row["name"] != "journal.journal_default":
            await superuser.execute(f"drop table {row['name']}")
    for value in range(5):
        await changed(database, value)
    await superuser.execute("update journal.journal set at = at - interval '150 days'")
    await superuser.execute("update journal.tick set at = at - interval '100 days'")

    await drop_older(superuser, 90)

    assert await superuser.fetchval("select count(*) from journal.journal") == 0


@pytest.mark.parametrize("days", [None, 0, -1, 36_501])
async def test_senseless_numbers_of_days_are_refused(database: Journaled, days: int | None) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="between 1 and 36500"):
        await database.owner.fetchval("select journal.drop_older($1)", days)
