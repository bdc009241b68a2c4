"""The worked example, run as people run it, and its run looked into afterwards."""

import subprocess
import sys

from roost.client import Execution, Roost, Task
from tests.docs.pages import ROOT
from tests.support.server import Server, environment

EXAMPLE = ROOT / "examples" / "agent.py"


def run_example(server: Server, token: str) -> str:
    """Run it until nothing waits; gives what it has printed."""
    done = subprocess.run(
        [sys.executable, EXAMPLE],
        env=environment({"ROOST_URL": server.url, "ROOST_TOKEN": token}),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def looked_into(roost: Roost, task: Task) -> Execution:
    """See that the one run of a task is as the example leaves it; gives it."""
    [run] = roost.executions.list(task=task.id).items
    assert (run.status, run.agent, run.step_count) == ("completed", "example", 3)
    done = roost.tasks.get(task.id)
    assert (done.status, done.branch, done.has_changes) == ("completed", f"task-{task.id}", True)
    steps = list(roost.steps.iterate(run.id))
    assert [step.type for step in steps] == ["start", "tool_call", "tool_result"]
    assert "TASK.md" in steps[2].data["output"]
    begun = roost.executions.state(run.id, step=2).state
    ended = roost.executions.state(run.id).state
    assert (begun["files"], ended["files"]) == ([], ["TASK.md"])
    assert begun["commit"] != ended["commit"] == run.output["commit"]
    return run


def test_the_example_works_through_its_tasks_with_the_rights_of_an_agent(
    plain: Roost, server: Server, agent_token: str
) -> None:
    titles = ["Fix the login", 'Say "hello"']
    tasks = [plain.tasks.create(title, description="As usual.") for title in titles]
    said = run_example(server, agent_token)
    assert said.splitlines() == [f"{title}: completed" for title in titles]
    runs = [looked_into(plain, task) for task in tasks]
    fork = plain.executions.fork(runs[0].id, 1)
    assert plain.executions.state(fork.id).state == plain.executions.state(runs[0].id, step=1).state
    course = list(plain.executions.iterate_timeline(runs[0].id))
    assert [item.step.number for item in course if item.step] == [1, 2, 3]
    assert course[-1].event is not None or course[-1].task_change is not None
    found = plain.executions.compare(runs[0].id, runs[1].id)
    assert found.diverges_at in {1, 3}, "what was made in one second has the same hash at first"
    assert found.steps[2].change == "changed"
    assert found.summary.left.tools == {"write_file": 1}


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text("utf-8").splitlines()) <= 60
