"""Leases: renewed by heartbeats, lost when nobody renews them, and taken over."""

import asyncio
from typing import Any

import httpx

from roost.executions.leases import expire
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
from tests.executions.test_states import OVERDUE, task_of
from tests.support.house import House


async def test_a_heartbeat_renews_the_lease_and_leaves_the_version(
    alice: httpx.AsyncClient,
) -> None:
    run = await run_of(alice)
    answer = await alice.post(
        f"{API}/executions/{run['id']}/heartbeat",
        json={"leaseSeconds": 600, "usage": {"tokensIn": 5}},
    )
    beat = answer.json()["data"]
    assert beat["leaseExpiresAt"] > run["leaseExpiresAt"]
    assert beat["leaseSeconds"] == 600
    assert beat["usage"]["tokensIn"] == 5
    assert beat["version"] == run["version"]
    again = await alice.post(f"{API}/executions/{run['id']}/heartbeat", json={})
    assert again.json()["data"]["leaseSeconds"] == 600


async def test_a_heartbeat_of_a_cancelled_task_ends_the_run(alice: httpx.AsyncClient) -> None:
    run = await run_of(alice)
    await alice.patch(f"{API}/tasks/{run['taskId']}", json={"status": "cancelled"})
    answer = await alice.post(f"{API}/executions/{run['id']}/heartbeat", json={})
    assert answer.json()["data"]["status"] == "cancelled"
    answer = await alice.post(f"{API}/executions/{run['id']}/heartbeat", json={})
    assert problem(answer) == (409, "EXECUTION_ENDED")


async def test_an_expired_lease_makes_the_run_stale_and_the_task_wait_once(
    alice: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    run = await run_of(alice)
    await expire(house.database)  # what others have left
    await superuser.execute(OVERDUE, run["id"])
    counts = await asyncio.gather(*(expire(house.database) for _ in range(8)))
    assert sum(counts) == 1
    shown = await data(alice, f"/executions/{run['id']}")
    assert shown["status"] == "stale"
    assert shown["error"]["code"] == "LEASE_EXPIRED"
    assert shown["leaseExpiresAt"] is None
    assert shown["finishedAt"] is not None
    assert (await task_of(alice, run))["status"] == "pending"
    again = await claim(alice)
    assert again["taskId"] == run["taskId"]
    assert again["id"] != run["id"]
    assert await claims_nothing(alice)


async def test_a_claim_takes_over_what_is_overdue_without_waiting(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await run_of(alice)
    await superuser.execute(OVERDUE, run["id"])
    again = await claim(alice)
    assert again["taskId"] == run["taskId"]
    assert (await data(alice, f"/executions/{run['id']}"))["status"] == "stale"


async def test_the_run_after_a_stale_one_has_its_input(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    task = await make_task(alice)
    asked = {"taskId": task, "input": {"prompt": "try the other parser"}}
    await alice.post(f"{API}/executions", json=asked)
    first = await claim(alice, taskId=task)
    another = await alice.post(f"{API}/executions", json={"taskId": task, "input": "no more"})
    await patch(alice, another.json()["data"]["id"], status="cancelled")
    await superuser.execute(OVERDUE, first["id"])
    second = await claim(alice, taskId=task)
    assert second["input"] == asked["input"]
    await patch(alice, second["id"], status="failed")
    await alice.patch(f"{API}/tasks/{task}", json={"status": "pending"})
    assert (await claim(alice, taskId=task))["input"] is None


async def test_a_lease_that_runs_out_while_a_step_waits_for_the_run_is_over(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = (await run_of(alice))["id"]
    soon = "update executions set lease_expires_at = clock_timestamp() + interval '1 s'"
    await superuser.execute(f"{soon} where id = $1", run)
    async with superuser.transaction():
        await superuser.execute("select from executions where id = $1 for update", run)
        step = asyncio.create_task(
            alice.post(f"{API}/executions/{run}/steps", json={"type": "message"})
        )
        await superuser.execute("select pg_sleep(1.1)")
        assert not step.done()
    assert problem(await step) == (409, "LEASE_EXPIRED")


async def test_who_has_lost_the_lease_can_do_nothing_more(
    alice: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    run = await run_of(alice)
    await superuser.execute(OVERDUE, run["id"])
    for swept, code in ((False, "LEASE_EXPIRED"), (True, "EXECUTION_ENDED")):
        if swept:
            await expire(house.database)
        beat = await alice.post(f"{API}/executions/{run['id']}/heartbeat", json={})
        assert problem(beat) == (409, code)
        assert beat.json()["status"] == 409
        assert beat.json().get("current") == ("stale" if swept else None)
        step = await alice.post(f"{API}/executions/{run['id']}/steps", json={"type": "message"})
        assert problem(step) == (409, code)
        done = await alice.patch(f"{API}/executions/{run['id']}", json={"status": "completed"})
        assert problem(done)[0] == 409
    # Nor does an expiry touch what somebody has made of the task.
    assert (await task_of(alice, run))["status"] == "pending"


async def test_leases_of_all_workspaces_expire(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, house: House, superuser: Any
) -> None:
    await expire(house.database)
    runs = [await run_of(alice), await run_of(bob)]
    for run in runs:
        await superuser.execute(OVERDUE, run["id"])
    assert await expire(house.database) == 2
    assert await expire(house.database) == 0
    assert [await claims_nothing(alice), await claims_nothing(bob)] == [False, False]
