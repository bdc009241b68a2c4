"""The tutorial's program does what the tutorial says."""

import os
import re
import subprocess
import tempfile
from pathlib import Path

from tests.docs.pages import DOCS
from tests.migration.browser.home import Home
from tests.support.server import wait_until
from tests.sync.clients.scripting import NODE_MODULES, SECONDS


def program() -> str:
    page = (DOCS / "tutorial" / "live-task-list.md").read_text("utf-8")
    [code] = re.findall(r"^```js\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    return str(code)


def test_the_program_has_at_most_forty_lines_of_code() -> None:
    lines = [line.strip() for line in program().splitlines()]
    assert len([line for line in lines if line and not line.startswith("//")]) <= 40


def test_the_tutorial_s_list_is_live(home: Home, tmp_path: Path) -> None:
    (tmp_path / "tasks.mjs").write_text(program(), encoding="utf-8")
    (tmp_path / "node_modules").symlink_to(NODE_MODULES)
    given = os.environ | {"ROOST_URL": home.url, "TOKEN": home.token}
    with tempfile.NamedTemporaryFile() as output:
        process = subprocess.Popen(
            ["node", "tasks.mjs"], cwd=tmp_path, env=given, stdin=subprocess.PIPE, stdout=output
        )

        def shows(text: str) -> None:
            said = Path(output.name).read_text
            wait_until(lambda: said("utf-8").rpartition("---")[2].strip() == text, text, SECONDS)

        def type_in(line: str) -> None:
            assert process.stdin is not None
            process.stdin.write(f"{line}\n".encode())
            process.stdin.flush()

        try:
            shows("")
            type_in("Write the tutorial")
            shows("1. [pending] Write the tutorial")
            type_in("1 in_progress")
            shows("1. [in_progress] Write the tutorial")
            [task] = wait_until(
                lambda: home.data("/tasks?status=in_progress"), "the server has it", SECONDS
            )
            home.client.patch(f"/tasks/{task['id']}", json={"title": "Read it"})
            shows("1. [in_progress] Read it")
        finally:
            process.kill()
            process.communicate(timeout=SECONDS)
