"""A consumer of windows has, at every tick, exactly the rows that the tick's snapshot sees."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from itertools import count

import asyncpg
import pytest

from roost.journal.net import Image, repaired
from roost.journal.ticks import make_tick, window
from tests.journal.database import Journaled
from tests.journal.workload import TABLES, Writer, hold_long

Row = tuple[int, str]
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


class Consumer:
    """The rows as the windows tell them; every change must find what the last one left."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection
        self.rows: dict[Row, Image] = {}
        self.tick = 0
        self.changes = 0

    async def follow(self, until: int) -> None:
        entries = await window(self.connection, self.tick, until)
        for entry in repaired(entries):
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


class Workload:
    """Writers and tickers at work in the background."""

    def __init__(self, database: Journaled, pause: float) -> None:
        self.database = database
        self.pause = pause
        self.transactions = 0
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, writers: int) -> None:
        await self.database.owner.execute(TABLES)
        for name in ("plain", "keyed", "meddled"):
            await self.database.attach(name)
        await self.database.attach("child", large=["big"])
        for seed in range(writers):
            connection = await self.database.connect()
            await connection.execute("set deadlock_timeout = '20ms'; set lock_timeout = '2s'")
            self._start(self._write(Writer(connection, seed)))
        slow = await self.database.connect()
        self._start(lambda: hold_long(slow, self.pause * 5))
        for _ in range(2):
            self._start(self._tick(await self.database.connect()))

    def _write(self, writer: Writer) -> Callable[[], Awaitable[None]]:
        async def write() -> None:
            await writer.transaction(self.pause)
            self.transactions += 1

        return write

    def _tick(self, connection: asyncpg.Connection) -> Callable[[], Awaitable[None]]:
        async def tick() -> None:
            await make_tick(connection)
            await asyncio.sleep(0.002)

        return tick

    def _start(self, step: Callable[[], Awaitable[None]]) -> None:
        async def repeat() -> None:
            while not self._stopped:
                await step()

        self._tasks.append(asyncio.create_task(repeat()))

    def check(self) -> None:
        for task in self._tasks:
            if task.done():
                task.result()

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)


async def follow_every_tick(consumer: Consumer, until: int) -> None:
    ticks = await consumer.connection.fetch(
        "select id from journal.tick where id > $1 and id <= $2 order by id", consumer.tick, until
    )
    for row in ticks:
        await consumer.follow(row["id"])


async def run(database: Journaled, *, changes: int, writers: int, pause: float) -> str:
    """Write until so many changes were consumed; tell what was done."""
    workload = Workload(database, pause)
    await workload.start(writers)
    every, *jumpers = [Consumer(await database.connect()) for _ in range(3)]
    ticker, reader = [await database.connect() for _ in range(2)]
    chance = random.Random(99)
    try:
        for rounds in count(1):  # noqa: B007 -- told at the end
            await asyncio.sleep(chance.random() * 0.05)
            tick, expected = await tick_and_rows(ticker, reader)
            await follow_every_tick(every, tick)
            assert every.rows == expected
            for jumper, often in zip(jumpers, (0.3, 0.05), strict=True):
                if chance.random() < often:
                    await jumper.follow(tick)
                    assert jumper.rows == expected
            workload.check()
            if every.changes >= changes:
                break
    finally:
        await workload.stop()
    tick, expected = await tick_and_rows(ticker, reader)
    for consumer in (every, *jumpers):
        await consumer.follow(tick)
        assert consumer.rows == expected
    return (
        f"{every.changes} changes, {workload.transactions} transactions, {tick} ticks,"
        f" {rounds} comparisons"
    )


async def test_consumers_agree_with_the_snapshots(database: Journaled) -> None:
    await run(database, changes=4_000, writers=6, pause=0.1)


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_consumers_agree_over_hundreds_of_thousands_of_changes(
    database: Journaled, capsys: pytest.CaptureFixture[str]
) -> None:
    done = await run(database, changes=300_000, writers=12, pause=1.0)
    with capsys.disabled():
        print(done)  # noqa: T201 -- the figures are what one runs it for
