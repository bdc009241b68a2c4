import asyncio
from typing import Any

import pytest

from tests.mcp.talking import NOBODY, Agent, Place, agent
from tests.support.server import API

pytestmark = pytest.mark.timeout(240)


async def run_of(worker: Agent, **task: Any) -> dict[str, Any]:
    """Make a task and claim it; gives the run."""
    made = await worker.call("create_task", title="Mend it", **task)
    run: dict[str, Any] = await worker.call("claim_task", agent="tester", taskId=made["id"])
    return run


async def test_an_agent_does_a_whole_run_with_tools_alone(place: Place) -> None:
    async with agent(place) as worker:
        task = await worker.call(
            "create_task", title="Mend the fence", labels=["garden"], metadata={"posts": 3}
        )
        run = await worker.call("claim_task", agent="gardener", labels=["garden"])
        assert run["taskId"] == task["id"]
        assert run["task"]["metadata"] == {"posts": 3}
        await worker.call("update_execution", id=run["id"], status="running")
        beat = await worker.call("heartbeat", id=run["id"], leaseSeconds=600)
        assert beat["leaseSeconds"] == 600
        for posts in range(3):
            step = await worker.call(
                "record_step", id=run["id"], type="checkpoint", state={"mended": posts + 1}
            )
            assert step["number"] == posts + 1
        await worker.call("add_message", id=task["id"], role="assistant", text="All three stand.")
        ended = await worker.call("complete_execution", id=run["id"], output={"mended": 3})
        assert (ended["status"], ended["output"]) == ("completed", {"mended": 3})
        state = await worker.call("get_state", id=run["id"], step=2)
        assert (state["step"], state["state"]) == (2, {"mended": 2})
        steps = await worker.page("list_steps", id=run["id"], limit=2)
        assert [step["number"] for step in steps["data"]] == [1, 2]
        rest = await worker.page(
            "list_steps", id=run["id"], limit=2, cursor=steps["pagination"]["nextCursor"]
        )
        assert [step["number"] for step in rest["data"]] == [3]
        assert (await worker.call("get_task", id=task["id"]))["status"] == "completed"
        [message] = await worker.call("list_messages", id=task["id"])
        assert message["text"] == "All three stand."
        [found] = await worker.call("search_tasks", search="fence")
        assert found["id"] == task["id"]
        [listed] = await worker.call("list_executions", task=[task["id"]], status=["completed"])
        assert listed["id"] == run["id"]


async def test_a_run_that_failed_says_why_and_can_put_its_task_back(place: Place) -> None:
    async with agent(place) as worker:
        run = await run_of(worker)
        await worker.call("update_execution", id=run["id"], status="running")
        failed = await worker.call(
            "fail_execution", id=run["id"], error={"message": "no"}, task={"status": "pending"}
        )
        assert (failed["status"], failed["error"]) == ("failed", {"message": "no"})
        task = await worker.call("get_task", id=run["taskId"])
        assert task["status"] == "pending"
        closed = await worker.call("update_task", id=task["id"], status="cancelled")
        assert closed["status"] == "cancelled"


async def test_nothing_to_claim_is_no_error(place: Place) -> None:
    async with agent(place) as worker:
        assert await worker.call("claim_task", agent="idle", labels=["no such label"]) is None


async def test_a_claim_hands_over_the_secrets_and_nothing_else_does(place: Place) -> None:
    secret = "sesame-open-the-gate"  # noqa: S105 -- made up
    with place.server.client(place.token) as owner:
        made = owner.post(f"{API}/environments", json={"name": "gate"}).json()["data"]["id"]
        path = f"{API}/environments/{made}/secrets/WORD"
        assert owner.put(path, json={"value": secret}).status_code < 300
        async with agent(place) as worker:
            run = await run_of(worker, environmentId=made)
            assert run["secrets"] == {"WORD": secret}
            assert run["environment"]["id"] == made
            for answer in (
                await worker.call("get_execution", id=run["id"]),
                await worker.call("heartbeat", id=run["id"]),
                await worker.call("get_task", id=run["taskId"]),
                await worker.call("list_environments"),
            ):
                assert secret not in str(answer)
        trail = f"{API}/workspaces/{run['workspaceId']}/audit?action=secret.revealed"
        [event] = owner.get(trail).json()["data"]
        assert event["target"]["id"] == made
        assert event["details"]["names"] == ["WORD"]
        assert "httpx2" in event["userAgent"]
    assert secret not in place.server.logged


async def test_a_refusal_has_code_detail_hint_and_fields(place: Place) -> None:
    async with agent(place) as worker:
        problem = await worker.refused("create_task", title="")
        assert problem["code"] == "VALIDATION_ERROR"
        assert problem["errors"][0]["field"] == "title"
        assert problem["requestId"]
        run = await run_of(worker)
        await worker.call("complete_execution", id=run["id"])
        problem = await worker.refused("heartbeat", id=run["id"])
        assert problem["code"] == "EXECUTION_ENDED"
        assert problem["detail"]
        task = await worker.call("create_task", title="Stay")
        problem = await worker.refused("update_task", id=task["id"], status="in_review")
        assert problem["code"] == "INVALID_STATE_TRANSITION"
        assert "in_progress" in problem["allowed"]


async def test_an_argument_that_is_unknown_or_missing_is_named(place: Place) -> None:
    async with agent(place) as worker:
        problem = await worker.refused("get_task", taskId=NOBODY)
        assert problem["errors"] == [
            {
                "field": "taskId",
                "message": "is not an argument of get_task; there are id, asOf",
                "code": "unknown",
            }
        ]
        problem = await worker.refused("get_task")
        assert problem["errors"][0] == {"field": "id", "message": "is required", "code": "required"}
        problem = await worker.refused("complete_execution", id=NOBODY, status="failed")
        assert problem["errors"][0]["code"] == "unknown"
        problem = await worker.refused("create_task", title="x", priority="later")
        assert problem["errors"][0]["field"] == "priority"
        assert "urgent" in problem["errors"][0]["message"]


async def test_what_the_database_can_not_hold_is_refused_to_the_model_by_name(
    place: Place,
) -> None:
    async with agent(place) as worker:
        problem = await worker.refused("create_task", title="a\x00b")
        assert problem["errors"][0] == {
            "field": "title",
            "message": "has a NUL character, which text in PostgreSQL can't hold",
            "code": "nul_character",
        }


async def test_the_same_key_changes_nothing_twice(place: Place) -> None:
    async with agent(place) as worker:
        first = await worker.call("create_task", title="Once", idempotencyKey="mcp-once")
        again = await worker.call("create_task", title="Once", idempotencyKey="mcp-once")
        assert again == first
        problem = await worker.refused("create_task", title="Twice", idempotencyKey="mcp-once")
        assert problem["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_a_version_that_has_passed_is_refused_with_the_current_one(place: Place) -> None:
    async with agent(place) as worker:
        task = await worker.call("create_task", title="One")
        await worker.call("update_task", id=task["id"], title="Two", ifVersion=task["version"])
        problem = await worker.refused(
            "update_task", id=task["id"], title="Three", ifVersion=task["version"]
        )
        assert problem["code"] == "PRECONDITION_FAILED"
        assert problem["currentVersion"] == task["version"] + 1


async def test_concurrent_calls_of_many_agents_share_the_work_without_doubles(
    place: Place,
) -> None:
    async with agent(place) as maker:
        await asyncio.gather(
            *(maker.call("create_task", title=f"{n}", labels=["shared"]) for n in range(24))
        )

    async def work() -> list[str]:
        claimed = []
        async with agent(place) as worker:
            while run := await worker.call("claim_task", agent="many", labels=["shared"]):
                claimed.append(run["taskId"])
                await worker.call("complete_execution", id=run["id"])
        return claimed

    done = await asyncio.gather(*(work() for _ in range(4)))
    every = [task for claimed in done for task in claimed]
    assert len(every) == len(set(every)) == 24
