"""Errors of the server's own: recognised, counted, listed; what they said is nowhere."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import DOCTOR_ROLE
from roost.performance.routes import PerformanceRoutes
from roost.performance.watching import Pace, Watch
from roost.telemetry import Telemetry
from roost.telemetry.faults import fault_of
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.reply import Reply
from tests.performance.conftest import Ask
from tests.support.app import BASE
from tests.support.house import House
from tests.support.schema import as_role, pool_config


async def _break(call: Call) -> Reply:
    message = "hunter2"
    if "other" in call.request.path_params["name"]:
        raise KeyError(message)
    raise ValueError(message)


class Broken:
    """A server with a route that fails, behind real telemetry."""

    def __init__(self, house: House, watch: Watch, telemetry: Telemetry) -> None:
        self.house = house
        self.watch = watch
        self.telemetry = telemetry

    async def get(self, name: str) -> httpx.Response:
        app: Any = self.telemetry.middleware(self.house.app)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.get(f"/broken/{name}")


@pytest.fixture
async def broken(fresh_roost_database: str) -> AsyncIterator[Broken]:
    telemetry = Telemetry.from_environment({}, service_version="1")
    config = pool_config(fresh_roost_database)
    pool = await Database.connect(config, telemetry.observer)
    url = as_role(fresh_roost_database, DOCTOR_ROLE)
    doctor = await Database.connect(replace(config, url=url, max_connections=2))
    house = House(pool)
    house.people.add("alice")
    failing = Endpoint("GET", "/broken/{name:str}", _break, Contract("Fails", None))
    house.mount([*PerformanceRoutes(house.kit, doctor).endpoints(), failing])
    watch = Watch(doctor, pool, telemetry.tally, keep_days=15, pace=Pace(activity=0.0))
    yield Broken(house, watch, telemetry)
    await doctor.close()
    await pool.close()
    telemetry.shutdown()


@pytest.fixture
def house(broken: Broken) -> House:
    return broken.house


async def test_the_same_error_is_one_with_its_count_and_its_last_trace(
    broken: Broken, ask: Ask
) -> None:
    for number in range(5):
        answer = await broken.get(f"one-{number}")
        assert answer.status_code == 500
        if number == 2:
            await broken.watch.notice()
    await broken.get("other")
    await broken.watch.notice()
    first, second = await ask("errors")
    assert (first["kind"], first["count"], first["total"]) == ("ValueError", 5, 5)
    assert first["route"] == "GET /broken/{name}"
    assert first["status"] == 500
    assert first["isNew"]
    assert first["traceId"] == answer.json()["traceId"]
    assert first["place"].startswith("web.")
    assert (second["kind"], second["count"]) == ("KeyError", 1)


async def test_what_an_error_said_is_not_kept(broken: Broken, ask: Ask) -> None:
    await broken.get("one")
    await broken.watch.notice()
    answer = await broken.house.client("alice").get("/api/v1/performance/errors")
    assert answer.json()["data"]
    assert "hunter2" not in answer.text
    assert len(await ask("errors?limit=1&range=5m")) == 1


async def test_answers_that_are_no_fault_of_the_servers_are_not_counted(
    broken: Broken, ask: Ask
) -> None:
    await broken.house.client().get("/api/v1/performance/errors")  # 401
    await broken.house.client("alice").get("/api/v1/performance/queries/1")  # 404
    await broken.watch.notice()
    assert await ask("errors") == []


def test_an_error_is_known_by_kind_place_and_route() -> None:
    def failed(text: str) -> BaseException:
        with pytest.raises(ValueError) as caught:  # noqa: PT011 -- whatever it says
            int(text)
        return caught.value

    one, other = fault_of(failed("x"), "GET /x", 500), fault_of(failed("y"), "GET /x", 500)
    assert one == other
    assert fault_of(failed("x"), "GET /y", 500).fingerprint != one.fingerprint
    assert fault_of(None, "GET /x", 503).kind == "HTTP 503"
