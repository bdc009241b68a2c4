"""Runs that are worked on in a loop: kept, told on, and ended as the work has ended."""

import asyncio
import logging
import time

import pytest

from roost.client import AsyncRoost, AsyncRun, LeaseLost, RunCancelled
from tests.client.working import make, only_run, status_of


async def test_work_that_is_done_completes_run_and_task(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    async for run in roost.work("fixer", agent_version="2", poll_seconds=None):
        assert run.task.id == task.id
        async with run:
            await run.log("looking around")
            await run.step("tool_call", data={"tool": "ls"}, state={"n": 1}, checkpoint=True)
            assert await run.state() == {"n": 1}
            run.used(tokens_in=10, tokens_out=2, cost=0.5)
            run.used(tokens_in=1)
            run.result({"files": 1})
            run.result(branch="fix", has_changes=True)
        assert run.outcome == "completed"
        assert not run.lost
    done = await only_run(roost)
    assert (done.status, done.output, done.agent_version) == ("completed", {"files": 1}, "2")
    assert (done.usage.tokens_in, done.usage.tokens_out, done.usage.cost) == (11, 2, 0.5)
    mended = await roost.tasks.get(task.id)
    assert (mended.status, mended.branch, mended.has_changes) == ("completed", "fix", True)
    steps = (await roost.steps.list(done.id)).items
    assert [(step.type, step.description) for step in steps] == [
        ("message", "looking around"),
        ("tool_call", None),
    ]


async def test_the_status_of_the_task_is_the_agents_to_say(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            run.result(status="in_review", status_message="please look")
    assert await status_of(roost, task) == "in_review"


async def test_work_that_raises_fails_the_run_and_the_loop_goes_on(
    roost: AsyncRoost, caplog: pytest.LogCaptureFixture
) -> None:
    await make(roost, "first", "second")
    outcomes = []
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            if run.task.title == "first":
                message = "no such file: a.txt"
                raise FileNotFoundError(message)
        outcomes.append(run.outcome)
    assert outcomes == ["failed", "completed"]
    [failed] = (await roost.executions.list(status="failed")).items
    assert failed.error == {"type": "FileNotFoundError", "message": "no such file: a.txt"}
    [task] = (await roost.tasks.list(status="failed")).items
    assert task.status_message == "no such file: a.txt"
    assert "Traceback" in caplog.text, "where it was raised is for whoever runs the agent"


async def test_an_error_in_words_that_cannot_be_stored_is_told_nevertheless(
    roost: AsyncRoost, caplog: pytest.LogCaptureFixture
) -> None:
    await make(roost)
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            message = "read \x00\ud800 of it" + "!" * 20_000
            raise ValueError(message)
    error = (await only_run(roost)).error
    assert error["type"] == "ValueError"
    assert error["message"].startswith("read ?? of it!!")
    assert len(error["message"]) == 10_000
    assert "read ?? of it" in caplog.text.encode().decode()


async def test_a_result_that_is_refused_fails_the_run(roost: AsyncRoost) -> None:
    await make(roost, "for Roost to refuse", "that is no JSON")
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            if run.task.title == "that is no JSON":
                run.result(object())
            else:
                run.result(branch="b" * 300)
        assert run.outcome == "failed"
    errors = [run.error async for run in roost.executions.iterate(sort="createdAt")]
    assert [error["type"] for error in errors] == ["RoostError", "TypeError"]
    assert "branch" in errors[0]["message"]


async def test_a_heartbeat_keeps_the_lease_while_the_work_goes_on(roost: AsyncRoost) -> None:
    await make(roost)
    async for run in roost.work("fixer", lease_seconds=1, poll_seconds=None):
        async with run:
            run.used(tokens_in=7)
            await asyncio.sleep(1.7)
            assert await roost.executions.claim("other") is None
            await run.log("still here")
            told = await only_run(roost)
            assert told.usage.tokens_in == 7
        assert run.outcome == "completed"


async def test_a_run_that_is_cancelled_stops_the_work_where_it_is(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    seen = []
    async for run in roost.work("fixer", lease_seconds=1, poll_seconds=None):
        async with run:
            await roost.tasks.update(task.id, status="cancelled")
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                seen.append("told")
                raise
            seen.append("went on")
        assert (run.outcome, run.cancelled, run.lost) == ("cancelled", True, False)
    assert seen == ["told"]
    assert (await only_run(roost)).status == "cancelled"
    current = asyncio.current_task()
    assert current is not None
    assert current.cancelling() == 0


async def test_a_step_on_a_cancelled_run_says_so(roost: AsyncRoost) -> None:
    await make(roost)
    seen = []
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            await roost.executions.cancel(run.id)
            for _ in range(2):
                try:
                    await run.log("on and on")
                except RunCancelled:
                    seen.append("cancelled")
            run.check()
            seen.append("went on")
        assert run.outcome == "cancelled"
    assert seen == ["cancelled", "cancelled"]


async def test_a_run_that_was_cancelled_unheard_is_not_completed(
    roost: AsyncRoost, caplog: pytest.LogCaptureFixture
) -> None:
    await make(roost)
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            await roost.executions.cancel(run.id)
        assert run.outcome == "cancelled"
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def lose(roost: AsyncRoost, run: AsyncRun) -> None:
    """Take a run from its agent."""
    await roost.executions.fail(run.id, "taken")


async def test_a_lost_lease_stops_the_work_quietly(roost: AsyncRoost) -> None:
    await make(roost, "by a step", "by a heartbeat", "at the end")
    seen = []
    async for run in roost.work("fixer", lease_seconds=1, poll_seconds=None):
        async with run:
            await lose(roost, run)
            if run.task.title == "by a step":
                with pytest.raises(LeaseLost):
                    await run.log("too late")
                await run.log("too late")
            elif run.task.title == "by a heartbeat":
                await asyncio.sleep(30)
            seen.append(run.task.title)
        assert run.lost
        assert run.outcome == "lost"
    assert seen == ["at the end"]


async def test_a_lease_that_ran_out_is_lost_and_the_task_waits_again(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    async for run in roost.work("fixer", lease_seconds=1, poll_seconds=None, limit=1):
        async with run:
            time.sleep(1.2)  # noqa: ASYNC251 -- an agent that lets nothing else happen meanwhile
            await asyncio.sleep(30)
        assert run.lost
    again = await roost.executions.claim("other")
    assert again is not None
    assert again.task_id == task.id
    statuses = [one.status async for one in roost.executions.iterate(sort="createdAt")]
    assert statuses == ["stale", "starting"]


async def test_who_waits_for_input_goes_on_and_completes(roost: AsyncRoost) -> None:
    [task] = await make(roost)
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            await run.await_input()
            assert await status_of(roost, task) == "blocked"
            await run.resume()
            assert await status_of(roost, task) == "in_progress"
            await run.await_input()
        assert run.outcome == "completed"
    assert await status_of(roost, task) == "completed"


async def test_a_fork_is_claimed_with_the_state_it_begins_with(roost: AsyncRoost) -> None:
    await make(roost)
    async for run in roost.work("fixer", poll_seconds=None):
        async with run:
            if run.forked_from is None:
                assert await run.state() is None
                step = await run.step("checkpoint", state={"half": "way"})
                origin = run.id
            else:
                assert await run.state() == {"half": "way"}
                assert run.forked_from.id == origin
        if run.forked_from is None:
            await roost.executions.fork(origin, step.number)
    assert len((await roost.executions.list(status="completed")).items) == 2
