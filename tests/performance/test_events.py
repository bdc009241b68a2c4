"""Events: what people did, failed and slow requests; listed and followed, by workspace."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
import pytest
import uvicorn

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.performance.event_routes import EventRoutes
from roost.performance.watching import Pace, Watch
from roost.telemetry import Telemetry, note_caller
from roost.telemetry.options import TelemetryOptions
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.principal import Principal
from roost.web.reply import Reply, empty
from tests.support.app import BASE
from tests.support.house import House, People
from tests.support.schema import as_role, pool_config

EVENTS = "/api/v1/performance/events"
DEADLINE = 20.0


class Noting(People):
    """Tells telemetry who asks, as the real authenticator does."""

    async def authenticate(
        self, bearer: str | None, cookie: str | None, workspace: str | None
    ) -> Principal | None:
        found = await super().authenticate(bearer, cookie, workspace)
        if found is not None:
            note_caller(found.user_id, found.workspace_id)
        return found


async def _work(call: Call) -> Reply:
    what = call.request.path_params["what"]
    if what == "fail":
        raise RuntimeError(what)
    if what == "rest":
        await asyncio.sleep(0.06)
    return empty()


@dataclass
class Stage:
    """A server with a route to work by, behind real telemetry, and the doctor's part of it."""

    house: House
    watch: Watch
    app: Any

    async def send(self, bearer: str, method: str, what: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        headers = {"authorization": f"Bearer {bearer}"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
            return await client.request(method, f"/work/{what}")

    async def ask(self, bearer: str, query: str = "") -> Any:
        await self.watch.notice()
        answer = await self.house.client(bearer).get(f"{EVENTS}{query}")
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@pytest.fixture
async def stage(fresh_roost_database: str) -> AsyncIterator[Stage]:
    options = TelemetryOptions.from_environment({"ROOST_SLOW_REQUEST_SECONDS": "0.05"}, "1")
    telemetry = Telemetry(options, service_version="1")
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config)
    url = as_role(fresh_roost_database, DOCTOR_ROLE)
    doctor = await Database.connect(replace(config, url=url, max_connections=2))
    house = House(pool, Noting())
    for name in ("alice", "zoe"):
        house.people.add(name)
    house.people.add("mia", role="member")
    routes = [
        Endpoint(method, "/work/{what:str}", _work, Contract("Works", "tasks:read"))
        for method in ("GET", "POST", "DELETE")
    ]
    house.mount([*EventRoutes(doctor).endpoints(), *routes])
    watch = Watch(doctor, pool, telemetry.tally, keep_days=15, pace=Pace(activity=0.0))
    yield Stage(house, watch, telemetry.middleware(house.app))
    await doctor.close()
    await pool.close()
    telemetry.shutdown()


async def test_changes_failures_and_slow_requests_are_told_with_who_and_which_trace(
    stage: Stage,
) -> None:
    await stage.send("alice", "GET", "well")
    made = await stage.send("alice", "POST", "well")
    failed = await stage.send("alice", "GET", "fail")
    await stage.send("alice", "GET", "rest")
    found = (await stage.ask("alice"))["items"]
    told = [(each["type"], each["severity"], each["status"], each["route"]) for each in found]
    assert told == [
        ("slow", "warning", 204, "GET /work/{what}"),
        ("error", "error", 500, "GET /work/{what}"),
        ("action", "info", 204, "POST /work/{what}"),
    ]
    alice = stage.house.people.known["alice"]
    assert {each["actorId"] for each in found} == {str(alice.user_id)}
    assert found[1]["traceId"] == failed.json()["traceId"]
    assert found[2]["requestId"] == made.headers["roost-request-id"]


async def test_no_workspace_sees_what_another_did(stage: Stage) -> None:
    await stage.send("alice", "POST", "well")
    await stage.send("zoe", "DELETE", "well")
    assert [each["route"] for each in (await stage.ask("alice"))["items"]] == ["POST /work/{what}"]
    assert [each["route"] for each in (await stage.ask("zoe"))["items"]] == ["DELETE /work/{what}"]
    (mine,) = (await stage.ask("alice"))["items"]
    assert (await stage.ask("zoe", f"?traceId={mine['traceId']}"))["items"] == []


async def test_the_table_itself_keeps_workspaces_apart(
    stage: Stage, fresh_roost_database: str
) -> None:
    await stage.send("alice", "POST", "well")
    await stage.watch.notice()
    doctor = await asyncpg.connect(as_role(fresh_roost_database, DOCTOR_ROLE))
    try:
        assert await doctor.fetchval("select count(*) from performance.event") == 0
        alice = str(stage.house.people.known["alice"].workspace_id)
        await doctor.execute("select set_config('roost.workspace_id', $1, false)", alice)
        assert await doctor.fetchval("select count(*) from performance.event") == 1
    finally:
        await doctor.close()


async def test_events_are_filtered_and_paged(stage: Stage) -> None:
    for number in range(5):
        await stage.send("alice", "POST" if number % 2 else "DELETE", "well")
    await stage.send("alice", "POST", "fail")
    assert len((await stage.ask("alice", "?type=action"))["items"]) == 5
    assert len((await stage.ask("alice", "?severity=error"))["items"]) == 1
    assert len((await stage.ask("alice", "?route=POST%20/work/%7Bwhat%7D"))["items"]) == 3
    assert (await stage.ask("alice", "?since=2999-01-01T00:00:00Z"))["items"] == []
    assert len((await stage.ask("alice", "?until=2999-01-01T00:00:00Z"))["items"]) == 6
    first = await stage.ask("alice", "?limit=4")
    second = await stage.ask("alice", f"?limit=4&before={first['nextBefore']}")
    ids = [each["id"] for each in (*first["items"], *second["items"])]
    assert ids == sorted(ids, reverse=True)
    assert (len(ids), second["nextBefore"]) == (6, None)


@pytest.mark.parametrize("query", ["type=x", "traceId=1", "limit=0", "since=today", "what=1"])
async def test_a_filter_that_is_wrong_is_named(stage: Stage, query: str) -> None:
    answer = await stage.house.client("alice").get(f"{EVENTS}?{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == query.split("=", maxsplit=1)[0]


async def test_only_administrators_see_events(stage: Stage) -> None:
    for path in (EVENTS, f"{EVENTS}/stream"):
        assert (await stage.house.client("mia").get(path)).status_code == 403
        assert (await stage.house.client().get(path)).status_code == 401
    answer = await stage.house.client("alice").get(
        f"{EVENTS}/stream", headers={"last-event-id": "x"}
    )
    assert answer.status_code == 400


@asynccontextmanager
async def served(app: Any) -> AsyncIterator[str]:
    """Serve over a real socket: a stream has no end that a client in this process would see."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    running = asyncio.create_task(server.serve())
    async with asyncio.timeout(DEADLINE):
        while not server.started:  # noqa: ASYNC110 -- nothing tells of it
            await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    server.force_exit = True
    await running


async def test_who_follows_is_sent_what_comes_and_goes_on_where_they_were(stage: Stage) -> None:
    await stage.send("alice", "POST", "well")
    await stage.watch.notice()
    headers = {"authorization": "Bearer alice"}
    async with (
        served(stage.house.app) as address,
        asyncio.timeout(DEADLINE),
        httpx.AsyncClient(base_url=address, headers=headers) as client,
    ):
        async with client.stream("GET", f"{EVENTS}/stream") as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            await stage.send("zoe", "POST", "well")
            await stage.send("alice", "DELETE", "well")
            await stage.watch.notice()
            lines = answer.aiter_lines()
            first = [await anext(lines) for _ in range(3)]
        assert first[0] == "event: action"
        assert "DELETE" in first[2]
        number = int(first[1].removeprefix("id: "))
        again = {"last-event-id": str(number - 2)}
        async with client.stream("GET", f"{EVENTS}/stream", headers=again) as answer:
            lines = answer.aiter_lines()
            assert [await anext(lines) for _ in range(3)] == first
