"""The SDK is heavy: only who speaks MCP pays for it."""

import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import pytest

from roost.db.pool import Database
from roost.mcp.routes import McpRoutes
from roost.tasks.routes import TaskRoutes
from tests.support.house import House
from tests.support.schema import pool_config

LIST = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}


@pytest.fixture
async def house(roost_database: str) -> AsyncIterator[House]:
    """A server with nothing but tasks, for which no tool can be bound."""
    database = await Database.connect(pool_config(roost_database))
    house = House(database)
    house.people.add("alice")
    yield house
    await database.close()


def test_a_server_that_nobody_speaks_mcp_to_has_not_loaded_it() -> None:
    program = (
        "import sys, roost.app, roost.cli.main, roost.cli.worker\n"
        "heavy = {'mcp', 'mcp_types', 'pydantic', 'starlette', 'httpx2'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


async def test_where_it_is_not_installed_the_answer_says_what_to_install(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name == "roost.mcp.server"]:
        monkeypatch.delitem(sys.modules, name)
    absent: Any = None
    monkeypatch.setitem(sys.modules, "mcp", absent)
    routes = McpRoutes(body_limit=1000)
    house.mount([*routes.endpoints(), *TaskRoutes(house.kit, alike=True).endpoints()])
    answer = await house.client("alice").post("/mcp", json=LIST)
    assert (answer.status_code, answer.json()["code"]) == (501, "MCP_NOT_INSTALLED")
    assert "pip install 'roost[mcp]'" in answer.json()["hint"]
    await routes.close()
