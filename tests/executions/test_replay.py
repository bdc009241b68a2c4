"""Replays: each step with its state, in the time it took, from wherever somebody wants."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec
import pytest

from roost.db.pool import Database
from roost.executions import replay
from roost.executions.replay import Clock
from roost.executions.routes import ExecutionRoutes
from roost.executions.viewing_routes import ViewingRoutes
from roost.tasks.routes import TaskRoutes
from tests.executions.conftest import BOX
from tests.executions.talking import API, data, patch, run_of
from tests.support.house import House
from tests.support.schema import pool_config

Step = dict[str, Any]


@dataclass
class Time:
    """A time that stands still but for those who wait; `meanwhile` is what happens then."""

    now: float = 1000.0
    waits: list[float] = field(default_factory=list)
    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds
        if self.meanwhile is not None:
            await self.meanwhile()


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
async def house(roost_database: str, clock: Time) -> AsyncIterator[House]:
    """A server with one connection to its database, and a time of the test's own."""
    database = await Database.connect(pool_config(roost_database, max_connections=1))
    house = House(database)
    alice = house.people.add("alice")
    house.people.add("victor", role="viewer", workspace_id=alice.workspace_id)
    house.people.add("bob")
    timed = ViewingRoutes(house.kit, Clock(lambda: clock.now, clock.sleep)).endpoints()
    known = {each.path for each in timed}
    rest = ExecutionRoutes(house.kit, BOX).endpoints()
    house.mount(
        [
            *timed,
            *(each for each in rest if each.path not in known),
            *TaskRoutes(house.kit, alike=True).endpoints(),
        ]
    )
    yield house
    await database.close()


async def recorded(
    client: httpx.AsyncClient, superuser: Any, count: int, seconds: float = 1.0
) -> str:
    """Make a run whose steps came so many seconds apart, each with a state of its own."""
    run = str((await run_of(client))["id"])
    steps = [
        {"type": "message", "description": f"step {n}", "state": {"n": n, "long": "x" * 100}}
        for n in range(1, count + 1)
    ]
    for start in range(0, count, 500):
        answer = await client.post(
            f"{API}/executions/{run}/steps/batch", json={"steps": steps[start : start + 500]}
        )
        assert answer.status_code == 201, answer.text
    await superuser.execute(
        "update steps set at = '2026-01-01T00:00:00Z'::timestamptz"
        " + make_interval(secs => number * $2::double precision) where execution_id = $1",
        run,
        seconds,
    )
    return run


def events(text: str) -> list[tuple[str, int, Any]]:
    """Read server-sent events: name, id, data; a comment is its own name."""
    found = []
    for block in text.removesuffix("\n\n").split("\n\n"):
        if block.startswith(":"):
            found.append((":", 0, None))
            continue
        lines = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((lines["event"], int(lines["id"]), msgspec.json.decode(lines["data"])))
    return found


async def played(
    client: httpx.AsyncClient, run: str, had: str | None = None, **query: Any
) -> list[tuple[str, int, Any]]:
    headers = {} if had is None else {"last-event-id": had}
    answer = await client.get(f"{API}/executions/{run}/replay", params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return events(answer.text)


def numbers(found: list[tuple[str, int, Any]]) -> list[int]:
    return [number for name, number, _ in found if name == "step"]


async def test_each_step_comes_with_its_state_after_as_long_as_it_took(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 3)
    await patch(alice, run, status="completed")
    *steps, end = await played(alice, run)
    assert clock.waits == [1.0, 1.0]
    shown = await data(alice, f"/executions/{run}/steps")
    assert [(name, number) for name, number, _ in steps] == [("step", n) for n in (1, 2, 3)]
    for (_, number, step), plain in zip(steps, shown, strict=True):
        assert step == {**plain, "state": {"n": number, "long": "x" * 100}}
    assert end == ("end", 3, {"step": 3, "lastStep": 3, "status": "completed"})


@pytest.mark.parametrize(
    ("query", "waits"),
    [
        ({"speed": 2}, [2.0]),
        ({"speed": 0.5, "maxGap": 30}, [8.0]),
        ({"speed": 0.25}, [5.0]),
        ({"speed": 10, "maxGap": 0.1}, [0.1]),
        ({"maxGap": 0}, []),
    ],
)
async def test_speed_and_the_longest_gap_are_kept(
    alice: httpx.AsyncClient,
    superuser: Any,
    clock: Time,
    query: dict[str, float],
    waits: list[float],
) -> None:
    run = await recorded(alice, superuser, 2, seconds=4.0)
    found = await played(alice, run, None, **query)
    assert numbers(found) == [1, 2]
    assert sum(clock.waits) == pytest.approx(sum(waits))


async def test_the_states_of_a_long_run_are_those_that_are_read_one_by_one(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await recorded(alice, superuser, 130, seconds=0.0)
    found = await played(alice, run)
    assert numbers(found) == list(range(1, 131))
    for number in (1, 20, 21, 50, 51, 52, 101, 130):
        read = await data(alice, f"/executions/{run}/state", step=number)
        assert found[number - 1][2]["state"] == read["state"] == {"n": number, "long": "x" * 100}


async def test_steps_without_states_are_played_too(alice: httpx.AsyncClient) -> None:
    run = (await run_of(alice))["id"]
    steps: list[Step] = [
        {},
        {"state": [1]},
        {},
        {"state": None},
        {},
        {"state": [1.50]},
        {"state": None},
    ]
    body = {"steps": [{"type": "message", **step} for step in steps]}
    await alice.post(f"{API}/executions/{run}/steps/batch", json=body)
    states = [step["state"] for name, _, step in await played(alice, run) if name == "step"]
    assert states == [None, [1], [1], None, None, [1.5], None]


async def test_it_goes_from_a_step_to_a_step_and_waits_for_neither(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 60)
    one = await played(alice, run, None, **{"from": 55, "to": 55})
    assert (numbers(one), clock.waits) == ([55], [])
    assert one[0][2]["state"]["n"] == 55
    assert numbers(await played(alice, run, None, **{"from": 57})) == [57, 58, 59, 60]
    assert numbers(await played(alice, run, to=2)) == [1, 2]
    [end] = await played(alice, run, None, **{"from": 61})
    assert end == ("end", 60, {"step": 60, "lastStep": 60, "status": "running"})


async def test_it_resumes_after_the_last_step_that_was_had(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await recorded(alice, superuser, 5, seconds=0.0)
    whole = await played(alice, run)
    for had in range(6):
        resumed = await played(alice, run, str(had))
        assert resumed == whole[had:]
        assert await played(alice, run, str(had), **{"from": 2}) == (resumed)
    [end] = await played(alice, run, "4", to=3)
    assert end[0] == "end"


async def test_a_run_without_steps_is_over_at_once(alice: httpx.AsyncClient) -> None:
    run = (await run_of(alice))["id"]
    assert await played(alice, run) == [
        ("end", 0, {"step": 0, "lastStep": 0, "status": "starting"})
    ]
    answer = await alice.get(f"{API}/executions/{run}/replay?format=json")
    assert answer.json()["data"] == []


async def test_a_step_that_comes_meanwhile_is_played(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 2)

    async def meanwhile() -> None:
        clock.meanwhile = None
        # The only connection is free while it waits.
        answer = await alice.post(f"{API}/executions/{run}/steps", json={"type": "message"})
        assert answer.status_code == 201

    clock.meanwhile = meanwhile
    assert numbers(await played(alice, run, maxGap=1)) == [1, 2, 3]


async def test_long_gaps_are_filled_with_comments(
    alice: httpx.AsyncClient, superuser: Any, clock: Time
) -> None:
    run = await recorded(alice, superuser, 2, seconds=35.0)
    found = await played(alice, run, maxGap=100)
    assert [name for name, *_ in found] == ["step", ":", ":", ":", "step", "end"]
    assert sum(clock.waits) == pytest.approx(35)
    assert max(clock.waits) <= replay.LOOK


async def test_a_reader_who_leaves_is_waited_for_no_more(
    alice: httpx.AsyncClient, superuser: Any, clock: Time, house: House
) -> None:
    run = await recorded(alice, superuser, 3)
    left, cancelled = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        left.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    clock.meanwhile = meanwhile
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    path = f"{API}/executions/{run}/replay"
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer alice"), (b"host", b"roost.test")],
        "client": ("127.0.0.1", 1),
        "server": ("roost.test", 80),
    }
    async with asyncio.timeout(20):
        await house.app(scope, receive, send)
    assert cancelled.is_set()
    assert numbers(events(b"".join(each.get("body", b"") for each in sent).decode())) == [1]


async def test_nobody_who_may_not_any_more_gets_the_rest(
    alice: httpx.AsyncClient, superuser: Any, clock: Time, house: House
) -> None:
    run = await recorded(alice, superuser, 3)

    async def meanwhile() -> None:
        house.people.known.pop("alice", None)

    clock.meanwhile = meanwhile
    transport = httpx.ASGITransport(house.app, raise_app_exceptions=False)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://roost.test", headers=dict(alice.headers)
    ) as client:
        answer = await client.get(f"{API}/executions/{run}/replay")
    assert numbers(events(answer.text)) == [1]
    assert "event: end" not in answer.text
