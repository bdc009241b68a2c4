"""Executions in the whole application: followed live, expired by themselves, kept by a restore."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import httpx
import pytest

from roost.app import Application, running
from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from roost.settings import Settings
from tests.executions.talking import API, claim, claims_nothing, data, make_task, patch, record
from tests.support.schema import as_role, pool_config
from tests.support.waiting import until_others_wait
from tests.sync.follower import Follower

CLAIMED = "$1, $2, gen_random_uuid(), 'a', null, null, null, null, 60, null"


class Home:
    """A server with one user, and a way past it."""

    def __init__(self, client: httpx.AsyncClient, beside: Any) -> None:
        self.client, self.beside = client, beside

    async def catch_up(self, *followers: Follower) -> None:
        """Have the followers see all that was committed."""
        tick = await self.beside.fetchval("select journal.make_tick()")
        for follower in followers:
            await follower.catch_up((int(tick) << 20) | ((1 << 20) - 1))


@pytest.fixture
async def home(fresh_roost_database: str) -> AsyncIterator[Home]:
    """The application on a database of its own."""
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    beside = await asyncpg.connect(fresh_roost_database)
    settings = Settings.from_environment({})
    with TemporaryDirectory() as directory:
        pool = pool_config(fresh_roost_database)
        application = Application(settings, pool, Path(directory), environment={})
        async with running(application):
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://r") as client:
                await administration.create_user(owner, "me@example.test", "me")
                token, _, _ = await administration.create_token(
                    owner, "t", "me@example.test", ["*"]
                )
                client.headers["authorization"] = f"Bearer {token}"
                yield Home(client, beside)
    await owner.close()
    await beside.close()


async def test_a_run_and_its_steps_are_followed_live(home: Home) -> None:
    runs = Follower(home.client, {"table": "executions"})
    steps = Follower(home.client, {"table": "steps"})
    await home.catch_up(runs, steps)
    assert (runs.rows, steps.rows) == ({}, {})
    task = await make_task(home.client)
    run = await claim(home.client)
    await record(home.client, run["id"], state={"n": 1}, data={"tool": "ls"})
    await record(home.client, run["id"], state={"n": 2})
    await home.catch_up(runs, steps)
    [row] = runs.rows.values()
    assert (row["task_id"], row["status"], row["agent"]) == (task, "running", "tester")
    shown = sorted(steps.rows.values(), key=lambda each: str(each["number"]))
    assert [each["number"] for each in shown] == ["1", "2"]
    assert shown[0]["snapshot"] == '{"n":1}'
    await patch(home.client, run["id"], status="completed")
    await home.catch_up(runs)
    assert [row["status"] for row in runs.rows.values()] == ["completed"]


async def test_a_lease_runs_out_by_itself(home: Home) -> None:
    await make_task(home.client)
    run = await claim(home.client, leaseSeconds=1)
    assert await claims_nothing(home.client)

    runs = Follower(home.client, {"table": "executions"})
    await home.catch_up(runs)

    async def becomes_stale() -> None:
        while [row["status"] for row in runs.rows.values()] != ["stale"]:
            await runs.ask(live=True)

    await asyncio.wait_for(becomes_stale(), 60)
    assert (await claim(home.client))["taskId"] == run["taskId"]


async def test_a_restore_of_the_workspace_keeps_tasks_that_agents_have_worked_on(
    home: Home,
) -> None:
    tick = await home.beside.fetchval("select journal.make_tick()")
    tick = tick or await home.beside.fetchval("select max(id) from journal.tick")
    await make_task(home.client, title="untouched")
    worked = await make_task(home.client, title="worked on", priority="urgent")
    run = await claim(home.client)
    await say(home.client, worked)
    await home.beside.fetchval("select journal.make_tick()")
    for dry in (True, False):
        answer = await home.client.post(
            f"{API}/history/restore", json={"asOf": str(tick), "dryRun": dry}
        )
        assert answer.status_code == 200, answer.text
        kinds = {kind["kind"]: kind for kind in answer.json()["data"]["kinds"]}
        assert (kinds["messages"]["deleted"], kinds["messages"]["kept"]) == (0, 1)
    assert len(await data(home.client, f"/tasks/{worked}/messages")) == 1
    assert [task["id"] for task in await data(home.client, "/tasks")] == [worked]
    assert (await data(home.client, f"/executions/{run['id']}"))["status"] == "starting"


async def test_a_task_that_is_claimed_during_a_restore_stays_with_its_run(home: Home) -> None:
    tick = await home.beside.fetchval("select journal.make_tick()")
    tick = tick or await home.beside.fetchval("select max(id) from journal.tick")
    await make_task(home.client, title="untouched")
    worked = await make_task(home.client, title="about to be claimed", priority="urgent")
    await say(home.client, worked)
    await home.beside.fetchval("select journal.make_tick()")
    found = await home.beside.fetchrow("select workspace_id, created_by from tasks limit 1")
    async with home.beside.transaction():
        claimed = f"select claim_next_task({CLAIMED}) -> 'run' ->> 'task_id'"
        assert await home.beside.fetchval(claimed, *found) == worked
        restoring = asyncio.create_task(
            home.client.post(f"{API}/history/restore", json={"asOf": str(tick)})
        )
        await until_others_wait(home.beside)
        late = await make_task(home.client, title="made meanwhile")
        await say(home.client, late)
    answer = await restoring
    assert answer.status_code == 200, answer.text
    kinds = {kind["kind"]: kind for kind in answer.json()["data"]["kinds"]}
    assert (kinds["tasks"]["deleted"], kinds["tasks"]["kept"]) == (1, 1)
    assert {task["id"] for task in await data(home.client, "/tasks")} == {worked, late}
    for task in (worked, late):
        assert len(await data(home.client, f"/tasks/{task}/messages")) == 1
    assert len(await data(home.client, "/executions")) == 1


async def say(client: httpx.AsyncClient, task: str) -> None:
    answer = await client.post(f"{API}/tasks/{task}/messages", json={"text": "hello"})
    assert answer.status_code == 201, answer.text
