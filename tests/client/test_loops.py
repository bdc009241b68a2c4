"""The loop that claims task after task: what it gives, and what it leaves behind."""

import asyncio
from collections import Counter

import pytest

from roost.client import AsyncRoost
from tests.client.conftest import URL
from tests.client.faults import Losing
from tests.client.working import make, only_run, status_of, until


async def test_leaving_from_outside_gives_the_task_back(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    begun = asyncio.Event()

    async def agent() -> None:
        async for run in roost.work("fixer"):
            async with run:
                begun.set()
                await asyncio.sleep(30)

    working = asyncio.create_task(agent())
    await begun.wait()
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    assert await status_of(roost, task) == "pending"
    left = await only_run(roost)
    assert (left.status, left.error["code"]) == ("cancelled", "GIVEN_BACK")
    again = await roost.executions.claim("other")
    assert again is not None
    assert again.task_id == task.id


async def test_a_claim_under_way_when_the_loop_is_left_is_given_back(roost: AsyncRoost) -> None:
    async def agent() -> None:
        async for run in roost.work("fixer", poll_seconds=0.01):
            async with run:
                await asyncio.sleep(0)

    for attempt in range(20):
        working = asyncio.create_task(agent())
        await asyncio.sleep(0.01)
        making = asyncio.create_task(roost.tasks.create(f"task {attempt}"))
        await asyncio.sleep(0.002 * attempt)
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        await making
    statuses = Counter([run.status async for run in roost.executions.iterate()])
    assert set(statuses) <= {"completed", "cancelled"}
    tasks = Counter([task.status async for task in roost.tasks.iterate()])
    assert set(tasks) <= {"completed", "pending"}


async def test_a_run_that_is_passed_over_is_given_back(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    claimed = []
    async for run in roost.work("fixer", poll_seconds=0.01, limit=2):
        claimed.append(run.task.id)
        if len(claimed) == 1:
            continue
        async with run:
            await run.log("well, then")
    assert claimed == [task.id, task.id]
    statuses = [one.status async for one in roost.executions.iterate(sort="createdAt")]
    assert statuses == ["cancelled", "completed"]


async def test_what_was_claimed_and_not_begun_is_given_back_at_the_end(
    roost: AsyncRoost, losing: Losing
) -> None:
    [task] = await make(roost)
    async with AsyncRoost(URL, "alice", transport=losing) as leaving:
        async for run in leaving.work("fixer"):
            assert run.task.id == task.id
            break
    assert run.outcome == "returned"
    assert await status_of(roost, task) == "pending"


async def test_what_somebody_made_of_a_task_stands_when_it_is_given_back(
    roost: AsyncRoost,
) -> None:
    [task] = await make(roost)
    async for _ in roost.work("fixer", poll_seconds=None, limit=1):
        await roost.tasks.update(task.id, status="completed")
    assert await status_of(roost, task) == "completed"
    assert (await only_run(roost)).status == "cancelled"


async def test_a_loop_that_is_stopped_ends_after_the_run_it_is_at(roost: AsyncRoost) -> None:
    await make(roost, "one", "two")
    done = []
    async for run in roost.work("fixer"):
        async with run:
            roost.stop()
        done.append((run.task.title, run.outcome))
    assert done == [("one", "completed")]


async def test_a_loop_that_waits_finds_what_comes_and_ends_when_stopped(roost: AsyncRoost) -> None:
    done = []

    async def agent() -> None:
        async for run in roost.work("fixer", poll_seconds=0.05):
            async with run:
                done.append(run.task.title)

    working = asyncio.create_task(agent())
    await asyncio.sleep(0.1)
    await make(roost, "late")

    async def is_done() -> bool:
        return done == ["late"]

    await until(is_done, "it was found")
    roost.stop()
    await asyncio.wait_for(working, 10)


async def test_two_agents_never_work_on_the_same_task(roost: AsyncRoost) -> None:
    await make(roost, *(f"task {number}" for number in range(30)))
    at_work: Counter[str] = Counter()
    done: Counter[str] = Counter()

    async def agent(name: str) -> None:
        async for run in roost.work(name, poll_seconds=None):
            async with run:
                at_work[run.task.title] += 1
                assert at_work[run.task.title] == 1
                await run.log(f"{name} is at it")
                done[run.task.title] += 1

    await asyncio.gather(*(agent(f"agent {number}") for number in range(4)))
    assert len(done) == 30
    assert set(done.values()) == {1}
    assert len([run async for run in roost.executions.iterate(status="completed")]) == 30
