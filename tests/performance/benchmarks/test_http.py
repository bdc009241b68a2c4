"""Benchmarks over HTTP: watched, compared, made the baseline; by administrators, in due form."""

import asyncio
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from tests.migration.test_watching import events_of
from tests.performance.benchmarks.conftest import API, Hall


async def test_its_progress_is_seen_as_events(hall: Hall) -> None:
    run_id = await hall.begin(suites=["crud", "lists", "migration"], repetitions=4)
    async with asyncio.timeout(30):
        answer = await hall.alice.get(f"{API}/{run_id}/events")
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = events_of(answer.text)
    assert {name for name, _, _ in events[:-1]} == {"progress"}
    name, identifier, run = events[-1]
    assert (name, run["id"], run["state"]) == ("end", run_id, "completed")
    done = [each["progress"]["done"] for _, _, each in events]
    assert done == sorted(done)
    assert done[-1] == 12
    again = await hall.alice.get(f"{API}/{run_id}/events", headers={"last-event-id": identifier})
    assert again.status_code == 204


async def test_who_watches_one_that_is_removed_sees_the_end(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    watching = asyncio.create_task(endless.alice.get(f"{API}/{run_id}/events"))
    await endless.working(run_id)
    await endless.alice.delete(f"{API}/{run_id}")
    async with asyncio.timeout(10):
        answer = await watching
    assert events_of(answer.text)[-1][0] == "progress"


async def test_nothing_is_held_while_somebody_watches(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    await endless.working(run_id)
    watching = [asyncio.create_task(endless.alice.get(f"{API}/{run_id}/events")) for _ in range(10)]
    # More than the doctor has connections.
    for _ in range(20):
        assert (await endless.run(run_id))["state"] == "running"
        await asyncio.sleep(0.05)
    await endless.alice.post(f"{API}/{run_id}/cancel")
    async with asyncio.timeout(10):
        for each in asyncio.as_completed(watching):
            assert events_of((await each).text)[-1][0] == "end"


async def quicken(hall: Hall, run_id: str) -> None:
    """Make a run of the past twenty times as quick as it was: no noise is as loud."""
    run = await hall.run(run_id)
    for each in run["results"]:
        for name in ("roundMediansMs", "figuresMs"):
            each[name] = [value / 20 for value in each[name]]
    await hall.admin.execute(
        "update performance.benchmark_run set results = $2, environment ="
        """ environment || '{"work_mem": "1GB"}' where id = $1""",
        run_id,
        msgspec.json.encode(run["results"]).decode(),
    )


async def test_a_run_that_is_far_slower_is_a_regression(hall: Hall) -> None:
    first = await hall.begin(suites=["crud"], repetitions=6)
    await hall.ended(first)
    answer = await hall.alice.post(f"{API}/{first}/baseline")
    assert answer.json()["data"]["isBaseline"]
    await quicken(hall, first)
    second = await hall.ended(await hall.begin(suites=["crud"], repetitions=6, baseline="latest"))
    assert second["baselineId"] == first
    comparison = second["comparison"]
    assert comparison["baselineId"] == first
    assert comparison["verdict"] == "regression"
    slower = {each["name"]: each for each in comparison["changes"]}
    assert slower["read"]["verdict"] == "regression", slower
    assert slower["read"]["change"] > 0.2
    assert slower["read"]["low"] <= slower["read"]["change"] <= slower["read"]["high"]
    assert [each["name"] for each in comparison["differences"]] == ["work_mem"]
    # The other way round it is an improvement.
    back = await hall.run(first, f"?compare={second['id']}")
    assert {each["name"]: each for each in back["comparison"]["changes"]}["read"][
        "verdict"
    ] == "improvement"


async def test_a_run_against_itself_is_the_same(hall: Hall) -> None:
    run = await hall.ended(await hall.begin(suites=["crud", "lists"], repetitions=6))
    assert run["comparison"] is None
    compared = (await hall.run(run["id"], f"?compare={run['id']}"))["comparison"]
    assert compared["verdict"] == "same"
    assert {each["change"] for each in compared["changes"]} == {0}


async def test_there_is_one_baseline(hall: Hall) -> None:
    runs = [await hall.begin(suites=["lists"], repetitions=3)]
    await hall.ended(runs[0])
    runs.append(await hall.begin(suites=["lists"], repetitions=3, baseline=runs[0]))
    assert (await hall.ended(runs[1]))["comparison"]["baselineId"] == runs[0]
    for run_id in (*runs, *runs):
        assert (await hall.alice.post(f"{API}/{run_id}/baseline")).status_code == 200
        listed = (await hall.alice.get(API)).json()["data"]
        assert [each["id"] for each in listed if each["isBaseline"]] == [run_id]
    assert [each["id"] for each in listed] == runs[::-1]
    assert len((await hall.alice.get(f"{API}?limit=1")).json()["data"]) == 1
    # Without its baseline a run is what it was, and compared with nothing.
    assert (await hall.alice.delete(f"{API}/{runs[0]}")).status_code == 204
    assert (await hall.run(runs[1]))["comparison"] is None


async def test_one_without_results_is_no_baseline(endless: Hall) -> None:
    run_id = await endless.begin(suites=["sync"])
    answer = await endless.alice.post(f"{API}/{run_id}/baseline")
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")


async def test_the_same_key_begins_one(endless: Hall) -> None:
    key = {"idempotency-key": "once"}
    first = await endless.alice.post(API, json={"suites": ["sync"]}, headers=key)
    again = await endless.alice.post(API, json={"suites": ["sync"]}, headers=key)
    assert (again.status_code, again.json()) == (202, first.json())
    assert first.headers["location"] == f"{API}/{first.json()['data']['id']}"


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({"suites": ["nonsense"]}, "suites[0]"),
        ({"suites": []}, "suites"),
        ({"suites": "crud"}, "suites"),
        ({"repetitions": 2}, "repetitions"),
        ({"repetitions": 21}, "repetitions"),
        ({"repetitions": "5"}, "repetitions"),
        ({"maxSeconds": 4}, "maxSeconds"),
        ({"maxSeconds": 601}, "maxSeconds"),
        ({"name": ""}, "name"),
        ({"name": "a\u0000"}, "name"),
        ({"baseline": "yesterday"}, "baseline"),
        ({"baseline": "latest"}, "baseline"),
        ({"baseline": str(uuid4())}, "baseline"),
        ({"tables": ["tasks"]}, "tables"),
    ],
)
async def test_a_wrong_order_is_refused_by_name(
    hall: Hall, order: dict[str, Any], field: str
) -> None:
    answer = await hall.alice.post(API, json=order)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field, answer.text
    assert (await hall.alice.get(API)).json()["data"] == []


async def test_wrong_parameters_are_refused_by_name(hall: Hall) -> None:
    run_id = uuid4()
    for path, field in (
        ("?limit=0", "limit"),
        ("?limit=101", "limit"),
        ("?order=name", "order"),
        (f"/{run_id}?compare=x", "compare"),
        ("/x", "id"),
    ):
        answer = await hall.alice.get(API + path)
        assert answer.status_code == 400, path
        assert answer.json()["errors"][0]["field"] == field
    run = await hall.ended(await hall.begin(suites=["lists"], repetitions=3))
    answer = await hall.alice.get(f"{API}/{run['id']}?compare={run_id}")
    assert answer.json()["errors"][0]["field"] == "compare"


async def test_an_unknown_one_is_not_found(hall: Hall) -> None:
    for method, path in (
        ("GET", ""),
        ("GET", "/events"),
        ("POST", "/cancel"),
        ("POST", "/baseline"),
        ("DELETE", ""),
    ):
        answer = await hall.alice.request(method, f"{API}/{uuid4()}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "BENCHMARK_NOT_FOUND")


async def test_administrators_only_and_readers_only_read(hall: Hall) -> None:
    run_id = (await hall.ended(await hall.begin(suites=["lists"], repetitions=3)))["id"]
    reads = (("GET", API), ("GET", f"{API}/{run_id}"), ("GET", f"{API}/{run_id}/events"))
    writes = (
        ("POST", API),
        ("POST", f"{API}/{run_id}/cancel"),
        ("POST", f"{API}/{run_id}/baseline"),
        ("DELETE", f"{API}/{run_id}"),
    )
    for bearer, may_read in (("reader", 200), ("mia", 403), (None, 401)):
        client = hall.house.client(bearer)
        for method, path in reads:
            assert (await client.request(method, path)).status_code == may_read, (bearer, path)
        for method, path in writes:
            answer = await client.request(method, path, json={} if path == API else None)
            assert answer.status_code == (403 if may_read == 200 else may_read), (bearer, path)
    assert (await hall.run(run_id))["state"] == "completed"
