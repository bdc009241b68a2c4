"""The ticker makes ticks when something happened, soon enough, and gives up for nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, cast

import asyncpg
import pytest

from roost.journal.ticker import Pace, Ticker
from roost.journal.ticks import window
from tests.journal.database import APP, Journaled

PACE = Pace()


class ManualClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.time = 100.0
        self._alarms: list[tuple[float, asyncio.Future[None]]] = []
        self.asked: list[float] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.asked.append(seconds)
        alarm = asyncio.get_running_loop().create_future()
        self._alarms.append((self.time + seconds, alarm))
        await alarm

    async def wait(self, event: asyncio.Event, seconds: float) -> None:
        tasks = [asyncio.ensure_future(self.sleep(seconds)), asyncio.ensure_future(event.wait())]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, and everything that was waiting for it run."""
        await settle()
        self.time += seconds
        for due, alarm in self._alarms:
            if due <= self.time + 1e-9 and not alarm.done():
                alarm.set_result(None)
        self._alarms = [pair for pair in self._alarms if not pair[1].done()]
        await settle()


async def settle() -> None:
    """Let every task run until it waits."""
    for _ in range(30):
        await asyncio.sleep(0)


class Server:
    """A database: a commit changes its snapshot, and is pending until the next tick."""

    def __init__(self) -> None:
        self.commits = 0
        self.pending = False
        self.tick = 0
        self.looks = 0
        self.calls = 0
        self.held = 0
        self.error: Exception | None = None

    def commit(self, *, journaled: bool = True) -> None:
        self.commits += 1
        self.pending = self.pending or journaled

    @asynccontextmanager
    async def acquire(self) -> AsyncIterator["Server"]:
        if self.error is not None:
            raise self.error
        self.held += 1
        try:
            yield self
        finally:
            self.held -= 1

    def is_in_transaction(self) -> bool:
        return False

    async def fetch(self, query: str, *_args: Any) -> list[Any]:
        raise AssertionError(query)

    async def fetchval(self, query: str, *_args: Any) -> str | int:
        await asyncio.sleep(0)
        if "pg_current_snapshot" in query:
            self.looks += 1
            return str(self.commits)
        self.calls += 1
        if self.pending:
            self.pending = False
            self.tick += 1
            self.commits += 1
        return self.tick


class Bench:
    """A ticker over a server and a clock, both in the test's hands."""

    def __init__(self) -> None:
        self.server = Server()
        self.clock = ManualClock()
        self.ticker = Ticker(self.server.acquire, clock=self.clock)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    async with bench.ticker:
        await settle()
        bench.server.looks = bench.server.calls = 0
        yield bench
        assert bench.server.held == 0


async def test_an_idle_database_is_looked_at_and_left_alone(bench: Bench) -> None:
    for _ in range(8):
        await bench.clock.advance(PACE.idle)
    assert (bench.server.looks, bench.server.calls) == (8, 0)


async def test_announcements_of_a_burst_share_a_tick(bench: Bench) -> None:
    for _ in range(5):
        bench.server.commit()
        bench.ticker.announce()
    await settle()
    assert bench.ticker.latest == 0
    bench.server.commit()
    bench.ticker.announce()
    await bench.clock.advance(PACE.debounce)
    assert bench.ticker.latest == bench.server.tick == 1
    assert bench.server.calls == 1


async def test_an_announcement_during_a_look_is_not_forgotten(bench: Bench) -> None:
    bench.server.commit()
    bench.ticker.announce()
    await bench.clock.advance(PACE.debounce)
    bench.server.commit()
    bench.ticker.announce()
    await bench.clock.advance(PACE.debounce)
    assert bench.ticker.latest == 2


async def test_foreign_commits_are_found_by_the_poll(bench: Bench) -> None:
    bench.server.commit()
    await bench.clock.advance(PACE.idle - 0.001)
    assert bench.ticker.latest == 0
    await bench.clock.advance(0.001)
    assert bench.ticker.latest == 1


async def test_ticks_of_other_workers_are_learnt(bench: Bench) -> None:
    bench.server.tick = 7
    bench.server.commit(journaled=False)
    await bench.clock.advance(PACE.idle)
    assert bench.ticker.latest == 7


async def test_the_ticker_does_not_feed_itself(bench: Bench) -> None:
    bench.server.commit()
    for _ in range(10):
        await bench.clock.advance(PACE.idle)
    # Once for the commit, once because the tick itself changed the snapshot.
    assert (bench.server.tick, bench.server.calls) == (1, 2)


async def test_the_poll_is_fast_only_while_somebody_listens(bench: Bench) -> None:
    bench.ticker.live = 1
    await settle()
    assert bench.server.looks == 1
    bench.server.commit()
    await bench.clock.advance(PACE.live)
    assert bench.ticker.latest == 1
    await bench.clock.advance(PACE.busy)
    await bench.clock.advance(PACE.busy)
    assert bench.server.looks == 4
    await bench.clock.advance(PACE.busy_for)
    await bench.clock.advance(PACE.live)
    assert bench.clock.asked[-1] == PACE.live
    bench.ticker.live = 0
    await bench.clock.advance(PACE.live)
    await bench.clock.advance(0)
    assert bench.clock.asked[-1] == PACE.idle


async def test_waiters_are_told_of_a_new_tick(bench: Bench) -> None:
    waiters = [asyncio.create_task(bench.ticker.wait_beyond(0)) for _ in range(3)]
    beyond = asyncio.create_task(bench.ticker.wait_beyond(1))
    bench.server.commit()
    await bench.clock.advance(PACE.idle)
    assert await asyncio.gather(*waiters) == [1, 1, 1]
    assert not beyond.done()
    assert await bench.ticker.wait_beyond(0) == 1
    beyond.cancel()


@pytest.mark.parametrize(
    "error",
    [OSError("gone"), asyncpg.InterfaceError("closed"), asyncpg.AdminShutdownError("bye")],
    ids=lambda error: type(error).__name__,
)
async def test_a_lost_database_is_asked_for_again_ever_more_seldom(
    bench: Bench, error: Exception
) -> None:
    assert bench.ticker.connected
    bench.server.error = error
    bench.server.commit()
    bench.ticker.announce()
    await bench.clock.advance(PACE.debounce)
    assert not bench.ticker.connected
    for pause in (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0):
        assert bench.clock.asked[-1] == pytest.approx(0.1)
        await bench.clock.advance(0.1)
        if pause > 0.1:
            assert bench.clock.asked[-1] == pytest.approx(pause - 0.1)
            await bench.clock.advance(pause - 0.1)
    bench.server.error = None
    # What was announced before is still to be done, though the snapshot were the same.
    await bench.clock.advance(0.1)
    await bench.clock.advance(4.9)
    assert bench.ticker.connected
    assert bench.ticker.latest == 1
    bench.server.error = error
    await bench.clock.advance(PACE.idle)
    assert bench.clock.asked[-1] == pytest.approx(0.1)


async def test_who_needs_a_look_ends_a_long_rest(bench: Bench) -> None:
    bench.server.error = OSError("gone")
    await bench.clock.advance(PACE.idle)
    for pause in (0.1, 0.2, 0.4, 0.8):
        await bench.clock.advance(0.1)
        await bench.clock.advance(pause - 0.1)
    bench.server.error = None
    bench.server.commit()
    bench.ticker.announce()
    await bench.clock.advance(0.1)
    assert bench.ticker.connected
    assert bench.ticker.latest == 1


async def test_an_error_of_the_pools_own_is_survived_when_named() -> None:
    class UnavailableError(Exception):
        pass

    clock, server = ManualClock(), Server()
    server.error = UnavailableError()
    async with Ticker(server.acquire, clock=clock, lost=(UnavailableError,)) as ticker:
        await settle()
        server.error = None
        server.commit()
        await clock.advance(PACE.retry)
        assert ticker.latest == 1


async def test_cancelling_gives_the_connection_back() -> None:
    server = Server()
    blocked = asyncio.Event()

    async def hang(_query: str, *_args: Any) -> str | int:
        blocked.set()
        await asyncio.Event().wait()
        return ""

    server.fetchval = hang  # type: ignore[assignment,method-assign]
    async with Ticker(server.acquire) as ticker:
        await blocked.wait()
        assert server.held == 1
    assert server.held == 0
    assert not ticker.connected


async def test_two_workers_follow_foreign_writers_on_a_real_database(database: Journaled) -> None:
    await database.table("id int primary key")
    total = 60

    async def setup(connection: Any) -> None:
        await connection.execute(f"set session authorization {APP}")

    async with asyncpg.create_pool(database.url, min_size=1, max_size=2, setup=setup) as pool:

        def acquire() -> AbstractAsyncContextManager[Any]:
            return cast("AbstractAsyncContextManager[Any]", pool.acquire())

        async with Ticker(acquire) as one, Ticker(acquire) as two, asyncio.timeout(90):
            one.live = two.live = 1

            async def follow(ticker: Ticker) -> list[int]:
                reader = await database.connect()
                seen: list[int] = []
                applied = 0
                while len(seen) < total:
                    newest = await ticker.wait_beyond(applied)
                    entries = await window(reader, applied, newest)
                    seen += [int(entry.row_id or 0) for entry in entries]
                    applied = newest
                return seen

            followers = [asyncio.create_task(follow(ticker)) for ticker in (one, two)]
            writer = await database.connect()
            for n in range(total):
                await writer.execute("insert into t values ($1)", n)
            for follower in followers:
                assert await follower == list(range(total))
            # A terminated connection is replaced.
            await writer.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where datname = current_database() and query like '%pg_current_snapshot%'"
                " and pid <> pg_backend_pid()"
            )
            before = one.latest
            await writer.execute("insert into t values (1000)")
            assert await one.wait_beyond(before) == before + 1


async def test_a_ticker_goes_on_after_an_error_that_nobody_has_foreseen(
    database: Journaled,
) -> None:
    await database.table("id int primary key")
    connection = await database.connect()
    failures = ["a mistake", "another"]

    @asynccontextmanager
    async def acquire() -> AsyncIterator[Any]:
        if failures:
            raise RuntimeError(failures.pop())
        yield connection

    async with Ticker(acquire) as ticker, asyncio.timeout(30):
        await database.owner.execute("insert into t values (1)")
        assert await ticker.wait_beyond(0) >= 1
        assert ticker.losses == 0
    assert failures == []
