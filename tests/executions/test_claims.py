"""Claims: what waits is leased to one claimant, in the right order, with its secrets."""

import asyncio
from collections import Counter
from typing import Any

import httpx

from tests.executions.talking import (
    API,
    claim,
    claims_nothing,
    data,
    make_task,
    patch,
    problem,
    run_of,
)
from tests.support.house import House
from tests.support.waiting import until_others_wait


async def test_a_claim_leases_the_task_and_moves_it_on(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice, title="Fix the login")
    answer = await alice.post(
        f"{API}/executions/claim",
        json={"agent": "fixer", "agentVersion": "1.2", "leaseSeconds": 30},
    )
    assert answer.status_code == 201
    assert answer.headers["roost-txid"].isdigit()
    run = answer.json()["data"]
    assert answer.headers["location"] == f"{API}/executions/{run['id']}"
    assert answer.headers["cache-control"] == "no-store"
    assert (run["taskId"], run["agent"], run["agentVersion"]) == (task, "fixer", "1.2")
    assert run["status"] == "starting"
    assert run["leaseSeconds"] == 30
    assert run["leaseExpiresAt"] > run["startedAt"]
    assert run["task"]["title"] == "Fix the login"
    assert run["task"]["status"] == "in_progress"
    assert run["environment"] is None
    assert run["secrets"] == {}
    assert (await data(alice, f"/tasks/{task}"))["status"] == "in_progress"
    shown = await data(alice, f"/executions/{run['id']}")
    assert shown == {key: run[key] for key in shown}


async def test_a_run_is_of_the_trace_that_the_claim_was_made_in(alice: httpx.AsyncClient) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    for body, wanted in (({}, trace), ({"traceId": "1" * 32}, "1" * 32)):
        await make_task(alice)
        answer = await alice.post(
            f"{API}/executions/claim", json={"agent": "t", **body}, headers=headers
        )
        assert answer.json()["data"]["traceId"] == wanted


async def test_when_nothing_waits_a_claim_is_empty(alice: httpx.AsyncClient) -> None:
    answer = await alice.post(f"{API}/executions/claim", json={"agent": "fixer"})
    assert answer.status_code == 204
    assert answer.content == b""


async def test_the_most_urgent_then_the_oldest_comes_first(alice: httpx.AsyncClient) -> None:
    wanted = []
    for priority in ("urgent", "high", "medium", "low"):
        wanted += [f"{priority} {number}" for number in (1, 2)]
    for priority in ("low", "urgent", "medium", "high"):
        for number in (1, 2):
            await make_task(alice, title=f"{priority} {number}", priority=priority)
    claimed = [(await claim(alice))["task"]["title"] for _ in wanted]
    assert claimed == wanted
    assert await claims_nothing(alice)


async def test_only_what_fits_is_claimed(alice: httpx.AsyncClient, house: House) -> None:
    made = await alice.post(f"{API}/environments", json={"name": "backend"})
    environment = made.json()["data"]["id"]
    await make_task(alice, title="elsewhere")
    here = await make_task(
        alice, title="here", environmentId=environment, labels=["python", "small"]
    )
    assert await claims_nothing(alice, environmentId=environment, labels=["rust"])
    run = await claim(alice, environmentId=environment, labels=["small"])
    assert run["taskId"] == here
    assert run["environment"]["name"] == "backend"
    assert run["environmentId"] == environment
    mine = str(house.people.known["alice"].user_id)
    assert run["claimedBy"] == mine


async def test_a_task_that_is_not_pending_is_left_alone(alice: httpx.AsyncClient) -> None:
    await make_task(alice, status="paused")
    await make_task(alice, status="blocked")
    await make_task(alice, archivedAt="2026-01-01T00:00:00Z")
    assert await claims_nothing(alice)


async def test_a_claim_sees_its_own_workspace_only(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    task = await make_task(alice)
    assert await claims_nothing(bob)
    answer = await bob.post(f"{API}/executions/claim", json={"agent": "b", "taskId": task})
    assert problem(answer) == (404, "TASK_NOT_FOUND")
    assert (await claim(alice))["taskId"] == task


async def test_two_runs_of_a_task_are_never_live_at_once(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    first = await claim(alice)
    queued = await alice.post(f"{API}/executions", json={"taskId": task})
    assert queued.status_code == 201
    assert queued.json()["data"]["status"] == "queued"
    waiting = queued.json()["data"]["id"]
    assert await claims_nothing(alice)
    started = await alice.patch(f"{API}/executions/{waiting}", json={"status": "running"})
    assert problem(started) == (409, "TASK_NOT_CLAIMABLE")
    # Not even when somebody says that the task waits again.
    await alice.patch(f"{API}/tasks/{task}", json={"status": "pending"})
    assert await claims_nothing(alice)
    await patch(alice, first["id"], status="failed", error={"message": "no luck"})
    assert (await claim(alice))["id"] == waiting


async def test_a_queued_run_is_claimed_by_the_agent_it_is_for(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    made = await alice.post(
        f"{API}/executions",
        json={"taskId": task, "agent": "reviewer", "input": {"depth": 1.50, "big": 10**30}},
    )
    assert made.status_code == 201
    assert await claims_nothing(alice, agent="writer")
    run = await claim(alice, agent="reviewer")
    assert run["id"] == made.json()["data"]["id"]
    assert run["input"] == {"depth": 1.5, "big": 10**30}


async def test_of_equal_priority_what_was_queued_on_purpose_comes_first(
    alice: httpx.AsyncClient,
) -> None:
    await make_task(alice, title="older")
    queued = await make_task(alice, title="queued")
    urgent = await make_task(alice, title="urgent", priority="urgent")
    await alice.post(f"{API}/executions", json={"taskId": queued})
    titles = [(await claim(alice))["task"]["title"] for _ in range(3)]
    assert titles == ["urgent", "queued", "older"]
    del urgent


async def test_a_run_of_a_missing_task_is_refused(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient
) -> None:
    theirs = await make_task(bob)
    for task in (theirs, "00000000-0000-7000-8000-000000000000"):
        refused = await alice.post(f"{API}/executions", json={"taskId": task})
        assert problem(refused) == (404, "TASK_NOT_FOUND")


async def test_fifty_claimers_share_the_work_without_doubles(alice: httpx.AsyncClient) -> None:
    batch = [{"op": "create", "task": {"title": f"task {number}"}} for number in range(150)]
    await alice.post(f"{API}/tasks/batch", json={"operations": batch})

    async def work() -> list[str]:
        done: list[str] = []
        while True:
            answer = await alice.post(f"{API}/executions/claim", json={"agent": "one of many"})
            if answer.status_code == 204:
                return done
            done.append(answer.json()["data"]["taskId"])

    claimed = Counter(
        task for done in await asyncio.gather(*(work() for _ in range(50))) for task in done
    )
    assert len(claimed) == 150
    assert set(claimed.values()) == {1}


async def test_a_claim_goes_on_to_the_next_task_when_a_run_of_the_first_was_just_begun(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    urgent = await make_task(alice, priority="urgent")
    other = await make_task(alice)
    async with superuser.transaction():
        # As nobody does it here: without the lock of the task, after the search has looked.
        await superuser.execute(
            "insert into executions"
            " (workspace_id, id, task_id, status, lease_seconds, lease_expires_at)"
            " select workspace_id, gen_random_uuid(), id, 'running', 60, now() + interval '1 hour'"
            " from tasks where id = $1",
            urgent,
        )
        claiming = asyncio.create_task(claim(alice))
        await until_others_wait(superuser)
    assert (await claiming)["taskId"] == other
    assert (await data(alice, f"/tasks/{urgent}"))["status"] == "pending"
    assert await claims_nothing(alice)


async def test_a_queued_run_is_claimed_when_the_task_before_it_is_just_being_taken(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    urgent = await make_task(alice, priority="urgent")
    task = await make_task(alice)
    await alice.post(f"{API}/executions", json={"taskId": task})
    async with superuser.transaction():
        await superuser.execute("select from tasks where id = $1 for no key update", urgent)
        assert (await claim(alice))["taskId"] == task


async def test_claims_at_once_get_the_queued_run_and_the_waiting_tasks(
    alice: httpx.AsyncClient,
) -> None:
    for _ in range(25):
        tasks = [await make_task(alice) for _ in range(8)]
        made = await alice.post(f"{API}/executions", json={"taskId": tasks[-1]})
        assert made.status_code == 201, made.text
        got = await asyncio.gather(*(claim(alice) for _ in tasks))
        assert sorted(run["taskId"] for run in got) == sorted(tasks)


async def test_each_of_as_many_claimers_as_tasks_gets_one_at_once(
    alice: httpx.AsyncClient,
) -> None:
    for number in range(20):
        await make_task(alice, title=f"task {number}")
    runs = await asyncio.gather(*(claim(alice) for _ in range(20)))
    assert len({run["taskId"] for run in runs}) == 20


async def test_a_claim_that_found_nothing_leaves_its_key_unused(
    alice: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    headers = {"idempotency-key": "a poll"}
    body = {"agent": "tester"}
    empty = await alice.post(f"{API}/executions/claim", json=body, headers=headers)
    assert empty.status_code == 204
    mine = house.people.known["alice"].workspace_id
    count = "select count(*) from idempotency_keys where workspace_id = $1"
    assert await superuser.fetchval(count, mine) == 0
    await make_task(alice)
    got = await alice.post(f"{API}/executions/claim", json=body, headers=headers)
    assert got.status_code == 201


async def test_viewers_claim_nothing(alice: httpx.AsyncClient, house: House) -> None:
    await make_task(alice)
    refused = await house.client("victor").post(f"{API}/executions/claim", json={"agent": "v"})
    assert problem(refused) == (403, "FORBIDDEN")


async def test_bad_claims_are_refused_by_field(alice: httpx.AsyncClient) -> None:
    for body, field in (
        ({}, "agent"),
        ({"agent": ""}, "agent"),
        ({"agent": "a", "leaseSeconds": 0}, "leaseSeconds"),
        ({"agent": "a", "leaseSeconds": 86_401}, "leaseSeconds"),
        ({"agent": "a", "labels": ["x", 3]}, "labels[1]"),
        ({"agent": "a", "environmentId": "nope"}, "environmentId"),
        ({"agent": "a", "traceId": "xyz"}, "traceId"),
        ({"agent": "a", "lease": 3}, "lease"),
    ):
        refused = await alice.post(f"{API}/executions/claim", json=body)
        assert problem(refused)[0] == 400, refused.text
        assert refused.json()["errors"][0]["field"] == field, refused.text


async def test_a_queued_run_goes_where_its_task_s_priority_goes(alice: httpx.AsyncClient) -> None:
    first, second = await make_task(alice, title="first"), await make_task(alice, title="second")
    for task in (first, second):
        await alice.post(f"{API}/executions", json={"taskId": task})
    await alice.patch(f"{API}/tasks/{second}", json={"priority": "urgent"})
    assert [(await claim(alice))["task"]["title"] for _ in range(2)] == ["second", "first"]


async def test_a_run_that_waits_is_cancelled_with_its_task(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task})
    await alice.patch(f"{API}/tasks/{task}", json={"status": "cancelled"})
    run = await data(alice, f"/executions/{made.json()['data']['id']}")
    assert run["status"] == "cancelled"
    assert run["finishedAt"] is not None


async def test_a_claim_does_not_read_the_queue(
    alice: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    """Also when its plans were made while there was little to read."""
    mine = house.people.known["alice"].workspace_id
    for _ in range(10):
        await run_of(alice)
    await superuser.execute(
        "insert into tasks (workspace_id, id, title) select $1, gen_random_uuid(), 'waits ' || i"
        " from generate_series(1, 5000) i",
        mine,
    )
    await superuser.execute("analyze tasks")
    for queued in range(2):
        if queued:
            task = await make_task(alice)
            await alice.post(f"{API}/executions", json={"taskId": task, "agent": "another"})
        before = await _rows_read(superuser)
        for _ in range(3):
            await claim(alice)
        assert await _rows_read(superuser) - before < 1000


async def _rows_read(superuser: Any) -> int:
    """Give how many rows of tasks were read so far, however."""
    await superuser.execute("select pg_stat_force_next_flush()")
    found = 0
    for _ in range(200):
        seen = await superuser.fetchval(
            "select seq_tup_read + idx_tup_fetch from pg_stat_user_tables where relname = 'tasks'"
        )
        if found == seen and found:
            break
        found = int(seen)
        await superuser.execute("select pg_sleep(0.02), pg_stat_clear_snapshot()")
    return found
