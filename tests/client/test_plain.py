"""The client without asyncio, over a socket, against `roost serve`."""

import subprocess
import sys
import threading
import time
from collections import Counter
from functools import partial

import pytest

from roost.client import LeaseLost, NotFound, Roost, RunCancelled
from tests.support.server import Server, environment, wait_until

AGENT = """
import sys, time
from roost.client import Roost

with Roost(workspace=sys.argv[1]) as roost:
    for run in roost.work("killed", lease_seconds=1):
        with run:
            for number in range(3):
                run.step("message", data={"n": number}, state={"n": number}, checkpoint=True)
            print("ready", flush=True)
            time.sleep(60)
"""


def test_a_task_is_claimed_worked_on_and_completed(plain: Roost) -> None:
    task = plain.tasks.create("Mend it")
    for run in plain.work("fixer", poll_seconds=None):
        with run:
            run.log("looking around")
            step = run.step("checkpoint", data={"tool": "ls"}, state={"n": 1})
            assert run.state() == {"n": 1}
            run.result({"files": 1}, branch="fix", has_changes=True)
        assert run.outcome == "completed"
    mended = plain.tasks.get(task.id)
    assert (mended.status, mended.branch, mended.has_changes) == ("completed", "fix", True)
    assert [one.type for one in plain.steps.iterate(run.id)] == ["message", "checkpoint"]
    assert plain.steps.get(run.id, step.number).state == {"n": 1}
    with pytest.raises(NotFound):
        plain.steps.get(run.id, 9)


def test_the_thread_keeps_the_lease_and_hears_of_a_cancellation(plain: Roost) -> None:
    task = plain.tasks.create("Mend it")
    went_on = False
    for run in plain.work("fixer", lease_seconds=1, poll_seconds=None):
        with run:
            time.sleep(1.5)
            run.log("still here")
            plain.tasks.update(task.id, status="cancelled")
            wait_until(partial(getattr, run, "cancelled"), "the heartbeat has heard of it")
            with pytest.raises(RunCancelled):
                run.check()
            run.log("too late")
            went_on = True
        assert run.outcome == "cancelled"
    assert not went_on


def test_an_exception_fails_the_run_and_ctrl_c_gives_it_back(plain: Roost) -> None:
    task = plain.tasks.create("Mend it")
    for run in plain.work("fixer", poll_seconds=None):
        with run:
            message = "no such thing"
            raise LookupError(message)
        assert run.outcome == "failed"
    assert plain.tasks.get(task.id).status_message == "no such thing"
    plain.tasks.update(task.id, status="pending")
    work = plain.work("fixer")
    run = next(work)
    with pytest.raises(KeyboardInterrupt), run:
        raise KeyboardInterrupt
    assert run.outcome == "returned"
    assert plain.tasks.get(task.id).status == "pending"


def test_threads_share_a_client_and_never_a_task(plain: Roost) -> None:
    for number in range(20):
        plain.tasks.create(f"task {number}")
    done: Counter[str] = Counter()

    def agent(name: str) -> None:
        for run in plain.work(name, poll_seconds=None):
            with run:
                run.log(name)
                done[run.task.title] += 1

    threads = [threading.Thread(target=agent, args=(f"agent {n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(done) == 20
    assert set(done.values()) == {1}


def test_a_loop_that_waits_is_stopped_from_another_thread(plain: Roost) -> None:
    timer = threading.Timer(0.3, plain.stop)
    timer.start()
    assert list(plain.work("fixer", poll_seconds=60)) == []
    timer.join()


def test_a_claim_in_any_workspace_is_worked_on_where_it_is(
    plain: Roost, server: Server, token: str
) -> None:
    task = plain.tasks.create("far away", labels=[plain.tasks.create("unlike").id.hex])
    with Roost(server.url, token) as elsewhere:
        label = task.labels[0]
        work = elsewhere.work("fixer", labels=[label], any_workspace=True, poll_seconds=None)
        for run in work:
            with run:
                run.log("here")
            assert run.outcome == "completed"
    assert plain.tasks.get(task.id).status == "completed"


def test_an_agent_that_is_killed_loses_its_lease_and_none_of_its_steps(
    plain: Roost, server: Server, token: str, workspace: str
) -> None:
    task = plain.tasks.create("Mend it")
    agent = subprocess.Popen(
        [sys.executable, "-c", AGENT, workspace],
        env=environment({"ROOST_URL": server.url, "ROOST_TOKEN": token}),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert agent.stdout is not None
    assert agent.stdout.readline() == "ready\n"
    assert plain.executions.claim("other") is None
    [run] = plain.executions.list().items
    agent.kill()
    agent.wait()
    agent.stdout.close()
    again = wait_until(lambda: plain.executions.claim("other"), "the lease has run out")
    assert again.task_id == task.id
    stale = plain.executions.get(run.id)
    assert stale.status == "stale"
    assert stale.error["code"] == "LEASE_EXPIRED"
    steps = list(plain.steps.iterate(run.id))
    assert [(step.number, step.data) for step in steps] == [(n + 1, {"n": n}) for n in range(3)]
    assert plain.executions.state(run.id).state == {"n": 2}
    with pytest.raises(LeaseLost):
        plain.steps.record(run.id, "message")
    fork = plain.executions.fork(run.id, 3)
    assert plain.executions.state(fork.id).state == {"n": 2}
    plain.executions.complete(again.id)
