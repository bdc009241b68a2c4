"""What became of a workspace between two moments."""

from typing import Any

import jsonpatch
import pytest

from tests.history.calls import World


async def pages(world: World, limit: int, **params: Any) -> list[dict[str, Any]]:
    """Follow the cursors to the end."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = await world.ask("GET", "/history/diff", limit=limit, **params, **cursor)
        found += page["data"]
        following = page["pagination"]["nextCursor"]
        cursor = {"cursor": following} if following else None
    return found


async def test_each_thing_that_differs_is_told_with_a_patch(world: World) -> None:
    kept, gone, same = [await world.task(title=title) for title in ("kept", "gone", "same")]
    start = await world.tick()
    changed = await world.patch(f"/tasks/{kept['id']}", title="changed", labels=["x"])
    await world.ask("DELETE", f"/tasks/{gone['id']}", status=204)
    new = await world.task(title="new")
    passing = await world.task(title="came and went")
    await world.ask("DELETE", f"/tasks/{passing['id']}", status=204)
    environment = await world.environment()
    message = await world.say(same["id"], "hello")
    end = await world.tick()
    await world.task(title="after it")
    await world.tick()

    answer = await world.ask("GET", "/history/diff", **{"from": start, "to": end})

    told = {(each["kind"], each["id"]): each for each in answer["data"]}
    assert {key: each["change"] for key, each in told.items()} == {
        ("environments", environment["id"]): "created",
        ("tasks", kept["id"]): "changed",
        ("tasks", gone["id"]): "deleted",
        ("tasks", new["id"]): "created",
        ("messages", message["id"]): "created",
    }
    assert answer["pagination"]["total"] == 5
    patch = jsonpatch.JsonPatch(told["tasks", kept["id"]]["patch"])
    assert patch.apply(kept) == changed
    assert told["tasks", gone["id"]]["patch"] == []
    assert told["messages", message["id"]]["patch"][0]["value"] == message


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_lead_through_all_kinds(world: World, limit: int) -> None:
    start = await world.tick()
    for number in range(4):
        task = await world.task(title=str(number))
        await world.say(task["id"], "hello")
    for name in ("a", "b"):
        await world.environment(name)
    end = await world.tick()
    params = {"from": start, "to": end}
    whole = await world.ask("GET", "/history/diff", limit=100, **params)

    assert whole["pagination"]["total"] == len(whole["data"]) == 10
    assert await pages(world, limit, **params) == whole["data"]
    by_number = []
    for page in range(1, 10 // limit + 2):
        by_number += (await world.ask("GET", "/history/diff", limit=limit, page=page, **params))[
            "data"
        ]
    assert by_number == whole["data"]
    tasks = await world.get("/history/diff", kind="tasks", **params)
    assert tasks == [each for each in whole["data"] if each["kind"] == "tasks"]


async def test_without_an_end_it_goes_to_the_newest_tick(world: World) -> None:
    start = await world.tick()
    task = await world.task()
    await world.tick()
    await world.task(title="not ticked yet")
    found = await world.get("/history/diff", **{"from": start})
    assert [each["id"] for each in found] == [task["id"]]


async def test_senseless_spans_are_refused(world: World) -> None:
    await world.task()
    tick = await world.tick()
    for params in (
        {},
        {"from": tick, "to": tick - 1},
        {"from": "x"},
        {"from": tick + 10**9},
        {"from": tick, "kind": "users"},
        {"from": tick, "cursor": "x"},
        {"from": tick, "cursor": "WyJraW5kIiwidXNlcnMiLCJ4Il0"},
    ):
        await world.ask("GET", "/history/diff", status=400, **params)
    assert await world.get("/history/diff", **{"from": tick, "to": tick}) == []


async def test_a_workspace_is_shown_as_it_was_by_kind(world: World) -> None:
    tasks = [await world.task(title=str(number)) for number in range(3)]
    said = await world.say(tasks[0]["id"], "hello")
    tick = await world.tick()
    await world.ask("DELETE", f"/tasks/{tasks[0]['id']}", status=204)

    shown = await world.get("/history", asOf=tick, limit=2)

    assert shown["asOf"]["tick"] == tick
    kinds = {kind["kind"]: kind for kind in shown["kinds"]}
    assert {name: kind["total"] for name, kind in kinds.items()} == {
        "environments": 0,
        "tasks": 3,
        "messages": 1,
    }
    assert kinds["tasks"]["items"] == tasks[:2]
    assert kinds["messages"]["items"] == [said]
    cursor = kinds["tasks"]["nextCursor"]
    rest = await world.get("/history", asOf=tick, limit=2, kind="tasks", cursor=cursor)
    assert rest["kinds"][0]["items"] == tasks[2:]
    await world.ask("GET", "/history", status=400, asOf=tick, cursor=cursor)
    await world.ask("GET", "/history", status=400)
