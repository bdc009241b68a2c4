"""The states of a run: transitions, leases, heartbeats, and what the task learns of them."""

import asyncio
from typing import Any

import httpx
import pytest

from roost.executions.model import TRANSITIONS
from roost.executions.tables import ENDED, LIVE, STATUSES
from tests.executions.talking import (
    API,
    claim,
    claims_nothing,
    data,
    make_task,
    patch,
    problem,
    record,
    run_of,
)
from tests.support.house import House

OVERDUE = "update executions set lease_expires_at = now() - interval '1 second' where id = $1"


async def task_of(client: httpx.AsyncClient, run: dict[str, Any]) -> dict[str, Any]:
    task: dict[str, Any] = await data(client, f"/tasks/{run['taskId']}")
    return task


def test_every_state_has_its_transitions_and_what_has_ended_has_none() -> None:
    assert set(TRANSITIONS) == set(STATUSES)
    assert all(not TRANSITIONS[status] for status in ENDED)
    assert all({"failed", "cancelled", "stale"} <= TRANSITIONS[status] for status in LIVE)


@pytest.mark.parametrize("wanted", STATUSES)
@pytest.mark.parametrize(
    "path", [(), ("running",), ("awaiting_input",), ("completed",), ("failed",)]
)
async def test_only_the_table_s_transitions_are_made(
    alice: httpx.AsyncClient, path: tuple[str, ...], wanted: str
) -> None:
    run = await run_of(alice)
    current = "starting"
    for status in path:
        current = (await patch(alice, run["id"], status=status))["status"]
    answer = await alice.patch(f"{API}/executions/{run['id']}", json={"status": wanted})
    allowed = TRANSITIONS[current] - {"stale"}
    if wanted == current or wanted in allowed:
        assert answer.json()["data"]["status"] == wanted
    else:
        assert problem(answer) == (409, "INVALID_STATE_TRANSITION")
        assert answer.json()["allowed"] == sorted(allowed)
        assert (await data(alice, f"/executions/{run['id']}"))["status"] == current


async def test_a_run_that_ends_takes_its_task_along_with_the_results(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    pull_request = {"number": 7, "url": "https://example.test/7"}
    done = await patch(
        alice,
        run["id"],
        status="completed",
        output={"summary": "mended", "ratio": 0.10},
        usage={"tokensIn": 1200, "tokensOut": 340, "cost": 0.0125},
        traceId="0af7651916cd43dd8448eb211c80319c",
        task={
            "branch": "agent/7",
            "hasChanges": True,
            "pullRequest": pull_request,
            "statusMessage": "Mended",
        },
    )
    assert done["status"] == "completed"
    assert done["output"] == {"summary": "mended", "ratio": 0.1}
    assert done["usage"] == {"tokensIn": 1200, "tokensOut": 340, "cost": 0.0125}
    assert done["finishedAt"] >= done["startedAt"]
    assert done["leaseExpiresAt"] is None
    task = await task_of(alice, run)
    assert task["status"] == "completed"
    assert task["completedAt"] is not None
    assert (task["branch"], task["hasChanges"], task["statusMessage"]) == (
        "agent/7",
        True,
        "Mended",
    )
    assert task["pullRequest"]["number"] == 7


@pytest.mark.parametrize(
    ("status", "wanted"),
    [("awaiting_input", "blocked"), ("failed", "failed"), ("cancelled", "cancelled")],
)
async def test_a_task_follows_its_run(alice: httpx.AsyncClient, status: str, wanted: str) -> None:
    run = await run_of(alice)
    await patch(alice, run["id"], status=status)
    assert (await task_of(alice, run))["status"] == wanted


async def test_the_agent_may_name_another_status_for_the_task(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await patch(alice, run["id"], status="completed", task={"status": "in_review"})
    assert (await task_of(alice, run))["status"] == "in_review"


async def test_a_failed_run_tells_the_task_why(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await patch(alice, run["id"], status="failed", error={"code": "E", "message": "tests fail"})
    assert (await task_of(alice, run))["statusMessage"] == "tests fail"


async def test_what_somebody_made_of_the_task_meanwhile_stands(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await alice.patch(f"{API}/tasks/{run['taskId']}", json={"status": "cancelled"})
    await patch(alice, run["id"], status="completed")
    assert (await task_of(alice, run))["status"] == "cancelled"


async def test_a_refused_change_of_the_task_changes_nothing_of_the_run(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    answer = await alice.patch(
        f"{API}/executions/{run['id']}",
        json={"status": "completed", "task": {"pullRequest": {"number": "seven"}}},
    )
    assert problem(answer) == (400, "VALIDATION_ERROR")
    assert (await data(alice, f"/executions/{run['id']}"))["status"] == "starting"


async def test_members_who_hold_no_lease_may_only_cancel(
    alice: httpx.AsyncClient, carol: httpx.AsyncClient
) -> None:
    run = await run_of(alice)
    place = f"{API}/executions/{run['id']}"
    assert problem(await carol.post(f"{place}/heartbeat", json={})) == (403, "NOT_THE_CLAIMANT")
    assert problem(await carol.patch(place, json={"output": 1})) == (403, "NOT_THE_CLAIMANT")
    step = await carol.post(f"{place}/steps", json={"type": "message"})
    assert problem(step) == (403, "NOT_THE_CLAIMANT")
    assert (await record(carol, run["id"], type="manual", data="look here"))["number"] == 1
    cancelled = await carol.patch(place, json={"status": "cancelled"})
    assert cancelled.json()["data"]["status"] == "cancelled"


async def test_another_tenant_s_run_is_not_found(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    run = await run_of(alice)
    place = f"{API}/executions/{run['id']}"
    answers = [
        await bob.get(place),
        await bob.patch(place, json={"status": "cancelled"}),
        await bob.post(f"{place}/heartbeat", json={}),
        await bob.post(f"{place}/steps", json={"type": "message"}),
        await bob.get(f"{place}/steps"),
        await bob.get(f"{place}/state"),
        await bob.post(f"{place}/fork", json={"step": 1}),
        await bob.post(f"{place}/rollback", json={"step": 1, "reason": "x"}),
    ]
    assert {problem(answer) for answer in answers} == {(404, "EXECUTION_NOT_FOUND")}
    assert await data(bob, "/executions") == []


async def test_a_stale_etag_changes_nothing(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    place = f"{API}/executions/{run['id']}"
    tag = (await alice.get(place)).headers["etag"]
    await patch(alice, run["id"], status="running")
    refused = await alice.patch(place, json={"output": 1}, headers={"if-match": tag})
    assert problem(refused) == (412, "PRECONDITION_FAILED")


async def test_a_queued_run_is_started_by_who_reports_on_it(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task, "agent": "own"})
    run = made.json()["data"]["id"]
    started = await patch(alice, run, status="running", leaseSeconds=10)
    assert (started["status"], started["leaseSeconds"]) == ("running", 10)
    assert (await data(alice, f"/tasks/{task}"))["status"] == "in_progress"
    other = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": other})
    run = made.json()["data"]["id"]
    assert (await record(alice, run))["number"] == 1
    assert (await data(alice, f"/executions/{run}"))["status"] == "running"


async def test_a_queued_run_of_a_task_at_rest_is_not_started(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice, status="paused")
    made = await alice.post(f"{API}/executions", json={"taskId": task})
    run = made.json()["data"]["id"]
    assert await claims_nothing(alice)
    answer = await alice.patch(f"{API}/executions/{run}", json={"status": "starting"})
    assert problem(answer) == (409, "TASK_NOT_CLAIMABLE")
    answer = await alice.patch(f"{API}/executions/{run}", json={"output": 3})
    assert problem(answer) == (409, "EXECUTION_NOT_CLAIMED")
    assert (await patch(alice, run, status="cancelled"))["status"] == "cancelled"
    assert (await data(alice, f"/tasks/{task}"))["status"] == "paused"


async def test_runs_are_listed_by_what_they_are(alice: httpx.AsyncClient, house: House) -> None:
    first, second = await run_of(alice), await run_of(alice)
    await patch(alice, first["id"], status="failed")
    me = str(house.people.known["alice"].user_id)

    async def ids(**query: Any) -> list[str]:
        return [run["id"] for run in await data(alice, "/executions", **query)]

    assert await ids() == [second["id"], first["id"]]
    assert await ids(sort="createdAt") == [first["id"], second["id"]]
    assert await ids(status="failed,stale") == [first["id"]]
    assert await ids(task=second["taskId"]) == [second["id"]]
    assert await ids(agent="nobody") == []
    assert await ids(claimedBy=me, limit=1) == [second["id"]]
    assert await ids(createdAfter=first["createdAt"]) == [second["id"]]
    refused = await alice.get(f"{API}/executions", params={"status": "gone"})
    assert problem(refused) == (400, "VALIDATION_ERROR")


async def test_a_run_goes_with_its_task(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await record(alice, run["id"], state={"a": 1})
    assert (await alice.delete(f"{API}/tasks/{run['taskId']}")).status_code == 204
    gone = await alice.get(f"{API}/executions/{run['id']}")
    assert problem(gone) == (404, "EXECUTION_NOT_FOUND")


async def test_to_cancel_a_run_that_waits_leaves_the_one_at_work_alone(
    alice: httpx.AsyncClient, carol: httpx.AsyncClient
) -> None:
    run = await run_of(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": run["taskId"]})
    await patch(carol, made.json()["data"]["id"], status="cancelled")
    assert (await task_of(alice, run))["status"] == "in_progress"
    beat = await alice.post(f"{API}/executions/{run['id']}/heartbeat")
    assert beat.status_code == 200, beat.text
    assert beat.json()["data"]["status"] == "starting"


async def test_the_same_end_told_twice_is_told_once(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    place = f"{API}/executions/{run['id']}"
    told = {"status": "completed", "output": {"a": 1.0, "b": 2}, "usage": {"tokensIn": 3}}
    first = await patch(alice, run["id"], **told)
    assert await patch(alice, run["id"], **told) == first
    for other in ({"output": {"a": 2}}, {"usage": {"tokensIn": 4}}, {"error": "x"}):
        answer = await alice.patch(place, json=told | other)
        assert problem(answer) == (409, "EXECUTION_ENDED")


@pytest.mark.parametrize("error", ["1e400", '{"message": "why", "n": 1e400}', "1e-400", '"x"'])
async def test_an_error_may_be_any_json(alice: httpx.AsyncClient, error: str) -> None:
    run = await run_of(alice)
    answer = await alice.patch(
        f"{API}/executions/{run['id']}",
        content=f'{{"status": "failed", "error": {error}}}',
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    wanted = {'{"message": "why", "n": 1e400}': "why", '"x"': "x"}.get(error)
    assert (await task_of(alice, run))["statusMessage"] == wanted


async def test_a_remark_neither_claims_nor_moves_a_run(
    alice: httpx.AsyncClient, carol: httpx.AsyncClient
) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task, "agent": "reviewer"})
    run = made.json()["data"]["id"]
    await record(carol, run, type="manual", data="see the logs")
    assert (await data(alice, f"/executions/{run}"))["status"] == "queued"
    taken = await claim(alice, agent="reviewer")
    assert (taken["id"], taken["stepCount"]) == (run, 1)
    await record(carol, run, type="manual", data="and these")
    assert (await data(alice, f"/executions/{run}"))["status"] == "starting"


async def test_who_starts_a_run_by_hand_is_whom_it_is_for(
    alice: httpx.AsyncClient, carol: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task, "agent": "reviewer"})
    place = f"{API}/executions/{made.json()['data']['id']}"
    other = await carol.patch(place, json={"status": "running", "agent": "writer"})
    assert problem(other) == (409, "TASK_NOT_CLAIMABLE")
    me = house.people.known["alice"]
    await superuser.execute(
        "insert into users (id, email) values ($1, 'me@example.test')", me.user_id
    )
    await superuser.execute(
        "insert into workspaces (id, slug, name, created_by) values ($1, 'mine', 'x', $2)",
        me.workspace_id,
        me.user_id,
    )
    await superuser.execute(
        "insert into memberships (workspace_id, id, user_id, role)"
        " values ($1, gen_random_uuid(), $2, 'owner')",
        me.workspace_id,
        me.user_id,
    )
    await alice.patch(f"{API}/tasks/{task}", json={"assigneeId": str(me.user_id)})
    assert problem(await carol.patch(place, json={"status": "running"}))[0] == 409
    assert (await alice.patch(place, json={"status": "running"})).status_code == 200


async def test_steps_and_reports_on_a_queued_run_do_not_deadlock(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    before = await superuser.fetchval(deadlocks)
    for _ in range(8):
        task = await make_task(alice)
        made = await alice.post(f"{API}/executions", json={"taskId": task})
        place = f"{API}/executions/{made.json()['data']['id']}"
        answers = await asyncio.gather(
            *(alice.post(f"{place}/steps", json={"type": "message"}) for _ in range(2)),
            *(alice.patch(place, json={"status": "running"}) for _ in range(3)),
        )
        assert {answer.status_code for answer in answers} <= {200, 201}
    await superuser.execute("select pg_stat_force_next_flush()")
    assert await superuser.fetchval(deadlocks) == before


async def test_the_lease_alone_can_be_renewed_by_who_holds_it(
    alice: httpx.AsyncClient, carol: httpx.AsyncClient
) -> None:
    run = await run_of(alice)
    answer = await carol.patch(f"{API}/executions/{run['id']}", json={"leaseSeconds": 3600})
    assert problem(answer) == (403, "NOT_THE_CLAIMANT")
    renewed = await patch(alice, run["id"], leaseSeconds=3600)
    assert renewed["leaseSeconds"] == 3600
    assert renewed["leaseExpiresAt"] > run["leaseExpiresAt"]


async def test_a_run_begun_by_hand_has_the_environment_of_its_task(
    alice: httpx.AsyncClient,
) -> None:
    task = await make_task(alice)
    queued = await alice.post(f"{API}/executions", json={"taskId": task})
    made = await alice.post(f"{API}/environments", json={"name": "new"})
    environment = made.json()["data"]["id"]
    await alice.patch(f"{API}/tasks/{task}", json={"environmentId": environment})
    begun = await patch(alice, queued.json()["data"]["id"], status="running")
    assert begun["environmentId"] == environment
