"""The page that tells how to connect does what it says."""

import os
import re
import subprocess
import sys

import pytest

from tests.docs import pages
from tests.docs.pages import DOCS
from tests.mcp.talking import Place, agent
from tests.support.server import document

PAGE = pages.text_of(DOCS / "how-to" / "connect-an-mcp-client.md")
pytestmark = pytest.mark.timeout(240)


async def test_the_token_and_the_program_of_the_page_claim_a_task(place: Place) -> None:
    [command] = [line for line in pages.shell(PAGE) if line.startswith("roost token create")]
    made = document(*command.split()[1:], extra={"DATABASE_URL": place.database})
    async with agent(place) as maker:
        while await maker.call("claim_task", agent="sweeper"):
            pass  # what other tests have left
        await maker.call("create_task", title="From the page")
    [program] = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    done = _run(program, ROOST_URL=place.server.url, ROOST_TOKEN=made["token"])
    assert done.stdout == "From the page\n", done.stderr
    async with agent(place, made["token"]) as narrow:
        assert "create_task" in await narrow.tools()
        [run] = await narrow.call("list_executions", agent=["my-agent"])
        assert run["agent"] == "my-agent"


def _run(program: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=False,
    )
