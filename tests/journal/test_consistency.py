"""A consumer of windows has, at every tick, exactly the rows that the tick's snapshot sees."""

import asyncio
import random
import uuid
from collections.abc import Sequence

import asyncpg
import pytest

from roost.journal.net import Image, Row, repaired
from roost.journal.ticks import make_tick, window
from tests.journal.database import Journaled

TABLES = """
create table plain (id int primary key, workspace_id uuid, n int not null, v text);
create table keyed (a int, b text, n int, primary key (a, b));
create table child (id int primary key, parent int references plain on delete cascade
    on update cascade, big text);
create table meddled (id int primary key, n int not null);
create function meddle() returns trigger language plpgsql as $$ begin
    if tg_op <> 'DELETE' and new.id % 3 = 0 and pg_trigger_depth() < 3 then
        update meddled set n = n + 1 where id between new.id + 1 and new.id + 2;
    end if;
    return null;
end $$;
create trigger meddle after insert or update on meddled for each row execute function meddle();
"""
WORKSPACES = [uuid.UUID(int=n) for n in range(3)]
KEYS = 60
EXPECTED = (
    asyncpg.DeadlockDetectedError,
    asyncpg.UniqueViolationError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.LockNotAvailableError,
)
STATE = " union all ".join(
    f"select r.id, {key} as row_id, x::text as image"
    f" from {name} x join journal.relation r on r.name = '{name}'"
    for name, key in [
        ("plain", "x.id::text"),
        ("keyed", "row(x.a, x.b)::text"),
        ("child", "x.id::text"),
        ("meddled", "x.id::text"),
    ]
)


class Writer:
    """Transactions of every kind, one after the other."""

    def __init__(self, connection: asyncpg.Connection, seed: int) -> None:
        self.connection = connection
        self.random = random.Random(seed)

    def statement(self) -> tuple[str, Sequence[object]]:
        key, other, n = (self.random.randrange(KEYS) for _ in range(3))
        low = self.random.randrange(KEYS)
        workspace = self.random.choice(WORKSPACES)
        text = self.random.choice(["", "a b", 'q"\\', None, "x" * n])
        return self.random.choice([
            ("insert into plain values ($1, $2, $3, $4) on conflict (id) do update"
             " set n = plain.n + 1, v = excluded.v", (key, workspace, n, text)),
            ("insert into plain values ($1, $2, $3, $4) on conflict do nothing",
             (key, workspace, n, text)),
            ("update plain set n = n + 1 where id between $1 and $1 + 5", (low,)),
            ("update plain set n = n % 3, v = $2 where id = any($1::int[])", ([key, other], text)),
            ("update plain set workspace_id = $2 where id = $1", (key, workspace)),
            ("update plain set id = $2 where id = $1", (key, other)),
            ("delete from plain where id = $1", (key,)),
            ("insert into keyed values ($1, $2, $3) on conflict (a, b) do update set n = 0",
             (key % 7, text or "", n)),
            ("update keyed set b = b || '+' where a = $1 and length(b) < 60", (key % 7,)),
            ("delete from keyed where a = $1", (key % 7,)),
            ("insert into child select $1, (select id from plain where id >= $2 limit 1),"
             " repeat('big ', 2000) on conflict (id) do update set parent = excluded.parent",
             (key, other)),
            ("update child set big = big || '.' where id = $1", (key,)),
            ("delete from child where id = $1", (key,)),
            ("insert into meddled select g, $2 from generate_series($1::int, $1 + 8) g"
             " on conflict (id) do update set n = 0", (low, n)),
            ("update meddled set n = n + $2 where id between $1 and $1 + 8", (low, n)),
            ("delete from meddled where id between $1 and $1 + 2", (low,)),
        ])  # fmt: skip

    async def savepoint(self, depth: int) -> None:
        block = self.connection.transaction()
        await block.start()
        try:
            await self.some(depth + 1)
        except EXPECTED:
            await block.rollback()
            return
        if self.random.random() < 0.4:
            await block.rollback()
        else:
            await block.commit()

    async def some(self, depth: int = 0) -> None:
        for _ in range(self.random.randint(1, 5)):
            if depth < 2 and self.random.random() < 0.2:
                await self.savepoint(depth)
            else:
                sql, arguments = self.statement()
                await self.connection.execute(sql, *arguments)

    async def transaction(self, pause: float) -> None:
        block = self.connection.transaction()
        await block.start()
        try:
            await self.some()
            if self.random.random() < 0.05:
                await asyncio.sleep(self.random.random() * pause)
                await self.some()
        except EXPECTED:
            await block.rollback()
            return
        if self.random.random() < 0.15:
            await block.rollback()
        else:
            await block.commit()


class Consumer:
    """The rows as the windows tell them; every change must find what the last one left."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.rows: dict[Row, Image] = {}
        self.tick = 0
        self.changes = 0

    async def follow(self, until: int) -> None:
        entries = await window(self.connection, self.tick, until)
        for entry in repaired(entries, self.rows):
            row = (entry.relation, entry.row_id or "")
            assert self.rows.get(row) == entry.old, entry
            if entry.new is None:
                del self.rows[row]
            else:
                self.rows[row] = entry.new
        self.tick = until
        self.changes += len(entries)


async def tick_and_rows(
    ticker: asyncpg.Connection, reader: asyncpg.Connection
) -> tuple[int, dict[Row, Image]]:
    """Make a tick, and read the tables through the very snapshot that it recorded."""
    async with ticker.transaction():
        await ticker.execute("select pg_advisory_xact_lock(journal.tick_lock())")
        tick, name = await ticker.fetchrow(
            "insert into journal.tick (snapshot) select pg_current_snapshot()"
            " returning id, pg_export_snapshot()"
        ) or (0, "")
        await reader.execute("begin isolation level repeatable read")
        await reader.execute(f"set transaction snapshot '{name}'")
    rows = await reader.fetch(STATE)
    await reader.execute("commit")
    return tick, {(row["id"], row["row_id"]): row["image"] for row in rows}


async def run(database: Journaled, *, changes: int, writers: int, pause: float) -> dict[str, int]:
    """Write until so many changes were consumed; give what was done."""
    await database.owner.execute(TABLES)
    for name in ("plain", "keyed", "meddled"):
        await database.attach(name)
    await database.attach("child", large=["big"])
    chance = random.Random(99)
    done = asyncio.Event()
    transactions = 0

    async def write(seed: int) -> None:
        nonlocal transactions
        connection = await database.connect()
        await connection.execute("set deadlock_timeout = '20ms'; set lock_timeout = '2s'")
        writer = Writer(connection, seed)
        while not done.is_set():
            await writer.transaction(pause)
            transactions += 1

    async def sleep_long() -> None:
        connection = await database.connect()
        while not done.is_set():
            async with connection.transaction():
                await connection.execute(
                    "insert into keyed values (100, gen_random_uuid()::text, 0)"
                )
                await asyncio.sleep(pause * 5)
                await connection.execute("update keyed set n = n + 1 where a = 100")

    async def make_ticks() -> None:
        connection = await database.connect()
        while not done.is_set():
            await make_tick(connection)
            await asyncio.sleep(0.002)

    tasks = [asyncio.create_task(write(seed)) for seed in range(writers)]
    tasks += [asyncio.create_task(job()) for job in (sleep_long, make_ticks, make_ticks)]
    every, *jumpers = [Consumer(await database.connect()) for _ in range(3)]
    ticker, reader, listing = [await database.connect() for _ in range(3)]
    compared = 0
    try:
        while every.changes < changes:
            await asyncio.sleep(chance.random() * 0.05)
            tick, expected = await tick_and_rows(ticker, reader)
            ids = await listing.fetch(
                "select id from journal.tick where id > $1 and id <= $2 order by id",
                every.tick,
                tick,
            )
            for row in ids:
                await every.follow(row["id"])
            assert every.rows == expected
            for jumper, often in zip(jumpers, (0.3, 0.05), strict=True):
                if chance.random() < often:
                    await jumper.follow(tick)
                    assert jumper.rows == expected
                    compared += 1
            compared += 1
            for task in tasks:
                if task.done():
                    task.result()
    finally:
        done.set()
        failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert [failure for failure in failures if failure is not None] == []
    tick, expected = await tick_and_rows(ticker, reader)
    for consumer in (every, *jumpers):
        await consumer.follow(tick)
        assert consumer.rows == expected
    return {
        "changes": every.changes,
        "transactions": transactions,
        "ticks": tick,
        "comparisons": compared + 3,
    }


async def test_consumers_agree_with_the_snapshots(database: Journaled) -> None:
    done = await run(database, changes=4_000, writers=6, pause=0.1)
    assert done["comparisons"] > 10


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_consumers_agree_over_hundreds_of_thousands_of_changes(database: Journaled) -> None:
    done = await run(database, changes=300_000, writers=12, pause=1.0)
    assert done["transactions"] > 10_000
