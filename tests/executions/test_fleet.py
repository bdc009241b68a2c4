"""Many agents on one server, some of them killed: no task is lost, none is worked on by two."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from roost.db.roles import OWNER_ROLE
from tests.support.schema import as_role
from tests.support.server import Server, serving, wait_until

API = "/api/v1"
AGENT = Path(__file__).with_name("agent.py")
OVERLAPS = """
select count(*) from executions a
join executions b on b.workspace_id = a.workspace_id and b.task_id = a.task_id and b.id <> a.id
where tstzrange(a.started_at, a.finished_at) && tstzrange(b.started_at, b.finished_at)
"""
GAPS = """
select count(*) from (
    select execution_id, max(number) as last, count(*) as steps, count(distinct number) as numbers,
        min(number) as first
    from steps group by execution_id
) s where s.last <> s.steps or s.numbers <> s.steps or s.first <> 1
"""


@pytest.fixture
def owner_url(fresh_roost_database: str) -> str:
    """The owner's URL of a database of the test's own."""
    return as_role(fresh_roost_database, OWNER_ROLE)


def make_tasks(client: httpx.Client, count: int, **headers: str) -> None:
    """Make so many tasks that wait."""
    operations = [{"op": "create", "task": {"title": f"task {n}"}} for n in range(count)]
    made = client.post(f"{API}/tasks/batch", json={"operations": operations}, headers=headers)
    assert made.status_code == 200, made.text


@contextmanager
def agents(server: Server, token: str, count: int, lease: int) -> Iterator[list[Any]]:
    """Have so many agents at work; what is left of them ends with the block."""
    running: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, AGENT, server.url, token, str(lease)])

    try:
        running += [start() for _ in range(count)]
        yield [running, start]
    finally:
        for process in running:
            process.kill()
            process.wait()


def kill_one(running: list[Any], start: Any, chance: random.Random) -> None:
    """Kill an agent with SIGKILL, and have another take its place."""
    place = chance.randrange(len(running))
    running[place].kill()
    running[place].wait()
    running[place] = start()


def play(url: str, *, tasks: int, fleet: int, kills: int) -> Counter[str]:
    """Have a fleet work on tasks while agents and workers are killed; gives how the runs ended."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 -- for whoever looks at a failure
    chance = random.Random(seed)
    with serving("--database-url", url, "--workers", "2") as server, ExitStack() as stack:
        token = server.token()
        client = stack.enter_context(server.client(token))
        for _ in range(0, tasks, 500):
            make_tasks(client, min(tasks, 500))
        running, start = stack.enter_context(agents(server, token, fleet, lease=2))

        def left() -> int:
            found: int = client.get(
                f"{API}/tasks", params={"status": "pending,in_progress", "limit": 1}
            ).json()["pagination"]["total"]
            return found

        for number in range(kills):
            time.sleep(chance.uniform(0, 0.3))
            kill_one(running, start, chance)
            if number == kills // 2:
                victim = chance.choice(sorted(server.workers()))
                os.kill(victim, signal.SIGKILL)
        wait_until(lambda: _survives(left) == 0, "every task is done", 90 + tasks / 10)
    return asyncio.run(inspect(url, tasks))


async def inspect(url: str, tasks: int) -> Counter[str]:
    """See that every task was done once, by one at a time, and no step is missing."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("set row_security = on")
        workspace = await connection.fetchval("select id from workspaces")
        await connection.execute(f"set roost.workspace_id = '{workspace}'")
        assert await connection.fetchval(OVERLAPS) == 0
        assert await connection.fetchval(GAPS) == 0
        statuses = await connection.fetch("select status, count(*) as n from tasks group by 1")
        assert {row["status"]: row["n"] for row in statuses} == {"completed": tasks}
        runs = await connection.fetch("select task_id, status from executions")
    finally:
        await connection.close()
    done = Counter(row["task_id"] for row in runs if row["status"] == "completed")
    assert len(done) == tasks
    assert set(done.values()) == {1}
    return Counter(row["status"] for row in runs)


def _survives(left: Any) -> int:
    try:
        return int(left())
    except httpx.HTTPError:  # the worker it had asked was killed
        return -1


@pytest.mark.timeout(400)
def test_agents_and_workers_killed_at_random_lose_and_double_nothing(owner_url: str) -> None:
    ended = play(owner_url, tasks=60, fleet=6, kills=8)
    assert set(ended) <= {"completed", "stale"}


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_fifty_agents_killed_at_random_lose_and_double_nothing(owner_url: str) -> None:
    ended = play(owner_url, tasks=2000, fleet=50, kills=150)
    assert set(ended) == {"completed", "stale"}


def test_claims_anywhere_are_fair_between_workspaces(owner_url: str) -> None:
    with serving("--database-url", owner_url) as server:
        token = server.token()
        with server.client(token) as client:
            made = client.post(f"{API}/workspaces", json={"name": "Small", "slug": "small-one"})
            assert made.status_code == 201, made.text
            small = made.json()["data"]["id"]
            make_tasks(client, 90)
            make_tasks(client, 15, **{"roost-workspace": small})
            body = {"agent": "runner", "anyWorkspace": True}
            runs = [
                client.post(f"{API}/executions/claim", json=body).json()["data"] for _ in range(70)
            ]
            # Of 70 draws by lot the small one gets half, until it has no more.
            assert Counter(run["workspaceId"] for run in runs)[small] == 15
            beat = client.post(
                f"{API}/executions/{runs[0]['id']}/heartbeat",
                json={},
                headers={"roost-workspace": runs[0]["workspaceId"]},
            )
            assert beat.status_code == 200
            keyed = client.post(
                f"{API}/executions/claim", json=body, headers={"idempotency-key": "k"}
            )
            assert keyed.json()["errors"][0]["field"] == "anyWorkspace"
        bound = server.client(_bound(server, token))
        with bound:
            runs = [bound.post(f"{API}/executions/claim", json=body) for _ in range(36)]
            claimed = [answer.json()["data"]["workspaceId"] for answer in runs if answer.content]
            assert small not in claimed
            assert len(claimed) == 35


def _bound(server: Server, token: str) -> str:
    with server.client(token) as client:
        made = client.post(
            f"{API}/tokens", json={"name": "bound", "scopes": ["executions:write", "tasks:read"]}
        )
        assert made.status_code == 201, made.text
        return str(made.json()["data"]["token"])
