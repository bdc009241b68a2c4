"""Ticks grow with what they see, and the window between two is exact and cheap."""

import asyncio
import re

import asyncpg
import pytest

from roost.journal.ticks import BEGINNING, by_transaction, latest_tick, make_tick, window
from tests.journal.database import Journaled


@pytest.fixture
async def counted(database: Journaled) -> Journaled:
    """A journaled table `t (id, n)`."""
    await database.table("id int primary key, n int")
    return database


async def test_no_tick_is_made_when_nothing_happened(counted: Journaled) -> None:
    connection = await counted.connect()
    assert await make_tick(connection) == BEGINNING
    await connection.execute("insert into t values (1)")
    assert await make_tick(connection) == 1
    # Neither the tick itself nor others' transactions count.
    await connection.execute("create table unrelated (id int)")
    await connection.execute("insert into unrelated values (1)")
    assert await make_tick(connection) == 1
    await connection.execute("update t set n = n")
    assert await make_tick(connection) == 1
    await connection.execute("update t set n = 5")
    assert await make_tick(connection) == 2
    assert await latest_tick(connection) == 2
    assert await connection.fetchval("select count(*) from journal.tick") == 2


@pytest.mark.parametrize("level", ["repeatable read", "serializable"])
async def test_a_tick_is_refused_where_the_snapshot_may_be_old(
    counted: Journaled, level: str
) -> None:
    connection = await counted.connect()
    await connection.execute(f"set default_transaction_isolation = '{level}'")
    with pytest.raises(asyncpg.InvalidTransactionStateError, match=f"in a {level} transaction"):
        await make_tick(connection)


async def test_a_tick_is_refused_in_a_transaction_that_wrote(counted: Journaled) -> None:
    connection = await counted.connect()
    with pytest.raises(asyncpg.InvalidTransactionStateError, match="has written"):
        await connection.execute("begin; insert into t values (1); select journal.make_tick()")
    await connection.execute("rollback")
    async with connection.transaction():
        with pytest.raises(RuntimeError, match="outside of any transaction"):
            await make_tick(connection)


async def test_the_snapshot_is_taken_after_the_wait_for_the_lock(counted: Journaled) -> None:
    holder, ticker, writer = [await counted.connect() for _ in range(3)]
    await writer.execute("insert into t values (1)")
    async with holder.transaction():
        await holder.execute("select pg_advisory_xact_lock(journal.tick_lock())")
        waiting = asyncio.create_task(make_tick(ticker))
        await _until_blocked(writer)
        await writer.execute("insert into t values (2)")
    assert await waiting == 1
    assert [e.row_id for e in await window(writer, 0, 1)] == ["1", "2"]


async def _until_blocked(connection: asyncpg.Connection) -> None:
    async with asyncio.timeout(10):
        while not await connection.fetchval(  # noqa: ASYNC110 -- a server has no event
            "select exists (select from pg_locks where locktype = 'advisory' and not granted"
            " and database = (select oid from pg_database where datname = current_database()))"
        ):
            await asyncio.sleep(0.005)


async def test_ids_and_visibility_grow_together(counted: Journaled) -> None:
    """Tickers and writers at full speed: every tick sees all that the one before it saw."""
    loops, writing = 150, 4

    async def write(base: int) -> None:
        nonlocal writing
        connection = await counted.connect()
        for n in range(loops):
            await connection.execute("insert into t values ($1, 0)", base + n)
        writing -= 1

    async def tick() -> list[int]:
        connection = await counted.connect()
        made = []
        while writing:
            made.append(await make_tick(connection))
        return made

    results = await asyncio.gather(
        *(write(base * loops) for base in range(4)), *(tick() for _ in range(3))
    )
    for made in results[4:]:
        assert made is not None
        assert made == sorted(made)
    broken = await counted.owner.fetch(
        "select a.id from journal.tick a join journal.tick b on b.id ="
        " (select min(c.id) from journal.tick c where c.id > a.id)"
        " where pg_snapshot_xmax(a.snapshot) > pg_snapshot_xmax(b.snapshot) or exists ("
        "   select from pg_snapshot_xip(b.snapshot) x where pg_visible_in_snapshot(x, a.snapshot))"
        " or a.at > b.at"
    )
    assert broken == []
    connection = await counted.connect()
    newest = await make_tick(connection)
    ids = [row["id"] for row in await connection.fetch("select id from journal.tick order by id")]
    steps = zip([0, *ids], ids, strict=False)
    seen = [e.seq for a, b in steps for e in await window(connection, a, b)]
    assert len(ids) > 20
    assert sorted(seen) == list(range(1, 4 * loops + 1))
    assert [e.seq for e in await window(connection, 0, newest)] == sorted(seen)


async def test_a_lower_seq_that_commits_later_comes_in_a_later_window(counted: Journaled) -> None:
    slow, fast = await counted.connect(), await counted.connect()
    async with slow.transaction():
        await slow.execute("insert into t values (1)")
        await fast.execute("insert into t values (2)")
        assert await make_tick(fast) == 1
        assert await make_tick(fast) == 1
        await slow.execute("insert into t values (3)")
    assert await make_tick(fast) == 2
    assert [e.row_id for e in await window(fast, 0, 1)] == ["2"]
    assert [e.row_id for e in await window(fast, 1, 2)] == ["1", "3"]
    assert [e.row_id for e in await window(fast, 0, 2)] == ["1", "2", "3"]
    assert await window(fast, 2, 2) == []


async def test_prepared_transactions_are_waited_for(counted: Journaled) -> None:
    if await counted.owner.fetchval("show max_prepared_transactions") == "0":
        pytest.skip("the server takes no prepared transactions")
    connection = await counted.connect()
    await connection.execute("begin; insert into t values (1); prepare transaction 'p'")
    await connection.execute("insert into t values (2)")
    assert await make_tick(connection) == 1
    await connection.execute("commit prepared 'p'")
    assert await make_tick(connection) == 2
    assert [e.row_id for e in await window(connection, 1, 2)] == ["1"]


async def test_unknown_ticks_are_refused(counted: Journaled) -> None:
    await counted.owner.execute("insert into t values (1)")
    await make_tick(counted.owner)
    for after, until in ((7, 9), (0, 9), (-1, 1)):
        with pytest.raises(asyncpg.NoDataFoundError, match="is not known"):
            await window(counted.owner, after, until)
    with pytest.raises(asyncpg.InvalidParameterValueError, match="back to tick 0"):
        await window(counted.owner, 1, 0)


async def test_transactions_are_ordered_by_their_last_change(counted: Journaled) -> None:
    one, two = await counted.connect(), await counted.connect()
    async with one.transaction():
        await one.execute("insert into t values (1)")
        await two.execute("insert into t values (2)")
        await one.execute("insert into t values (3)")
    await two.execute("insert into t values (4)")
    entries = await counted.new_entries()
    assert [[e.row_id for e in group] for group in by_transaction(entries)] == [
        ["2"],
        ["1", "3"],
        ["4"],
    ]


async def test_the_sequence_hands_out_no_numbers_ahead(counted: Journaled) -> None:
    cache = await counted.owner.fetchval(
        "select seqcache from pg_sequence"
        " where seqrelid = pg_get_serial_sequence('journal.journal', 'seq')::regclass"
    )
    assert cache == 1


WINDOW = """
explain (analyze, buffers, costs off, timing off, summary off)
select j.*
from journal.finished_between($1, $2) finished
join journal.journal j on j.xid >= finished.first and j.xid < finished.beyond
order by j.seq
"""


async def _blocks(connection: asyncpg.Connection, after: int, until: int) -> int:
    """How many blocks the query of a window touches, and that it scans no table."""
    snapshots = [
        await connection.fetchval("select snapshot::text from journal.tick where id = $1", tick)
        for tick in (after, until)
    ]
    query = WINDOW.replace("$1", f"'{snapshots[0]}'").replace("$2", f"'{snapshots[1]}'")
    async with connection.transaction():
        await connection.execute("set local enable_seqscan = off; set local jit = off")
        plan = "\n".join(row[0] for row in await connection.fetch(query))
    assert "Seq Scan" not in plan, plan
    found = re.search(r"Buffers: shared(?: hit=(\d+))?(?: read=(\d+))?", plan)
    assert found, plan
    return sum(int(count) for count in found.groups() if count)


@pytest.mark.parametrize("writes", [False, True], ids=["idle", "bulk"])
async def test_a_window_costs_the_same_beside_a_long_transaction(
    counted: Journaled, *, writes: bool
) -> None:
    """Neither what others wrote since it began, nor what it wrote itself, is read through."""
    connection = await counted.connect()
    costs = []
    long = await counted.connect()
    await connection.execute("insert into t values (0, 0)")
    await make_tick(connection)
    async with long.transaction():
        await long.execute("insert into t values (-1, 0)")
        await connection.execute("update t set n = n + 1 where id = 0")
        await make_tick(connection)
        for round_ in range(3):
            await connection.execute("update t set n = n + 1 where id = 0")
            before = await latest_tick(connection)
            after = await make_tick(connection)
            assert len(await window(connection, before, after)) == 1
            costs.append(await _blocks(connection, before, after))
            first = round_ * 10_000 + 1
            writer = long if writes else connection
            await writer.execute(
                "insert into t select generate_series($1::int, $1 + 9999), 0", first
            )
            await make_tick(connection)
    # To read through what was written would cost hundreds.
    assert max(costs) <= min(costs) + 50, costs


async def test_looking_for_changes_does_not_read_through_a_bulk_load(counted: Journaled) -> None:
    connection, bulk = await counted.connect(), await counted.connect()
    await connection.execute("create table unrelated (id int)")
    await connection.execute("insert into t values (0, 0)")
    await make_tick(connection)
    look = (
        "explain (analyze, buffers, costs off, timing off, summary off) select journal.is_pending("
        "(select snapshot from journal.tick order by id desc limit 1), pg_current_snapshot())"
    )
    blocks = []
    async with bulk.transaction():
        for round_ in range(2):
            await connection.execute("insert into unrelated values (1)")
            plan = "\n".join(row[0] for row in await connection.fetch(look))
            blocks.append(sum(map(int, re.findall(r"shared hit=(\d+)", plan)[:1])))
            if round_ == 0:
                await bulk.execute("insert into t select generate_series(1, 20000), 0")
    assert blocks[1] < blocks[0] + 50, blocks
