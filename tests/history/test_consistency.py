"""As of any tick there is exactly what a repeatable-read transaction saw when it was made."""

import asyncio
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from roost.db.pool import Database
from roost.db.roles import APP_ROLE
from roost.environments import past as environments_then
from roost.environments.model import EnvironmentQuery
from roost.environments.queries import ENVIRONMENTS
from roost.history.moments import read_moment
from roost.tasks import past as tasks_then
from roost.tasks.messages import CONVERSATION
from roost.tasks.model import MessageQuery, TaskQuery
from roost.tasks.queries import TASKS
from roost.web.lists import Listing, prepare
from tests.history.workload import MEDDLE, Writer, new_workspaces, run
from tests.support.schema import pool_config

READS: list[tuple[Listing, Listing, Any, Mapping[str, Any]]] = [
    # now, then, the parameters, the conditions that are on
    (TASKS, tasks_then.TASKS, TaskQuery(limit=100), {}),
    (TASKS, tasks_then.TASKS, TaskQuery(limit=5, sort="-priority,title"), {"not_archived": True}),
    (TASKS, tasks_then.SEARCHED, TaskQuery(limit=50), {"words": "'roof':*"}),
    (TASKS, tasks_then.TASKS, TaskQuery(limit=50, page=2), {"label": ["a"]}),
    (ENVIRONMENTS, environments_then.ENVIRONMENTS, EnvironmentQuery(limit=50), {}),
]


@dataclass
class Sample:
    """What a transaction saw of a workspace at a tick: the answer to each of `READS`."""

    tick: int
    workspace: UUID
    seen: list[Any]
    conversations: dict[UUID, Any] = field(default_factory=dict)


async def then(database: Database, sample: Sample) -> Sample:
    """Read all of it anew, as of the tick."""
    moment = await read_moment(database, sample.tick)
    found = Sample(sample.tick, sample.workspace, [])
    async with database.connection() as connection:
        for _, past, query, given in READS:
            statement, values, _ = prepare(past, query, given)
            places = values | moment.places()
            found.seen.append(await run(connection, statement, sample.workspace, places))
        for task in sample.conversations:
            statement, values, _ = prepare(
                tasks_then.CONVERSATION_THEN, MessageQuery(limit=100), {"task": task}
            )
            places = values | moment.places() | {"of_id": [task], "of_task_id": [task]}
            row = await run(connection, statement, sample.workspace, places)
            found.conversations[task] = row
    return found


class Observer:
    """Makes ticks, and looks at a workspace through the very snapshot of each."""

    def __init__(self, ticker: Any, reader: Any) -> None:
        self.ticker = ticker
        self.reader = reader

    async def look(self, workspace: UUID, tasks: int) -> Sample:
        """Make a tick and read what it sees, the conversations of some tasks included."""
        async with self.ticker.transaction():
            await self.ticker.execute("select pg_advisory_xact_lock(journal.tick_lock())")
            tick, name = await self.ticker.fetchrow(
                "insert into journal.tick (snapshot) select pg_current_snapshot()"
                " returning id, pg_export_snapshot()"
            )
            await self.reader.execute("begin isolation level repeatable read")
            await self.reader.execute(f"set transaction snapshot '{name}'")
        sample = Sample(tick, workspace, [])
        for now, _, query, given in READS:
            statement, values, _ = prepare(now, query, given)
            sample.seen.append(await run(self.reader, statement, workspace, values))
        for number in range(tasks):
            task = UUID(int=workspace.int ^ (1 << 64) ^ number)
            statement, values, _ = prepare(CONVERSATION, MessageQuery(limit=100), {"task": task})
            row = await run(self.reader, statement, workspace, values)
            sample.conversations[task] = row
        await self.reader.execute("commit")
        return sample


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What is closed after the test."""
    async with AsyncExitStack() as stack:
        yield stack


async def samples_of(
    url: str, stack: AsyncExitStack, *, seconds: float, writers: int
) -> tuple[Database, Any, list[Sample]]:
    """Write for so long, and look at it now and then."""
    superuser, reader = [await asyncpg.connect(url) for _ in range(2)]
    for connection in (superuser, reader):
        stack.push_async_callback(connection.close)
    await superuser.execute(MEDDLE)
    await reader.execute(f"set session authorization {APP_ROLE}")
    database = await Database.connect(pool_config(url, max_connections=writers + 2))
    stack.push_async_callback(database.close)
    workspaces = new_workspaces(2)
    deadline = asyncio.get_running_loop().time() + seconds

    async def write(seed: int) -> None:
        writer = Writer(database, workspaces, seed)
        while asyncio.get_running_loop().time() < deadline:
            await writer.transaction()

    async def observe() -> list[Sample]:
        chance, observer, samples = random.Random(7), Observer(superuser, reader), []
        while asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(chance.random() * 0.1)
            samples.append(await observer.look(chance.choice(workspaces), 12))
        return samples

    work = [asyncio.create_task(write(seed)) for seed in range(writers)]
    samples = await observe()
    await asyncio.gather(*work)
    return database, superuser, samples


async def check(database: Database, samples: list[Sample]) -> None:
    for sample in samples:
        found = await then(database, sample)
        for number, (seen, read) in enumerate(zip(sample.seen, found.seen, strict=True)):
            assert read == seen, (sample.tick, READS[number])
        assert found.conversations == sample.conversations, sample.tick


async def forget(superuser: Any, sample: Sample) -> None:
    """Drop what came before a tick, as retention does."""
    await superuser.execute("delete from journal.tick where id < $1", sample.tick)
    await superuser.execute(
        "delete from journal.journal where pg_visible_in_snapshot(xid, ("
        "select snapshot from journal.tick where id = $1))",
        sample.tick,
    )


async def test_every_tick_shows_what_was_seen_then(
    fresh_roost_database: str, stack: AsyncExitStack
) -> None:
    database, superuser, samples = await samples_of(
        fresh_roost_database, stack, seconds=5, writers=5
    )
    assert any(sample.seen[0]["total"] for sample in samples)
    odd = await superuser.fetchval(
        "select count(*) from (select old_ctid, lag(new_ctid) over w as before,"
        " lag(xid) over w = xid as same from journal.journal where relation ="
        " (select id from journal.relation where name = 'tasks')"
        " window w as (partition by row_id order by seq)) e"
        " where same and before is distinct from old_ctid"
    )
    assert odd, "the trigger has made no odd order"
    await check(database, samples)
    middle = len(samples) // 2
    await forget(superuser, samples[middle])
    await check(database, samples[middle:])


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_every_tick_shows_what_was_seen_then_for_minutes(
    fresh_roost_database: str, stack: AsyncExitStack
) -> None:
    database, superuser, samples = await samples_of(
        fresh_roost_database, stack, seconds=120, writers=10
    )
    await check(database, samples)
    await forget(superuser, samples[len(samples) // 2])
    await check(database, samples[len(samples) // 2 :])
