"""Who may come in, and to what."""

from typing import Any

import pytest
from mcp import MCPError

from tests.mcp.talking import NOBODY, PING, Agent, Place, agent, said
from tests.support.server import API, document, wait_until

pytestmark = pytest.mark.timeout(240)
READING = {
    "list_tasks",
    "search_tasks",
    "get_task",
    "list_messages",
    "list_environments",
    "list_executions",
    "get_execution",
    "list_steps",
    "get_state",
}


async def test_a_viewer_is_offered_what_reads_and_can_not_write(place: Place) -> None:
    viewer = place.made_token(name="looker", kind="service", role="viewer", scopes=["*"])
    async with agent(place, viewer["token"]) as looker:
        assert (await looker.tools()).keys() == READING
        for tool, arguments in (
            ("create_task", {"title": "No"}),
            ("claim_task", {"agent": "looker"}),
            ("record_step", {"id": NOBODY, "type": "message"}),
        ):
            problem = await looker.refused(tool, **arguments)
            assert (problem["status"], problem["code"]) == (403, "FORBIDDEN")
        await looker.call("list_tasks")


async def test_scopes_bound_an_agent_as_they_do_elsewhere(place: Place) -> None:
    token = place.made_token(name="narrow", scopes=["mcp:use", "tasks:read"])["token"]
    async with agent(place, token) as narrow:
        assert all("task" in name or "message" in name for name in await narrow.tools())
        problem = await narrow.refused("list_executions")
        assert problem["code"] == "FORBIDDEN"
    without = place.made_token(name="without", scopes=["tasks:read"])["token"]
    answer = said(place, authorization=f"Bearer {without}")
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert "mcp:use" in answer.json()["detail"]


async def _ids(worker: Agent) -> dict[str, str]:
    task = await worker.call("create_task", title="Mine alone")
    run = await worker.call("claim_task", agent="mine", taskId=task["id"])
    await worker.call("record_step", id=run["id"], type="message", state={"secret": 1})
    return {"task": task["id"], "message": task["id"], "run": run["id"]}


async def test_another_tenants_ids_are_not_found_by_any_tool(place: Place) -> None:
    async with agent(place) as mine:
        ids = await _ids(mine)
    given: dict[str, Any] = {"record_step": {"type": "message"}, "update_task": {"title": "x"}}
    async with agent(place, place.stranger("stranger")) as stranger:
        tools = {
            name: tool
            for name, tool in (await stranger.tools()).items()
            if "id" in tool.input_schema["properties"]
        }
        assert len(tools) > 10
        for name in tools:
            kind = next((one for one in ("task", "message") if one in name), "run")
            problem = await stranger.refused(name, id=ids[kind], **given.get(name, {}))
            assert problem["status"] == 404, name
            twin = await stranger.refused(name, id=NOBODY, **given.get(name, {}))
            assert twin["code"] == problem["code"]
        assert await stranger.call("list_tasks") == []
        assert await stranger.call("search_tasks", search="Mine alone") == []
        problem = await stranger.refused("claim_task", agent="x", taskId=ids["task"])
        assert problem["code"] == "TASK_NOT_FOUND"


async def test_a_token_that_is_revoked_between_calls_is_refused(place: Place) -> None:
    made = place.made_token(name="short")
    async with agent(place, made["token"]) as worker:
        await worker.call("list_tasks")
        with place.server.client(place.token) as owner:
            assert owner.delete(f"{API}/tokens/{made['id']}").status_code == 204
        wait_until(
            lambda: said(place, authorization=f"Bearer {made['token']}").status_code == 401,
            "it is refused",
            5,
        )
        with pytest.raises(MCPError):
            await worker.session.call_tool("list_tasks", {})


def test_without_a_log_in_there_is_a_challenge(place: Place) -> None:
    for token in ("", "Bearer nonsense", "Basic b3duZXI6b3duZXI="):
        answer = said(place, authorization=token)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.json()["code"] == "UNAUTHORIZED"


def test_a_session_opens_it_to_pages_of_its_own_origin_alone(place: Place) -> None:
    url = place.server.url
    link = document("login-link", "--url", url, extra={"DATABASE_URL": place.database})["url"]
    call = PING | {"method": "tools/call", "params": {
        "name": "create_task", "arguments": {"title": "By cookie"}}}  # fmt: skip
    with place.server.client() as browser:
        assert browser.get(link).status_code == 303
        made = browser.post("/mcp", json=call, headers={"origin": url})
        assert made.json()["result"]["structuredContent"]["data"]["title"] == "By cookie"
        for headers in ({}, {"origin": "http://localhost:3000"}):
            answer = browser.post("/mcp", json=call, headers=headers)
            assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_REFUSED")


def test_pages_of_other_sites_are_refused_also_by_a_name_that_means_this_address(
    place: Place,
) -> None:
    port = place.server.url.rpartition(":")[2]
    for origin in ("https://elsewhere.test", f"http://elsewhere.test:{port}", "null"):
        host = origin.rpartition("/")[2] if "test" in origin else "elsewhere.test"
        answer = said(place, origin=origin, host=host)
        assert (answer.status_code, answer.json()["code"]) == (403, "ORIGIN_REFUSED")
    assert said(place, origin=place.server.url).status_code == 200


def test_a_client_in_a_page_on_this_machine_may_ask_with_a_token(place: Place) -> None:
    page = "http://localhost:6274"
    asked = {
        "origin": page,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,mcp-protocol-version",
    }
    with place.server.client() as browser:
        allowed = browser.options("/mcp", headers=asked).headers
    assert allowed["access-control-allow-origin"] == page
    assert "Mcp-Protocol-Version" in allowed["access-control-allow-headers"]
    answer = said(place, origin=page)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, page)
