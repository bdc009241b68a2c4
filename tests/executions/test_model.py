"""Claims, leases, states and steps, against a model of what they should be."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any, TypeVar

import asyncpg
import httpx
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from roost.db.pool import Database
from roost.executions.leases import expire
from roost.executions.model import TASK_STATUS, TRANSITIONS
from roost.executions.routes import ExecutionRoutes
from roost.executions.tables import ENDED, LIVE
from roost.tasks.model import TRANSITIONS as TASK_TRANSITIONS
from roost.tasks.routes import TaskRoutes
from tests.executions.conftest import BOX
from tests.executions.modelled import STATES, Run, Task, is_same
from tests.executions.talking import API, problem
from tests.support.house import House
from tests.support.schema import pool_config

T = TypeVar("T")
AT_REST = {"paused", "blocked", "cancelled"}
RANKS = ("urgent", "high", "medium", "low")
OVERDUE = "update executions set lease_expires_at = now() - interval '1 s' where id = $1"


class Executions(RuleBasedStateMachine):
    """Agents at work; what the server answers is what the model says."""

    url: str
    runs: Bundle[str] = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.tasks: dict[str, Task] = {}
        self.known: dict[str, Run] = {}
        self.count = 0
        self.do(self._open())

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it to its end."""
        return self.loop.run_until_complete(work)

    async def _open(self) -> None:
        self.database = await Database.connect(pool_config(self.url))
        await expire(self.database)  # what games before have left
        self.superuser = await asyncpg.connect(self.url)
        house = House(self.database)
        house.people.add("alice")
        house.mount(
            [
                *ExecutionRoutes(house.kit, BOX).endpoints(),
                *TaskRoutes(house.kit, alike=False).endpoints(),
            ]
        )
        self.alice = house.client("alice")

    def teardown(self) -> None:
        """Close what was opened."""

        async def close() -> None:
            # Else they run out in the middle of a later game.
            await self.superuser.execute(
                "update executions set lease_expires_at = now() where lease_expires_at is not null"
            )
            await expire(self.database)
            await self.superuser.close()
            await self.database.close()

        self.do(close())
        self.loop.close()

    def next(self) -> int:
        """Count what is made, for the order of age."""
        self.count += 1
        return self.count

    def post(self, path: str, body: Any) -> httpx.Response:
        """Ask for a change."""
        return self.do(self.alice.post(f"{API}{path}", json=body))

    def live(self, task: str) -> list[str]:
        """Give the live runs of a task."""
        return [k for k, run in self.known.items() if run.task == task and run.status in LIVE]

    def waiting(self) -> list[tuple[int, int, int, str, str | None]]:
        """Give what can be claimed, in order: rank, queued first, age, task, run."""
        found: list[tuple[int, int, int, str, str | None]] = []
        for key, task in self.tasks.items():
            runs = [(k, run) for k, run in self.known.items() if run.task == key]
            if any(run.status in LIVE for _, run in runs):
                continue
            rank = RANKS.index(task.priority)
            queued = [(run.number, k) for k, run in runs if run.status == "queued"]
            fits = {"pending", "in_progress", "in_review", "completed", "failed"}
            if queued and task.status in fits:
                number, run_id = min(queued)
                found.append((rank, 0, number, key, run_id))
            elif not queued and task.status == "pending":
                found.append((rank, 1, task.number, key, None))
        return sorted(found, key=lambda each: each[:3])

    @rule(priority=st.sampled_from(RANKS))
    def make_task(self, priority: str) -> None:
        """Make a task that waits."""
        answer = self.post("/tasks", {"title": "x", "priority": priority})
        self.tasks[answer.json()["data"]["id"]] = Task(self.next(), priority)

    @rule(target=runs, several=st.integers(1, 5))
    def claim(self, several: int) -> Any:
        """Several claim at once: each gets another, and they get those that are next."""
        overdue = [run for run in self.known.values() if run.is_overdue]
        several = 1 if overdue else several

        async def burst() -> list[httpx.Response]:
            body = {"agent": "a"}
            return await asyncio.gather(
                *(self.alice.post(f"{API}/executions/claim", json=body) for _ in range(several))
            )

        answers = self.do(burst())
        if not self.waiting():
            for run in overdue:  # what nobody else waits before is taken over
                self.end(run, "stale")
        waiting = [task for *_, task, _ in self.waiting()][:several]
        got = [answer.json()["data"] for answer in answers if answer.status_code == 201]
        assert sorted(run["taskId"] for run in got) == sorted(waiting)
        assert len(answers) - len(got) == sum(answer.status_code == 204 for answer in answers)
        for run in got:
            self.start(run)
        return multiple(*(run["id"] for run in got))

    def start(self, run: dict[str, Any]) -> None:
        """Note that a run was claimed."""
        assert run["status"] == "starting"
        known = self.known.setdefault(run["id"], Run(run["taskId"], "starting", self.next()))
        known.status = "starting"
        assert run["stepCount"] == len(known.steps)
        self.tasks[run["taskId"]].status = "in_progress"

    def end(self, run: Run, status: str) -> None:
        """Note that a run has got another status, and its task with it."""
        was, run.status = run.status, status
        run.is_overdue = run.is_overdue and status in LIVE
        task = self.tasks[run.task]
        wanted = TASK_STATUS[status]
        if was == "queued" and status == "cancelled":
            return
        if status == "stale":
            if task.status in {"in_progress", "blocked"}:
                task.status = wanted
        elif wanted in TASK_TRANSITIONS[task.status]:
            task.status = wanted
        if task.status == "cancelled":
            for other in self.known.values():
                if other.task == run.task and other.status == "queued":
                    other.status = "cancelled"

    @rule(run=runs, status=st.sampled_from(sorted(TRANSITIONS)))
    def change(self, run: str, status: str) -> None:
        """Report another status."""
        known = self.known[run]
        answer = self.do(self.alice.patch(f"{API}/executions/{run}", json={"status": status}))
        allowed = TRANSITIONS[known.status] - {"stale"}
        if status == known.status:
            assert answer.status_code == 200
        elif status not in allowed:
            assert problem(answer) == (409, "INVALID_STATE_TRANSITION")
        elif (
            known.status == "queued"
            and status != "cancelled"
            and (
                self.live(known.task)
                or self.tasks[known.task].status in {"paused", "blocked", "cancelled"}
            )
        ):
            assert problem(answer) == (409, "TASK_NOT_CLAIMABLE")
        elif known.is_overdue and status != "cancelled":
            assert problem(answer) == (409, "LEASE_EXPIRED")
        else:
            assert answer.json()["data"]["status"] == status, answer.text
            self.end(known, status)

    @rule(
        run=runs,
        steps=st.lists(
            st.tuples(st.booleans(), STATES, st.none() | st.sampled_from("klm"), st.booleans()),
            min_size=1,
            max_size=4,
        ),
    )
    def record(self, run: str, steps: list[tuple[bool, Any, str | None, bool]]) -> None:
        """Record steps: with or without a state, a key, a checkpoint."""
        known = self.known[run]
        bodies = []
        for has_state, state, key, is_checkpoint in steps:
            body: dict[str, Any] = {"type": "message", "checkpoint": is_checkpoint}
            bodies.append(
                body | ({"state": state} if has_state else {}) | ({"clientKey": key} if key else {})
            )
        answer = self.post(f"/executions/{run}/steps/batch", {"steps": bodies})
        expected: list[int] = []
        fresh: list[tuple[dict[str, Any], Any]] = []
        keys: dict[str, int] = {}
        for body in bodies:
            key = body.get("clientKey")
            number = known.keys.get(key, keys.get(key)) if key else None
            if number is not None:
                # Of what is sent together, it counts what was said of it.
                again = (
                    is_same(known.steps, number, body)
                    if key in known.keys
                    else (body == bodies[expected.index(number)])
                )
                if not again:
                    assert problem(answer) == (422, "CLIENT_KEY_REUSED")
                    return
                expected.append(number)
                continue
            before = fresh[-1][1] if fresh else known.state
            fresh.append((body, body.get("state", before)))
            expected.append(len(known.steps) + len(fresh))
            if key:
                keys[key] = expected[-1]
        if fresh and not self.may_record(known, answer):
            return
        assert [step["number"] for step in answer.json()["data"]] == expected, answer.text
        known.steps += fresh
        known.keys |= keys
        if fresh and known.status in {"starting", "queued"}:
            if known.status == "queued":
                self.tasks[known.task].status = "in_progress"
            known.status = "running"

    def may_record(self, known: Run, answer: httpx.Response) -> bool:
        """Whether the run takes steps; if not, the answer says why."""
        if known.status in ENDED:
            assert problem(answer) == (409, "EXECUTION_ENDED")
        elif known.is_overdue:
            assert problem(answer) == (409, "LEASE_EXPIRED")
        elif known.status == "queued" and (
            self.live(known.task)
            or self.tasks[known.task].status in {"paused", "blocked", "cancelled"}
        ):
            assert problem(answer) == (409, "TASK_NOT_CLAIMABLE")
        else:
            return True
        return False

    @rule(run=runs)
    def let_expire(self, run: str) -> None:
        """A lease runs out; nobody has looked yet."""
        known = self.known[run]
        if known.status in LIVE:
            self.do(self.superuser.execute(OVERDUE, run))
            known.is_overdue = True

    @rule()
    def sweep(self) -> None:
        """Somebody looks for overdue leases: each becomes stale once."""

        async def together() -> list[int]:
            return await asyncio.gather(*(expire(self.database) for _ in range(3)))

        overdue = [run for run in self.known.values() if run.is_overdue]
        assert sum(self.do(together())) == len(overdue)
        for run in overdue:
            self.end(run, "stale")

    @rule(target=runs, run=runs, step=st.integers(1, 5))
    def fork(self, run: str, step: int) -> Any:
        """Begin anew from a step."""
        known = self.known[run]
        answer = self.post(f"/executions/{run}/fork", {"step": step})
        if step > len(known.steps):
            assert problem(answer) == (404, "STEP_NOT_FOUND")
            return multiple()
        made = Run(known.task, "queued", self.next())
        made.steps.append(({"forked": True}, known.steps[step - 1][1]))
        key = str(answer.json()["data"]["id"])
        self.known[key] = made
        return key

    @rule(run=runs, step=st.integers(1, 5))
    def roll_back(self, run: str, step: int) -> None:
        """Go back to a checkpoint."""
        known = self.known[run]
        answer = self.post(f"/executions/{run}/rollback", {"step": step, "reason": "why"})
        if known.status not in ENDED:
            assert problem(answer) == (409, "EXECUTION_LIVE")
        elif step > len(known.steps):
            assert problem(answer) == (404, "STEP_NOT_FOUND")
        elif not (known.steps[step - 1][0].keys() & {"forked", "rolledBack"}) and not (
            known.steps[step - 1][0].get("checkpoint")
        ):
            assert problem(answer) == (409, "NOT_A_CHECKPOINT")
        else:
            assert answer.status_code == 200, answer.text
            known.steps.append(({"rolledBack": True}, known.steps[step - 1][1]))

    @rule(run=runs)
    def look(self, run: str) -> None:
        """Every step is there, once, and every state is what was recorded."""
        known = self.known[run]
        steps = self.do(self.alice.get(f"{API}/executions/{run}/steps", params={"limit": 100}))
        numbers = [step["number"] for step in steps.json()["data"]]
        assert numbers == list(range(1, min(len(known.steps), 100) + 1))
        for number, (_, state) in enumerate(known.steps, 1):
            path = f"{API}/executions/{run}/steps/{number}"
            shown = self.do(self.alice.get(path)).json()["data"]
            assert json.dumps(shown["state"], sort_keys=True) == json.dumps(state, sort_keys=True)

    @invariant()
    def statuses_are_as_expected_and_no_task_has_two_live_runs(self) -> None:
        """What is stored is what the model says."""
        if not self.tasks:
            return
        runs = self.do(
            self.superuser.fetch(
                "select id::text, status from executions where task_id = any($1::uuid[])",
                list(self.tasks),
            )
        )
        assert {row["id"]: row["status"] for row in runs} == {
            key: run.status for key, run in self.known.items()
        }
        tasks = self.do(
            self.superuser.fetch(
                "select id::text, status from tasks where id = any($1::uuid[])", list(self.tasks)
            )
        )
        assert {row["id"]: row["status"] for row in tasks} == {
            key: task.status for key, task in self.tasks.items()
        }
        assert all(len(self.live(task)) <= 1 for task in self.tasks)


def play(url: str, *, examples: int, steps: int) -> None:
    """Play games of so many steps."""
    machine = type("Played", (Executions,), {"url": url})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_agents_at_work_do_what_the_model_says(roost_database: str) -> None:
    play(roost_database, examples=10, steps=25)


@pytest.mark.long
def test_many_agents_at_work_do_what_the_model_says(roost_database: str) -> None:
    play(roost_database, examples=400, steps=60)
