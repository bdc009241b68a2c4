"""Answers that are lost on the way: nothing is done twice, and nothing gets lost."""

import pytest

from roost.client import AsyncRoost, LeaseLost, NewStep, Unreachable
from tests.client.faults import Losing


async def test_a_task_is_made_once(roost: AsyncRoost, losing: Losing) -> None:
    losing.lose = [("POST", "/tasks"), ("POST", "/tasks")]
    made = await roost.tasks.create("Mend it")
    assert [task.id async for task in roost.tasks.iterate()] == [made.id]


async def test_a_message_is_said_once(roost: AsyncRoost, losing: Losing) -> None:
    task = await roost.tasks.create("Mend it")
    losing.lose = [("POST", "/messages")]
    said = await roost.messages.append(task.id, "Which one?")
    assert (await roost.messages.list(task.id)).items == [said]


async def test_a_step_is_recorded_once(roost: AsyncRoost, losing: Losing) -> None:
    await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    losing.lose = [("POST", "/steps"), ("POST", "/steps"), ("POST", "/steps/batch")]
    for _ in range(2):
        await roost.steps.record(run.id, "tool_call", data={"n": 1}, state={"n": 1})
    await roost.steps.record_many(run.id, [NewStep("message"), NewStep("message")])
    assert losing.lose == []
    steps = (await roost.steps.list(run.id)).items
    assert [step.type for step in steps] == ["tool_call"] * 2 + ["message"] * 2


async def test_a_claim_is_made_once(roost: AsyncRoost, losing: Losing) -> None:
    for title in ("one", "two"):
        await roost.tasks.create(title)
    losing.lose = [("POST", "/claim"), ("POST", "/claim")]
    run = await roost.executions.claim("fixer")
    assert run is not None
    assert [one.id async for one in roost.executions.iterate()] == [run.id]
    waiting = await roost.tasks.list(status="pending")
    assert [task.title for task in waiting.items] == ["two"]


async def test_a_loop_asks_for_the_claim_whose_answer_was_lost(losing: Losing) -> None:
    async with AsyncRoost("http://roost.test", "alice", transport=losing, retries=0) as roost:
        for title in ("one", "two"):
            await roost.tasks.create(title)
        losing.lose = [("POST", "/claim")]
        async for run in roost.work("fixer", poll_seconds=0.05, limit=1):
            async with run:
                assert run.task.title == "one"
        assert len((await roost.executions.list()).items) == 1


async def test_an_end_that_was_told_is_no_lost_lease(roost: AsyncRoost, losing: Losing) -> None:
    await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    losing.lose = [("PATCH", str(run.id))]
    done = await roost.executions.complete(run.id, output="done")
    assert (done.status, done.output) == ("completed", "done")
    with pytest.raises(LeaseLost):
        await roost.executions.complete(run.id, output="again")
    losing.lose = [("PATCH", str(run.id))]
    with pytest.raises(LeaseLost):
        await roost.executions.fail(run.id, "another end than the one it has")


async def test_a_fork_is_made_once(roost: AsyncRoost, losing: Losing) -> None:
    await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    await roost.steps.record(run.id, "start", state={}, checkpoint=True)
    losing.lose = [("POST", "/fork")]
    fork = await roost.executions.fork(run.id, 1)
    assert [one.id async for one in roost.executions.iterate(status="queued")] == [fork.id]


async def test_a_claim_in_any_workspace_is_not_made_twice(
    roost: AsyncRoost, losing: Losing
) -> None:
    await roost.tasks.create("Mend it")
    losing.lose = [("POST", "/claim")]
    with pytest.raises(Unreachable):
        await roost.executions.claim("fixer", any_workspace=True)
    assert sum(one.url.path.endswith("/claim") for one in losing.sent) == 1
