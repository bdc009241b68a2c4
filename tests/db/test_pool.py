"""The pool when the database is slow, busy, gone or back again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, func, select
from sqlalchemy.dialects.postgresql import INTERVAL

from roost.db.dsn import DatabaseConfig
from roost.db.faults import ContentionError, OutcomeUnknownError, UnavailableError
from roost.db.pool import TRIES, Database, Transaction
from roost.db.statements import compiled
from roost.db.tenancy import TENANT_ID, Context, tenant_read
from roost.tasks.tables import tasks
from tests.db.waiting import until
from tests.support.schema import pool_config

COUNT = tenant_read(
    "select tasks.count", select(func.count().label("n")).where(tasks.c.workspace_id == TENANT_ID)
)
PID = compiled("select pid", select(func.pg_backend_pid().label("pid")))
SLEEP = tenant_read(
    "select sleep",
    select(func.pg_sleep_for(bindparam("pause", type_=INTERVAL)), TENANT_ID.label("id")),
)


class Watch:
    """An observer that remembers."""

    slow_ns = 200_000_000

    def __init__(self) -> None:
        self.statements: list[tuple[str, str | None]] = []
        self.waits: list[float] = []
        self.connects: list[float] = []
        self.late: list[tuple[str, str, int, str | None]] = []

    def slow(
        self, name: str, sql: str, pid: int, taken_ns: int, error: BaseException | None
    ) -> None:
        assert taken_ns >= self.slow_ns
        self.late.append((name, sql, pid, type(error).__name__ if error else None))

    def statement(
        self, name: str, started_ns: int, ended_ns: int, error: BaseException | None
    ) -> None:
        assert ended_ns >= started_ns
        self.statements.append((name, type(error).__name__ if error else None))

    def connected(self, seconds: float) -> None:
        self.connects.append(seconds)

    def waited(self, seconds: float) -> None:
        self.waits.append(seconds)


class Scene:
    """A pool on a database of the worker's, and the superuser's connection beside it."""

    def __init__(
        self, database: Database, admin: Any, watch: Watch, config: DatabaseConfig
    ) -> None:
        self.database = database
        self.admin = admin
        self.watch = watch
        self.config = config
        self.tenant = uuid4()

    async def insert(self, transaction: Transaction) -> UUID:
        task = uuid4()
        await transaction.connection.execute(
            "insert into tasks (workspace_id, id, title) values ($1, $2, 'x')", self.tenant, task
        )
        return task

    async def count(self) -> int:
        return int(
            await self.admin.fetchval(
                "select count(*) from tasks where workspace_id = $1", self.tenant
            )
        )

    async def pid(self) -> int:
        async with self.database.connection() as connection:
            return int(await connection.fetchval("select pg_backend_pid()"))

    async def end(self, pid: int) -> None:
        """End a connection from the server's side."""
        assert await self.admin.fetchval("select pg_terminate_backend($1, 5000)", pid)


@pytest.fixture
async def scene(roost_database: str) -> AsyncIterator[Scene]:
    config = replace(pool_config(roost_database, max_connections=1), patience=2.0)
    watch = Watch()
    database = await Database.connect(config, watch)
    admin = await asyncpg.connect(roost_database)
    yield Scene(database, admin, watch, config)
    await database.close()
    await admin.close()


async def busy(scene: Scene) -> int:
    """Wait until the pool's connection sleeps in a statement; gives its process id."""
    asked = (
        "select pid from pg_stat_activity where usename = 'roost_app' and datname ="
        " current_database() and wait_event = 'PgSleep'"
    )
    return int(await until(lambda: scene.admin.fetchval(asked)))


async def test_a_connection_lost_while_idle_costs_nothing(scene: Scene) -> None:
    await scene.end(await scene.pid())
    row = await scene.database.read(COUNT, Context(scene.tenant))
    assert row is not None
    assert row["n"] == 0
    await scene.end(await scene.pid())
    await scene.database.write(Context(scene.tenant), scene.insert)
    assert await scene.count() == 1


async def test_a_read_whose_connection_is_lost_is_repeated(scene: Scene) -> None:
    read = asyncio.create_task(
        scene.database.read(SLEEP, Context(scene.tenant), pause=timedelta(seconds=0.8))
    )
    await scene.end(await busy(scene))
    row = await read
    assert row is not None
    assert row["id"] == scene.tenant
    ran = [error for name, error in scene.watch.statements if name == "select sleep"]
    assert len(ran) == 2
    assert ran[0] is not None
    assert ran[1] is None


async def test_a_write_whose_connection_is_lost_before_its_commit_runs_again_once(
    scene: Scene,
) -> None:
    runs = []

    async def work(transaction: Transaction) -> UUID:
        runs.append(1)
        task = await scene.insert(transaction)
        if len(runs) == 1:
            await scene.end(await transaction.connection.fetchval("select pg_backend_pid()"))
            await transaction.connection.execute("select 1")
        return task

    await scene.database.write(Context(scene.tenant), work)
    assert len(runs) == 2
    assert await scene.count() == 1


async def test_a_write_that_loses_its_connection_again_is_given_up_and_undone(
    scene: Scene,
) -> None:
    async def work(transaction: Transaction) -> None:
        await scene.insert(transaction)
        await scene.end(await transaction.connection.fetchval("select pg_backend_pid()"))
        await transaction.connection.execute("select 1")

    with pytest.raises(UnavailableError, match="connection was lost"):
        await scene.database.write(Context(scene.tenant), work)
    assert await scene.count() == 0


async def test_a_commit_that_is_not_confirmed_is_of_unknown_outcome(scene: Scene) -> None:
    async def work(transaction: Transaction) -> None:
        await scene.insert(transaction)
        await scene.end(await transaction.connection.fetchval("select pg_backend_pid()"))

    with pytest.raises(OutcomeUnknownError, match="Idempotency-Key"):
        await scene.database.write(Context(scene.tenant), work)
    assert await scene.count() == 0
    await scene.database.write(Context(scene.tenant), scene.insert)


async def test_who_finds_no_connection_waits_and_then_is_told(scene: Scene) -> None:
    async with scene.database.connection():
        assert scene.database.used == 1
        waiting = asyncio.create_task(scene.pid())
        await until(_later(lambda: scene.database.waiting == 1))
    await waiting
    assert max(scene.watch.waits) > 0
    async with scene.database.connection():
        began = asyncio.get_running_loop().time()
        with pytest.raises(UnavailableError, match="no connection was free within 2 seconds"):
            await scene.database.read(COUNT, Context(scene.tenant))
        assert 1.9 < asyncio.get_running_loop().time() - began < 10
    assert scene.database.used == 0
    assert scene.database.waiting == 0


def _later(condition: Any) -> Any:
    async def asked() -> bool:
        return bool(condition())

    return asked


async def test_who_gives_up_waiting_keeps_nobody_else_from_the_connection(scene: Scene) -> None:
    async with scene.database.connection():
        impatient = [asyncio.create_task(scene.pid()) for _ in range(5)]
        await until(_later(lambda: scene.database.waiting == 5))
        patient = asyncio.create_task(scene.pid())
        await until(_later(lambda: scene.database.waiting == 6))
        for task in impatient:
            task.cancel()
    assert await patient
    assert scene.database.used == 0
    assert await scene.pid()


async def test_a_request_cancelled_in_its_work_leaves_no_open_transaction(scene: Scene) -> None:
    began = asyncio.Event()

    async def work(transaction: Transaction) -> None:
        await scene.insert(transaction)
        began.set()
        await transaction.connection.execute("select pg_sleep(60)")

    task = asyncio.create_task(scene.database.write(Context(scene.tenant), work))
    await began.wait()
    await busy(scene)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with scene.database.connection() as connection:
        assert not connection.is_in_transaction()
        assert not await connection.fetchval("select current_setting('roost.workspace_id', true)")
    assert await scene.count() == 0


async def test_a_serialization_failure_is_tried_again_and_the_work_done_once(scene: Scene) -> None:
    runs = []

    async def work(transaction: Transaction) -> None:
        runs.append(1)
        await scene.insert(transaction)
        if len(runs) < 3:
            raise asyncpg.SerializationError

    await scene.database.write(Context(scene.tenant), work)
    assert len(runs) == 3
    assert await scene.count() == 1


async def test_contention_without_end_is_told(scene: Scene) -> None:
    runs = []

    async def work(transaction: Transaction) -> None:
        runs.append(1)
        await scene.insert(transaction)
        raise asyncpg.DeadlockDetectedError

    with pytest.raises(ContentionError):
        await scene.database.write(Context(scene.tenant), work)
    assert len(runs) == TRIES
    assert await scene.count() == 0


async def test_of_a_commit_every_workspace_is_told_that_its_transaction_has_entered(
    scene: Scene,
) -> None:
    told: list[UUID | None] = []
    scene.database.when_committed(lambda context: told.append(context.workspace_id))
    first, second = scene.tenant, uuid4()

    async def work(transaction: Transaction) -> None:
        xid = transaction.xid
        scene.tenant = second
        await transaction.enter(Context(second))
        await scene.insert(transaction)
        await transaction.enter(Context(first))
        assert (told, transaction.xid) == ([], xid)

    await scene.database.write(Context(first), work)
    assert set(told) == {first, second}
    assert await scene.count() == 1


async def test_of_two_writers_in_a_deadlock_both_are_done(roost_database: str) -> None:
    database = await Database.connect(pool_config(roost_database, max_connections=2))
    tenant = uuid4()
    ids = [uuid4(), uuid4()]
    met = asyncio.Barrier(2)
    first = [True, True]

    async def make(transaction: Transaction) -> None:
        for task in ids:
            await transaction.connection.execute(
                "insert into tasks (workspace_id, id, title, position) values ($1, $2, 'x', 0)",
                tenant,
                task,
            )

    def crossing(number: int) -> Any:
        async def work(transaction: Transaction) -> None:
            for step, task in enumerate(ids[::-1] if number else ids):
                if step and first[number]:
                    first[number] = False
                    await met.wait()
                await transaction.connection.execute(
                    "update tasks set position = position + 1 where workspace_id = $1 and id = $2",
                    tenant,
                    task,
                )

        return work

    async def positions(transaction: Transaction) -> list[float]:
        rows = await transaction.connection.fetch("select position from tasks")
        return [row[0] for row in rows]

    await database.write(Context(tenant), make)
    await asyncio.gather(*(database.write(Context(tenant), crossing(n)) for n in (0, 1)))
    assert await database.write(Context(tenant), positions) == [2, 2]
    await database.close()


async def test_a_database_that_is_away_is_told_at_the_start() -> None:
    config = DatabaseConfig("postgresql://u@127.0.0.1:1/db", patience=0.1)
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await Database.connect(config)


async def test_a_database_that_goes_away_is_told_after_a_wait(scratch_database: str) -> None:
    config = DatabaseConfig(scratch_database, 2, patience=0.5)
    database = await Database.connect(config)
    name = scratch_database.partition("@/")[2].partition("?")[0]
    admin = await asyncpg.connect(scratch_database.replace(name, "postgres", 1))
    await admin.execute(f'alter database "{name}" allow_connections false')
    await admin.execute(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = $1", name
    )
    with pytest.raises(UnavailableError):
        await database.read(COUNT, Context(uuid4()))
    await admin.execute(f'alter database "{name}" allow_connections true')
    async with database.connection() as connection:
        assert await connection.fetchval("select 1") == 1
    await database.close()
    await admin.close()


async def test_the_pool_closes_at_once_when_a_connection_comes_back_late(scene: Scene) -> None:
    async with scene.database.connection():
        closing = asyncio.create_task(scene.database.close(within=30))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await closing
