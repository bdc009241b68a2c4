"""What is measured with several connections at once."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from time import perf_counter
from typing import Any, Final
from uuid import UUID, uuid4

from roost.performance.benchmarks import alone
from roost.performance.benchmarks.measuring import Times, timed
from roost.performance.benchmarks.model import SUITES, Suite
from roost.performance.benchmarks.scratch import READERS, Scratch

_NOTE: Final = "insert into {s}.change (row_id) values ($1::uuid) returning seq"
# As a listener reads the journal: what is after a place, and committed.
_LOOK: Final = """
select c.row_id from {s}.change c
where c.seq > $1 and pg_visible_in_snapshot(c.xid, pg_current_snapshot()) order by c.seq
"""
_LAST: Final = "select coalesce(max(seq), 0) from {s}.change"


async def concurrent(scratch: Scratch) -> dict[str, Times]:
    """Read pages and write rows at once, each on connections of their own."""
    reads, writes = scratch.sizes.reads, scratch.sizes.singles
    page, insert = scratch.sql(alone.LIST), scratch.sql(alone.INSERT)

    def reader(connection: Any) -> Callable[[int], Awaitable[object]]:  # noqa: ANN401 -- asyncpg's
        return lambda _n: connection.fetch(page, scratch.tenant(), "pending")

    def writer(connection: Any) -> Callable[[int], Awaitable[object]]:  # noqa: ANN401 -- asyncpg's
        return lambda _n: connection.fetch(insert, scratch.tenant(), uuid4())

    readers = [timed(reads, reader(each)) for each in scratch.connections[:READERS]]
    writers = [timed(writes, writer(each)) for each in scratch.connections[READERS:]]
    found = await _all(*readers, *writers)
    return {"read": _merged(found[:READERS]), "write": _merged(found[READERS:])}


async def _all(*works: Coroutine[Any, Any, Times]) -> list[Times]:
    """Do them at once; none goes on when one has failed."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(work) for work in works]
    return [task.result() for task in tasks]


def _merged(parts: list[Times]) -> Times:
    """Put together what was done side by side: in turns, for they went on at the same time."""
    shortest = min(len(part.each) for part in parts)
    turns = [part.each[turn] for turn in range(shortest) for part in parts]
    return Times(turns, max(part.seconds for part in parts))


async def sync(scratch: Scratch) -> dict[str, Times]:
    """Wait to see a change: from sending the insert until a poll elsewhere has given its row.

    The poll is repeated without a pause, so this is the database's part of a change's way to who
    follows it; ticks and the wait between them come on top.
    """
    note, look, sees = scratch.sql(_NOTE), scratch.sql(_LOOK), scratch.connections[1]
    place = await sees.fetchval(scratch.sql(_LAST))
    found = Times()
    for _ in range(scratch.sizes.moves):
        row_id = uuid4()
        began = perf_counter()
        async with asyncio.TaskGroup() as group:
            writing = group.create_task(scratch.one.fetchval(note, row_id))
            seen = await _seen(sees, look, place, row_id)
        found.each.append((seen - began) * 1000)
        place = writing.result()
    found.seconds = sum(found.each) / 1000
    return {"insertToSeen": found}


async def _seen(connection: Any, look: str, place: int, row_id: UUID) -> float:  # noqa: ANN401 -- asyncpg's
    """Look until the row is there; gives when it was, by `perf_counter`."""
    while True:
        rows = await connection.fetch(look, place)
        if any(row["row_id"] == row_id for row in rows):
            return perf_counter()


Rounds = Callable[[Scratch], Awaitable[dict[str, Times]]]
"""Does one round of a suite; gives what it measured by name."""
ROUNDS: Final[dict[Suite, Rounds]] = dict(
    zip(
        SUITES,
        (
            alone.crud,
            alone.lists,
            alone.search,
            alone.aggregation,
            concurrent,
            sync,
            alone.migration,
        ),
        strict=True,
    )
)
