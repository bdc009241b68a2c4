"""An agent of a few lines: claims a task, commits to a scratch repository, and tells of it."""

import subprocess
import tempfile
from pathlib import Path

from roost.client import Roost, Run


def git(repository: Path, *arguments: str) -> str:
    """Run git; gives what it prints."""
    line = ["git", "-c", "user.name=Agent", "-c", "user.email=agent@example.invalid", *arguments]
    done = subprocess.run(line, cwd=repository, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def work(run: Run, repository: Path) -> None:
    """Do what the task asks for; here, write down what it is."""
    git(repository, "init", "--initial-branch", "main")
    git(repository, "commit", "--allow-empty", "--message", "Begin")
    state = {"commit": git(repository, "rev-parse", "HEAD"), "files": []}
    run.step("start", description="Made a repository", state=state, checkpoint=True)

    branch = f"task-{run.task.id}"
    git(repository, "switch", "--create", branch)
    data = {"tool": "write_file", "input": {"path": "TASK.md"}}
    run.step("tool_call", data=data)
    (repository / "TASK.md").write_text(f"# {run.task.title}\n\n{run.task.description}\n")
    git(repository, "add", "TASK.md")
    git(repository, "commit", "--message", run.task.title)
    state = {"commit": git(repository, "rev-parse", "HEAD"), "files": ["TASK.md"]}
    changed = git(repository, "show", "--stat", "--format=")
    run.step("tool_result", data={"output": changed}, state=state, checkpoint=True)

    run.result({"commit": state["commit"]}, branch=branch, has_changes=True)


def main() -> None:
    """Work until nothing waits any more."""
    with Roost() as roost:  # ROOST_URL and ROOST_TOKEN say where and who
        for run in roost.work("example", lease_seconds=60, poll_seconds=None):
            with run, tempfile.TemporaryDirectory() as directory:
                work(run, Path(directory))
            print(f"{run.task.title}: {run.outcome}")


if __name__ == "__main__":
    main()
