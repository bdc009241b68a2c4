"""Batches beside each other, and what they say of the operation that is wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from tests.tasks.test_crud import TASKS, make

NOWHERE = "018f0000-0000-7000-8000-000000000000"


async def send(client: httpx.AsyncClient, *operations: dict[str, Any]) -> httpx.Response:
    return await client.post(f"{TASKS}/batch", json={"operations": list(operations)})


@pytest.fixture
async def no_deadlock(roost_database: str) -> AsyncIterator[None]:
    """PostgreSQL ends no transaction meanwhile because it and others wait for each other."""
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    watcher = await asyncpg.connect(roost_database)
    before = await watcher.fetchval(deadlocks)
    yield
    await watcher.execute("select pg_stat_force_next_flush()")
    after = await watcher.fetchval(deadlocks)
    await watcher.close()
    assert after == before


@pytest.mark.usefixtures("no_deadlock")
async def test_batches_of_the_same_tasks_in_any_order_all_get_done(
    alice: httpx.AsyncClient,
) -> None:
    ids = [(await make(alice))["id"] for _ in range(20)]

    def changes(number: int) -> list[dict[str, Any]]:
        ordered = ids if number % 2 else ids[::-1]
        return [
            {"op": "update", "id": each, "changes": {"description": str(number)}}
            for each in ordered
        ]

    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(send(alice, *changes(number)) for number in range(8)))

    assert {answer.status_code for answer in answers} == {200}
    tasks = (await alice.get(TASKS)).json()["data"]
    assert {task["version"] for task in tasks} == {9}
    assert len({task["description"] for task in tasks}) == 1


@pytest.mark.usefixtures("no_deadlock")
async def test_a_batch_changes_what_another_batch_deletes_or_finds_it_gone(
    alice: httpx.AsyncClient,
) -> None:
    for _ in range(10):
        ids = [(await make(alice))["id"] for _ in range(6)]
        updates = [{"op": "update", "id": each, "changes": {"title": "new"}} for each in ids]
        deletions = [{"op": "delete", "id": each} for each in reversed(ids)]
        changed, deleted = await asyncio.gather(send(alice, *updates), send(alice, *deletions))
        assert deleted.status_code == 200
        assert changed.status_code in {200, 404}


@pytest.mark.parametrize(
    ("field", "value"),
    [("environmentId", NOWHERE), ("assigneeId", NOWHERE), ("dueAt", "0001-01-01T00:00:00+10:00")],
)
async def test_a_problem_names_its_operation_among_many(
    alice: httpx.AsyncClient, field: str, value: str
) -> None:
    operations: list[dict[str, Any]] = [
        {"op": "create", "task": {"title": str(number)}} for number in range(30)
    ]
    operations[17]["task"][field] = value

    answer = await send(alice, *operations)

    assert answer.status_code == 400
    assert [each["field"] for each in answer.json()["errors"]] == [f"operations[17].{field}"]
    assert (await alice.get(TASKS)).json()["data"] == []
