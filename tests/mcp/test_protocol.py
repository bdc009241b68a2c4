"""How the protocol is spoken, whatever its tools do."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from tests.mcp.talking import NOBODY, PING, Place, agent, answered, connected, said
from tests.support.server import API

pytestmark = pytest.mark.timeout(240)


@contextmanager
def only(place: Place, worker: int) -> Iterator[None]:
    """Hold all workers but one."""
    others = place.server.workers() - {worker}
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


async def test_a_client_shakes_hands_and_is_told_what_the_server_is_for(place: Place) -> None:
    async with connected(place) as session:
        hello = await session.initialize()
        assert hello.server_info.name == "roost"
        assert hello.capabilities.tools is not None
        assert hello.instructions is not None
        assert "claim_task" in hello.instructions
        await session.send_ping()


async def test_a_client_of_the_newest_protocol_needs_no_handshake(place: Place) -> None:
    headers = {"authorization": f"Bearer {place.token}"}
    async with httpx2.AsyncClient(headers=headers, timeout=60) as http:
        transport = streamable_http_client(f"{place.server.url}/mcp", http_client=http)
        async with Client(transport) as client:
            assert client.protocol_version >= "2026"
            assert len((await client.list_tools()).tools) >= 18
            result = await client.call_tool("create_task", {"title": "New"})
            assert answered(result)["data"]["title"] == "New"
            missing = await client.call_tool("get_task", {"id": NOBODY})
            assert missing.is_error
            with pytest.raises(MCPError, match="Unknown tool"):
                await client.call_tool("dig_a_hole", {})


async def test_every_worker_answers_any_call(place: Place) -> None:
    async with agent(place) as worker:
        task = await worker.call("create_task", title="Anywhere")
    workers = place.server.workers()
    assert len(workers) == 2
    for one in workers:
        with only(place, one):
            async with agent(place) as worker:
                assert (await worker.call("get_task", id=task["id"]))["title"] == "Anywhere"


async def test_an_unknown_tool_is_an_error_of_the_protocol_that_names_those_there_are(
    place: Place,
) -> None:
    async with agent(place) as worker:
        with pytest.raises(MCPError, match="Unknown tool 'dig_a_hole'; there are list_tasks"):
            await worker.session.call_tool("dig_a_hole", {})


def test_a_message_by_hand_is_answered_as_json_that_no_cache_keeps(place: Place) -> None:
    answer = said(place, accept="*/*")
    assert answer.status_code == 200
    assert answer.json() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert answer.headers["roost-request-id"]
    told = said(place, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (told.status_code, told.content) == (202, b"")


def test_what_is_no_message_is_a_400(place: Place) -> None:
    odd = {"jsonrpc": "2.0", "method": "ping", "id": {}}
    for body in ([PING], {"jsonrpc": "1.0"}, "x", odd, PING | {"method": 1}):
        assert said(place, body).status_code == 400, body
    with place.server.client(place.token) as client:
        broken = client.post("/mcp", content=b'{"jsonrpc"', headers={"accept": "*/*"})
        assert (broken.status_code, broken.json()["code"]) == (400, "MALFORMED_BODY")
        assert client.get("/mcp").status_code == 405
        assert client.delete("/mcp").status_code == 405
        large = client.post("/mcp", content=b" " * 20_000_000)
        assert (large.status_code, large.json()["code"]) == (413, "BODY_TOO_LARGE")


def test_numbers_come_and_go_as_they_were_written(place: Place) -> None:
    made = said(
        place,
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {
            "name": "create_task", "arguments": {"title": "n", "metadata": {"n": 2**70}}}},
    )  # fmt: skip
    assert str(2**70) in made.json()["result"]["content"][0]["text"]


def test_telemetry_tells_the_tools_apart_and_the_trail_names_the_request(place: Place) -> None:
    call = {"jsonrpc": "2.0", "id": 3, "method": "tools/call",
            "params": {"name": "create_task", "arguments": {"title": "traced"}}}  # fmt: skip
    answer = said(place, call)
    task = answer.json()["result"]["structuredContent"]["data"]["id"]
    with place.server.client(place.token) as owner:
        history = owner.get(f"{API}/tasks/{task}/history").text
        assert answer.headers["roost-request-id"] in history
        metrics = owner.get("/metrics").text
    assert 'http_route="/mcp create_task"' in metrics
