"""The tutorial, followed as it stands, on a server that runs already."""

import subprocess
import sys
from pathlib import Path

import pytest

from roost.client import Roost
from tests.docs import pages
from tests.docs.pages import DOCS
from tests.support.server import Server, environment

PAGE = DOCS / "tutorial" / "connect-your-agent.md"
ELSEWHERE = ("make ", "export ")


@pytest.mark.parametrize("agent_token", [("executions:*", "tasks:*")], indirect=True)
def test_the_tutorial_leads_where_it_says(
    plain: Roost, agent_token: str, server: Server, tmp_path: Path
) -> None:
    text = pages.text_of(PAGE)
    [agent] = pages.blocks(text, "python")
    (tmp_path / "hello.py").write_text(agent, "utf-8")
    lines = [line for line in pages.shell(text) if not line.startswith(ELSEWHERE)]
    assert sum(line == "python hello.py" for line in lines) == 2
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=tmp_path,
        env={
            **environment({"ROOST_URL": server.url, "ROOST_TOKEN": agent_token}),
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Say hello completed") == 2, done.stdout + done.stderr
    first, again = plain.executions.list(sort="createdAt").items
    assert first.output == {"said": ["Say hello"]}
    assert again.output == {"said": ["Say hello"] * 2}
    assert again.forked_from is not None
    assert plain.tasks.get(first.task_id).status_message == "It was said."
