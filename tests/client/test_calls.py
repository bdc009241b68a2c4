"""Every call, against the real routes."""

from datetime import UTC, datetime, timedelta

import pytest

from roost.client import AsyncRoost, Conflict, NewStep, PullRequest, Usage
from tests.support.house import House


async def test_tasks_are_made_read_changed_and_found(roost: AsyncRoost) -> None:
    due = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
    made = await roost.tasks.create(
        "Fix the login", priority="high", labels=["web"], due_at=due, metadata={"size": 3}
    )
    assert (made.priority, made.labels, made.due_at) == ("high", ["web"], due)
    assert await roost.tasks.get(made.id) == made
    pull = PullRequest(number=7, url="https://example.test/7", head_ref="fix")
    changed = await roost.tasks.update(
        made.id, status="in_progress", has_changes=True, pull_request=pull, due_at=None
    )
    assert changed.status == "in_progress"
    assert changed.pull_request == pull
    assert changed.due_at is None
    assert changed.metadata == {"size": 3}
    await roost.tasks.create("Other", labels=["web", "small"])
    await roost.tasks.create("Third")
    found = await roost.tasks.list(label="web", sort="-priority,createdAt")
    assert [task.title for task in found.items] == ["Fix the login", "Other"]
    assert (found.total, found.total_is_exact, found.next_cursor) == (2, True, None)
    for filters, titles in (
        ({"label": ["web", "small"]}, ["Other"]),
        ({"status": ["in_progress", "failed"]}, ["Fix the login"]),
        ({"search": "logn"}, ["Fix the login"]),
        ({"archived": True}, []),
        ({"created_after": made.created_at + timedelta(days=1)}, []),
    ):
        page = await roost.tasks.list(**filters)
        assert [task.title for task in page.items] == titles, filters


async def test_all_pages_are_walked_as_they_are_needed(roost: AsyncRoost) -> None:
    for number in range(7):
        await roost.tasks.create(f"task {number}")
    titles = [task.title async for task in roost.tasks.iterate(limit=3, sort="createdAt")]
    assert titles == [f"task {number}" for number in range(7)]
    assert [task.title async for task in roost.tasks.iterate(label="nothing")] == []


async def test_a_conversation_is_appended_to_and_read(roost: AsyncRoost) -> None:
    task = await roost.tasks.create("Mend it")
    asked = await roost.messages.append(task.id, "Which one?", payload={"options": ["a", "b"]})
    assert (asked.role, asked.position) == ("assistant", 0)
    await roost.messages.append(task.id, "The first.", role="user")
    texts = [message.text async for message in roost.messages.iterate(task.id, limit=1)]
    assert texts == ["Which one?", "The first."]
    assert (await roost.messages.list(task.id)).items[0] == asked


async def test_a_run_from_the_queue_to_its_end(roost: AsyncRoost, house: House) -> None:
    task = await roost.tasks.create("Mend it")
    queued = await roost.executions.create(task.id, agent="fixer", input={"depth": 2})
    assert await roost.executions.claim("somebody else") is None
    run = await roost.executions.claim("fixer", agent_version="1.2", lease_seconds=30)
    assert run is not None
    assert (run.id, run.input, run.agent_version) == (queued.id, {"depth": 2}, "1.2")
    assert run.claimed_by == house.people.known["alice"].user_id
    assert (run.task.id, run.task.status) == (task.id, "in_progress")
    beat = await roost.executions.heartbeat(
        run.id, lease_seconds=90, usage=Usage(tokens_in=5, tokens_out=1)
    )
    assert (beat.lease_seconds, beat.usage.tokens_in) == (90, 5)
    waiting = await roost.executions.await_input(run.id)
    assert waiting.status == "awaiting_input"
    assert (await roost.tasks.get(task.id)).status == "blocked"
    assert (await roost.executions.update(run.id, status="running")).status == "running"
    done = await roost.executions.complete(
        run.id, output={"ok": True}, task={"branch": "fix", "has_changes": True}
    )
    assert (done.status, done.output) == ("completed", {"ok": True})
    mended = await roost.tasks.get(task.id)
    assert (mended.status, mended.branch, mended.has_changes) == ("completed", "fix", True)
    assert await roost.executions.get(run.id) == done
    assert [one.id async for one in roost.executions.iterate(task=task.id)] == [run.id]
    assert (await roost.executions.list(status="running")).items == []


async def test_a_run_fails_with_its_reason_and_another_is_cancelled(roost: AsyncRoost) -> None:
    task = await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    failed = await roost.executions.fail(run.id, {"message": "no such file"})
    assert (failed.status, failed.error) == ("failed", {"message": "no such file"})
    assert (await roost.tasks.get(task.id)).status_message == "no such file"
    waiting = await roost.executions.create(task.id)
    assert (await roost.executions.cancel(waiting.id)).status == "cancelled"


async def test_steps_are_recorded_read_and_gone_back_to(roost: AsyncRoost) -> None:
    task = await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    first = await roost.steps.record(run.id, "start", state={"files": 0}, checkpoint=True)
    rest = await roost.steps.record_many(
        run.id,
        [
            NewStep("tool_call", data={"tool": "ls"}),
            NewStep("tool_result", state={"files": 3}, description="three files"),
        ],
    )
    assert [first.number, *(step.number for step in rest)] == [1, 2, 3]
    steps = [step async for step in roost.steps.iterate(run.id, limit=2)]
    assert steps == [first, *rest]
    assert (await roost.steps.list(run.id, checkpoint=True)).items == [first]
    assert (await roost.steps.list(run.id, type=["tool_call", "error"])).items == [rest[0]]
    assert (await roost.steps.get(run.id, 3)).state == {"files": 3}
    assert (await roost.executions.state(run.id)).state == {"files": 3}
    assert (await roost.executions.state(run.id, step=2)).state == {"files": 0}
    assert (await roost.executions.state(run.id, at=first.at)).step == 1
    with pytest.raises(Conflict):
        await roost.executions.rollback(run.id, 1, "try again")
    await roost.executions.complete(run.id)
    back = await roost.executions.rollback(run.id, 1, "try again")
    assert (back.step.number, back.step.type, back.step.state) == (4, "rollback", {"files": 0})
    assert (back.execution.id, back.task) == (run.id, None)
    fork = await roost.executions.fork(run.id, 3, agent="fixer", input="once more")
    assert fork.forked_from is not None
    assert (fork.forked_from.id, fork.forked_from.step) == (run.id, 3)
    assert (fork.status, fork.input) == ("queued", "once more")
    assert (await roost.executions.state(fork.id)).state == {"files": 3}
    assert fork.task_id == task.id


async def test_the_course_of_a_run_is_read_in_order(roost: AsyncRoost) -> None:
    task = await roost.tasks.create("Mend it")
    run = await roost.executions.claim("fixer")
    assert run is not None
    step = await roost.steps.record(run.id, "tool_call", data={"tool": "ls"})
    said = await roost.messages.append(task.id, "Found it.")
    await roost.executions.complete(run.id)
    items = [item async for item in roost.executions.iterate_timeline(run.id, limit=2)]
    assert [item.step for item in items if item.step] == [step]
    assert [item.message for item in items if item.message] == [said]
    ends = [item.event.status for item in items if item.event]
    assert ends[-1] == "completed"
    assert any(item.task_change for item in items)
    assert [item.at for item in items] == sorted(item.at for item in items)
    page = await roost.executions.timeline(run.id, limit=1)
    assert (page.total, page.total_is_exact) == (None, False)


async def test_a_good_run_is_compared_with_a_bad_one(roost: AsyncRoost) -> None:
    runs = []
    for output in ("ok", "no such file"):
        await roost.tasks.create("Mend it")
        run = await roost.executions.claim("fixer")
        assert run is not None
        await roost.steps.record(run.id, "tool_call", data={"tool": "ls"}, state={"n": 1})
        await roost.steps.record(run.id, "tool_result", data={"output": output})
        runs.append(run.id)
    found = await roost.executions.compare(*runs)
    assert found.diverges_at == 2
    assert [step.change for step in found.steps] == ["same", "changed"]
    assert found.steps[1].diff
    assert found.summary.left.tools == found.summary.right.tools == {"ls": 1}
