"""What the pool tells: clients who have to wait, and whoever watches it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.tenancy import Context
from roost.tasks.routes import TaskRoutes
from tests.db.test_pool import PID, SLEEP, Scene
from tests.db.test_pool import scene as scene  # noqa: PLC0414 -- a fixture
from tests.support.house import House
from tests.support.schema import pool_config


@pytest.fixture
async def client(roost_database: str) -> AsyncIterator[httpx.AsyncClient]:
    config = replace(
        pool_config(roost_database, max_connections=1), patience=0.3, statement_timeout=0.5
    )
    database = await Database.connect(config)
    house = House(database)
    house.people.add("alice")
    house.mount(TaskRoutes(house.kit, alike=True).endpoints())
    client = house.client("alice")
    client.database = database  # type: ignore[attr-defined]
    yield client
    await database.close()


async def test_no_connection_in_time_is_a_503_that_says_when_to_come_back(
    client: httpx.AsyncClient,
) -> None:
    async with client.database.connection():  # type: ignore[attr-defined]
        for answer in (
            await client.get("/api/v1/tasks"),
            await client.post("/api/v1/tasks", json={"title": "x"}),
        ):
            assert answer.status_code == 503
            assert answer.json()["code"] == "DATABASE_UNAVAILABLE"
            assert int(answer.headers["retry-after"]) > 0
    assert (await client.get("/api/v1/tasks")).json()["pagination"]["total"] == 0


async def test_a_statement_that_takes_too_long_is_a_503_that_says_so(
    client: httpx.AsyncClient, roost_database: str
) -> None:
    made = await client.post("/api/v1/tasks", json={"title": "x"})
    task = made.json()["data"]
    holder = await asyncpg.connect(roost_database)
    async with holder.transaction():
        await holder.execute("select from tasks where id = $1 for update", task["id"])
        answer = await client.patch(f"/api/v1/tasks/{task['id']}", json={"title": "y"})
    await holder.close()
    assert answer.status_code == 503, answer.text
    assert answer.json()["code"] == "QUERY_TIMEOUT"
    assert int(answer.headers["retry-after"]) > 0
    assert (await client.get(f"/api/v1/tasks/{task['id']}")).json()["data"] == task


async def test_a_slow_statement_is_told_with_its_text_and_its_process(scene: Scene) -> None:
    await scene.database.read(PID, Context(scene.tenant))
    assert scene.watch.late == []
    await scene.database.read(SLEEP, Context(scene.tenant), pause=timedelta(seconds=0.25))
    ((name, sql, pid, error),) = scene.watch.late
    assert (name, sql, error) == ("select sleep", SLEEP.sql, None)
    assert pid > 0


async def test_every_connection_that_is_opened_is_told_of(scene: Scene) -> None:
    assert scene.watch.connects
    assert all(seconds > 0 for seconds in scene.watch.connects)
