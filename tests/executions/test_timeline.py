"""A run's timeline: all that happened in its time, once and in order, at a cost that is flat."""

import asyncio
import json
from typing import Any

import httpx
import jsonpatch
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.executions import timeline
from roost.journal.upkeep import drop_older
from roost.web.paging import encode_cursor
from tests.executions.talking import API, claim, make_task, patch, problem, record, run_of
from tests.executions.timelines import Item, beat, change, happened, page, say, told, whole
from tests.journal.test_retention import age, settled
from tests.support.house import House


async def test_everything_of_the_runs_time_is_told_in_order(
    alice: httpx.AsyncClient, house: House
) -> None:
    task = await make_task(alice)
    await say(alice, task, "before")
    await change(alice, task, title="before")
    run = (await claim(alice, taskId=task))["id"]
    await say(alice, task, "hello")
    await record(alice, run, state={"n": 1})
    await change(alice, task, title="Another")
    await beat(alice, run)
    await record(alice, run, type="tool_call", data={"tool": "sh"})
    await beat(alice, run, usage={"tokensIn": 5})
    await patch(alice, run, status="awaiting_input")
    await patch(alice, run, status="running")
    await patch(alice, run, status="completed", task={"branch": "mended"})
    await say(alice, task, "after")
    await change(alice, task, title="After")

    items = await whole(alice, run)

    seen = told(items)
    assert sorted(seen[3:5]) == ["starting > running", "step 1"]
    assert [*seen[:3], *seen[5:]] == [
        "None > starting",
        "task /status",
        "said hello",
        "task /title",
        "step 2",
        "running > running",
        "running > awaiting_input",
        "task /status",
        "awaiting_input > running",
        "task /status",
        "running > completed",
        "task /branch,/completedAt,/status",
    ]
    times = [item["at"] for item in items]
    assert times == sorted(times)
    actors = {item["event"]["actorId"] for item in items if item["kind"] == "event"}
    assert actors == {str(house.people.known["alice"].user_id)}
    used = [item["event"]["usage"]["tokensIn"] for item in items if item["kind"] == "event"]
    assert used == [0, 0, 5, 5, 5, 5]
    assert (await page(alice, run))["changesSince"] is None


async def test_each_thing_is_shown_as_its_own_route_shows_it(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    before = (await alice.get(f"{API}/tasks/{task}")).json()["data"]
    run = (await claim(alice, taskId=task))["id"]
    await say(alice, task, "hello")
    await record(alice, run, description="a step")
    await change(alice, task, labels=["x"])
    items = await whole(alice, run)
    by_kind: dict[str, list[Any]] = {}
    for item in items:
        assert set(item) == {"kind", "at", item["kind"]}
        by_kind.setdefault(item["kind"], []).append(item[item["kind"]])
    steps = (await alice.get(f"{API}/executions/{run}/steps")).json()["data"]
    assert by_kind["step"] == steps
    messages = (await alice.get(f"{API}/tasks/{task}/messages")).json()["data"]
    assert by_kind["message"] == messages
    versions = (await alice.get(f"{API}/tasks/{task}/history")).json()["data"]
    changes = by_kind["taskChange"]
    for found, version in zip(changes, reversed(versions[:-1]), strict=True):
        assert found == {name: version[name] for name in found}
        before = jsonpatch.apply_patch(before, found["patch"])
    assert before == (await alice.get(f"{API}/tasks/{task}")).json()["data"]


async def test_a_run_that_nobody_kept_alive_ends_stale(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    task = await make_task(alice)
    run = (await claim(alice, taskId=task))["id"]
    await superuser.execute(
        "update executions set lease_expires_at = now() - interval '1 second' where id = $1", run
    )
    await superuser.execute("select expire_executions()")
    await change(alice, task, title="Later")
    assert told(await whole(alice, run)) == [
        "None > starting",
        "task /status",
        "starting > stale",
        "task /status",
    ]


async def test_a_queued_run_begins_with_its_waiting(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice)
    made = await alice.post(f"{API}/executions", json={"taskId": task})
    run = made.json()["data"]["id"]
    await say(alice, task, "while it waits")
    assert told(await whole(alice, run)) == ["None > queued", "said while it waits"]
    await claim(alice, taskId=task)
    assert told(await whole(alice, run))[2:] == ["queued > starting", "task /status"]


async def test_a_later_run_of_the_same_task_has_a_time_of_its_own(
    alice: httpx.AsyncClient,
) -> None:
    task = await make_task(alice)
    first = (await claim(alice, taskId=task))["id"]
    await say(alice, task, "first")
    await patch(alice, first, status="failed")
    await change(alice, task, status="pending")
    second = (await claim(alice, taskId=task))["id"]
    await say(alice, task, "second")
    assert [word for word in told(await whole(alice, first)) if "said" in word] == ["said first"]
    assert [word for word in told(await whole(alice, second)) if "said" in word] == ["said second"]


THINGS = st.lists(st.sampled_from(["step", "say", "change", "beat", "use"]), max_size=14)


@settings(
    max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(what=THINGS, limit=st.integers(1, 7), at_once=st.integers(1, 4))
async def test_pages_of_any_size_are_the_whole(
    alice: httpx.AsyncClient, what: list[str], limit: int, at_once: int
) -> None:
    run = await happened(alice, what)
    every = await whole(alice, run)
    assert [item["at"] for item in every] == sorted(item["at"] for item in every)
    counts = {
        kind: sum(item["kind"] == kind for item in every)
        for kind in ("step", "message", "taskChange", "event")
    }
    assert counts["step"] == what.count("step")
    assert counts["message"] == what.count("say")
    assert counts["taskChange"] == what.count("change") + 1
    assert counts["event"] == what.count("use") + (2 if "step" in what else 1)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(timeline, "EVENTS_AT_ONCE", at_once)
        assert await whole(alice, run, limit) == every
        patched.setattr(timeline, "MOST_READS", 1)
        assert await whole(alice, run, limit) == every


async def test_what_comes_while_somebody_reads_is_neither_lost_nor_told_twice(
    alice: httpx.AsyncClient,
) -> None:
    run = await happened(alice, ["step", "say", "change"] * 3)
    task = (await alice.get(f"{API}/executions/{run}")).json()["data"]["taskId"]
    items: list[Item] = []
    query: dict[str, Any] = {"limit": 3}
    for turn in range(100):
        found = await page(alice, run, **query)
        items += found["data"]
        query["cursor"] = found["pagination"]["nextCursor"]
        if query["cursor"] is None:
            break
        if turn < 5:
            await asyncio.gather(
                record(alice, run), say(alice, task, f"new {turn}"), change(alice, task, dueAt=None,
                description=str(turn)))  # fmt: skip
        if turn == 5:
            await patch(alice, run, status="completed")
            await say(alice, task, "too late")
    every = await whole(alice, run)
    key = json.dumps
    assert sorted(map(key, items)) == sorted(map(key, every))
    assert "said too late" not in told(items)


async def test_a_page_passes_over_heartbeats_and_may_be_short(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    run = await happened(alice, ["step"])
    await superuser.execute(
        f"""do $$ begin for n in 1..1200 loop
            update executions set heartbeat_at = clock_timestamp() where id = '{run}';
        end loop; end $$"""
    )
    await record(alice, run)
    first = await page(alice, run)
    assert told(first["data"])[-1] != "step 2"
    assert first["pagination"]["nextCursor"] is not None
    assert told(await whole(alice, run))[-1] == "step 2"


async def test_where_the_journal_is_gone_the_rest_comes_and_is_said_to_be_the_rest(
    own: tuple[httpx.AsyncClient, Any],
) -> None:
    alice, connection = own
    run = await happened(alice, ["step", "say", "change"])
    for days in (60, 150):
        await make_task(alice)
        await connection.execute("select journal.make_tick()")
        await settled(connection)
        await age(connection, days)
    await connection.execute(
        "update executions set created_at = created_at - interval '210 days' where id = $1", run
    )
    await drop_older(connection, 90)
    found = await page(alice, run)
    assert found["changesSince"] is not None
    words = told(found["data"])
    assert "step 1" in words
    assert "said 1" in words
    assert not [word for word in words if word.startswith("task")]
    assert told(await whole(alice, run, 1)) == words


CURSORS = [
    "x",
    encode_cursor(timeline._ORDER, ["1"]),
    encode_cursor(timeline._ORDER, ["x", *["1"] * 5]),
    encode_cursor(timeline._ORDER, [str(2**31), *["1"] * 5]),
    encode_cursor(timeline._ORDER, [*["1"] * 5, str(2**63)]),
    encode_cursor(timeline._ORDER, [*["1"] * 5, "-2"]),
]


@pytest.mark.parametrize("query", [*(f"cursor={each}" for each in CURSORS), "limit=0", "page=1"])
async def test_bad_questions_are_refused_by_parameter(alice: httpx.AsyncClient, query: str) -> None:
    run = (await run_of(alice))["id"]
    refused = await alice.get(f"{API}/executions/{run}/timeline?{query}")
    assert problem(refused) == (400, "VALIDATION_ERROR")
    assert refused.json()["errors"][0]["field"] == query.partition("=")[0]


async def test_only_the_workspace_sees_it(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, house: House
) -> None:
    run = (await run_of(alice))["id"]
    refused = await bob.get(f"{API}/executions/{run}/timeline")
    assert problem(refused) == (404, "EXECUTION_NOT_FOUND")
    assert await whole(house.client("victor"), run) == await whole(alice, run)
