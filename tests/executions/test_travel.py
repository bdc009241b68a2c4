"""Forks and rollbacks: a new run from a step, or the same run back to a checkpoint."""

from typing import Any

import httpx
import pytest

from roost.history.restore import tick_of_now
from tests.executions.talking import (
    API,
    claim,
    data,
    make_task,
    patch,
    problem,
    record,
    run_of,
)
from tests.support.house import House


async def recorded(client: httpx.AsyncClient, **task: Any) -> dict[str, Any]:
    """Make a run of four steps, of which the second is a checkpoint."""
    run = await run_of(client, **task)
    await record(client, run["id"], type="start", state={"n": 1})
    await record(client, run["id"], type="checkpoint", state={"n": 2, "plan": ["a", "b"]})
    await record(client, run["id"], type="tool_call", data={"tool": "bash"})
    await record(client, run["id"], type="error", state={"n": 4})
    return run


async def fork(client: httpx.AsyncClient, run: str, **body: Any) -> dict[str, Any]:
    answer = await client.post(f"{API}/executions/{run}/fork", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"].endswith(answer.json()["data"]["id"])
    forked: dict[str, Any] = answer.json()["data"]
    return forked


async def test_a_fork_begins_with_the_state_at_its_step(alice: httpx.AsyncClient) -> None:
    run = await recorded(alice)
    await patch(alice, run["id"], status="failed")
    forked = await fork(alice, run["id"], step=3)
    assert forked["status"] == "queued"
    assert forked["taskId"] == run["taskId"]
    assert forked["forkedFrom"] == {"id": run["id"], "step": 3}
    state = await data(alice, f"/executions/{forked['id']}/state")
    assert state["state"] == {"n": 2, "plan": ["a", "b"]}
    taken = await claim(alice, taskId=run["taskId"])
    assert taken["id"] == forked["id"]
    assert taken["stepCount"] == 1
    step = await record(alice, forked["id"], state={"n": 3})
    assert step["number"] == 2
    # Nothing of it is seen in the origin.
    assert (await data(alice, f"/executions/{run['id']}"))["stepCount"] == 4
    assert [found["id"] for found in await data(alice, "/executions", forkedFrom=run["id"])] == [
        forked["id"]
    ]


async def test_a_fork_of_a_live_run_waits_until_it_ends(alice: httpx.AsyncClient) -> None:
    run = await recorded(alice)
    forked = await fork(alice, run["id"], step=1, agent="other", input={"try": 2})
    assert forked["input"] == {"try": 2}
    answer = await alice.post(f"{API}/executions/claim", json={"agent": "other"})
    assert answer.status_code == 204
    await patch(alice, run["id"], status="completed")
    assert (await claim(alice, agent="other"))["id"] == forked["id"]


async def test_a_fork_keeps_the_input_unless_another_is_given(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task, "input": {"try": 1}})
    run = made.json()["data"]["id"]
    await record(alice, run)
    assert (await fork(alice, run, step=1))["input"] == {"try": 1}
    assert (await fork(alice, run, step=1, input=None))["input"] is None
    state = await data(alice, f"/executions/{(await fork(alice, run, step=1))['id']}/state")
    assert state["state"] is None


async def test_a_fork_from_a_missing_step_is_refused(alice: httpx.AsyncClient) -> None:
    run = await recorded(alice)
    answer = await alice.post(f"{API}/executions/{run['id']}/fork", json={"step": 5})
    assert problem(answer) == (404, "STEP_NOT_FOUND")
    answer = await alice.post(f"{API}/executions/{run['id']}/fork", json={"step": 0})
    assert problem(answer) == (400, "VALIDATION_ERROR")


async def rollback(client: httpx.AsyncClient, run: str, **body: Any) -> httpx.Response:
    return await client.post(f"{API}/executions/{run}/rollback", json={"reason": "why", **body})


async def test_a_rollback_brings_the_state_back_and_keeps_what_it_abandons(
    alice: httpx.AsyncClient,
) -> None:
    run = await recorded(alice)
    await patch(alice, run["id"], status="failed")
    answer = await rollback(alice, run["id"], step=2, reason="the plan was fine")
    assert answer.status_code == 200, answer.text
    done = answer.json()["data"]
    assert done["step"]["number"] == 5
    assert done["step"]["type"] == "rollback"
    assert done["step"]["description"] == "the plan was fine"
    assert done["step"]["data"] == {"to": 2, "reason": "the plan was fine", "includeTask": False}
    assert done["step"]["createdBy"] is not None
    assert done["step"]["state"] == {"n": 2, "plan": ["a", "b"]}
    assert done["task"] is None
    assert done["execution"]["status"] == "failed"
    assert done["execution"]["stepCount"] == 5
    assert (await data(alice, f"/executions/{run['id']}/state"))["state"] == done["step"]["state"]
    assert (await data(alice, f"/executions/{run['id']}/steps/4"))["state"] == {"n": 4}
    # It is itself a checkpoint, and can be undone by going back further or forth.
    assert (await rollback(alice, run["id"], step=5)).status_code == 200


@pytest.mark.parametrize("status", ["starting", "running", "awaiting_input", "queued"])
async def test_a_run_that_has_not_ended_is_not_rolled_back(
    alice: httpx.AsyncClient, status: str
) -> None:
    run = await recorded(alice)
    if status == "queued":
        run = await fork(alice, run["id"], step=2)
    elif status != "starting":
        await patch(alice, run["id"], status=status)
    answer = await rollback(alice, run["id"], step=1)
    assert problem(answer) == (409, "EXECUTION_LIVE")


async def test_only_a_checkpoint_of_the_run_itself_is_gone_back_to(
    alice: httpx.AsyncClient,
) -> None:
    run, other = await run_of(alice), await recorded(alice)
    await record(alice, run["id"])
    for each in (run, other):
        await patch(alice, each["id"], status="completed")
    assert problem(await rollback(alice, run["id"], step=1)) == (409, "NOT_A_CHECKPOINT")
    assert problem(await rollback(alice, run["id"], step=2)) == (404, "STEP_NOT_FOUND")
    answer = await rollback(alice, other["id"], step=2, reason="")
    assert problem(answer) == (400, "VALIDATION_ERROR")


async def test_a_rollback_with_its_task_brings_task_and_messages_back(
    alice: httpx.AsyncClient, house: House
) -> None:
    run = await run_of(alice, title="As it was", labels=["one"])
    place = f"/tasks/{run['taskId']}"
    await alice.post(f"{API}{place}/messages", json={"text": "before"})
    await record(alice, run["id"], type="checkpoint", state={"n": 1})
    await tick_of_now(house.database)
    await alice.patch(f"{API}{place}", json={"title": "Changed", "labels": []})
    await alice.post(f"{API}{place}/messages", json={"text": "after"})
    await patch(alice, run["id"], status="failed")
    answer = await rollback(alice, run["id"], step=1, includeTask=True)
    assert answer.status_code == 200, answer.text
    task = answer.json()["data"]["task"]
    assert (task["title"], task["labels"], task["status"]) == ("As it was", ["one"], "pending")
    messages = await data(alice, f"{place}/messages")
    assert [message["text"] for message in messages] == ["before"]


async def test_what_is_said_right_after_the_checkpoint_goes_with_what_came_after(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    place = f"/tasks/{run['taskId']}"
    await alice.post(f"{API}{place}/messages", json={"text": "before"})
    await record(alice, run["id"], type="checkpoint", state={"n": 1})
    # No tick is made between the two: one and the same sees both.
    await alice.post(f"{API}{place}/messages", json={"text": "after"})
    await patch(alice, run["id"], status="failed")
    answer = await rollback(alice, run["id"], step=1, includeTask=True)
    assert answer.status_code == 200, answer.text
    messages = await data(alice, f"{place}/messages")
    assert [message["text"] for message in messages] == ["before"]


async def test_a_task_that_another_run_is_at_work_on_does_not_go_back(
    alice: httpx.AsyncClient,
) -> None:
    run = await recorded(alice)
    await patch(alice, run["id"], status="failed")
    await alice.patch(f"{API}/tasks/{run['taskId']}", json={"status": "pending"})
    await claim(alice, taskId=run["taskId"])
    answer = await rollback(alice, run["id"], step=2, includeTask=True)
    assert problem(answer) == (409, "EXECUTION_LIVE")
    assert (await rollback(alice, run["id"], step=2)).status_code == 200


async def test_to_put_the_task_back_takes_the_right_to_change_tasks(
    alice: httpx.AsyncClient, house: House
) -> None:
    run = await recorded(alice)
    await patch(alice, run["id"], status="failed")
    mine = house.people.known["alice"].workspace_id
    house.people.add("narrow", workspace_id=mine, scopes=["executions:write"])
    answer = await rollback(house.client("narrow"), run["id"], step=2, includeTask=True)
    assert problem(answer) == (403, "FORBIDDEN")
