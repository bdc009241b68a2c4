"""Lists and items as they were at a moment."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.history.calls import API, World


async def test_a_task_is_read_as_it_was(world: World) -> None:
    task = await world.task(title="first", metadata={"big": 2**70}, labels=["a"])
    path = f"/tasks/{task['id']}"
    first = await world.tick()
    second = await world.patch(path, title="second", description="long " * 1000)
    between = await world.tick()
    third = await world.patch(path, title="third")
    await world.tick()

    assert await world.get(path, asOf=first) == task
    assert await world.get(path, asOf=between) == second
    assert await world.get(path) == third


async def test_a_deleted_task_is_there_before_and_not_after(world: World) -> None:
    nothing = await world.tick()
    task = await world.task(title="short life")
    path = f"/tasks/{task['id']}"
    alive = await world.tick()
    await world.ask("DELETE", path, status=204)
    gone = await world.tick()

    assert await world.get(path, asOf=alive) == task
    assert [each["id"] for each in await world.get("/tasks", asOf=alive)] == [task["id"]]
    for moment in (nothing, gone):
        problem = await world.ask("GET", path, status=404, asOf=moment)
        assert problem["code"] == "TASK_NOT_FOUND"
        assert await world.get("/tasks", asOf=moment) == []


async def test_lists_have_their_filters_orders_searches_and_pages(world: World) -> None:
    for number in range(7):
        await world.task(
            title=f"Mend roof {number}",
            priority=["low", "urgent"][number % 2],
            labels=["even"] if number % 2 == 0 else [],
            description="100% of it" if number == 3 else "",
        )
    asked: list[dict[str, Any]] = [
        {},
        {"sort": "-priority,title", "limit": 3},
        {"label": "even", "sortBy": "title", "sortOrder": "asc"},
        {"search": "roo"},
        {"search": "rofo mend"},
        {"search": "100%"},
        {"priority": "urgent", "page": 2, "limit": 2},
    ]
    then = [await world.ask("GET", "/tasks", **params) for params in asked]
    tick = await world.tick()
    for found in await world.get("/tasks", limit=100):
        path = f"/tasks/{found['id']}"
        await world.patch(path, title="changed", priority="high", labels=[], description="")
    await world.task(title="Mend roof anew")

    for params, answer in zip(asked, then, strict=True):
        assert await world.ask("GET", "/tasks", asOf=tick, **params) == answer


async def test_cursors_lead_through_the_past(world: World) -> None:
    made = [await world.task(title=str(number)) for number in range(5)]
    tick = await world.tick()
    for task in made[:3]:
        await world.ask("DELETE", f"/tasks/{task['id']}", status=204)
    seen: list[Any] = []
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = await world.ask("GET", "/tasks", asOf=tick, limit=2, **cursor)
        seen += page["data"]
        following = page["pagination"]["nextCursor"]
        cursor = {"cursor": following} if following else None

    assert seen == made[::-1]


async def test_a_conversation_is_read_as_it_was(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    before = await world.tick()
    said = [await world.say(task["id"], text) for text in ("one", "two")]
    tick = await world.tick()
    await world.say(task["id"], "three")
    await world.ask("DELETE", path, status=204)
    after = await world.tick()

    assert await world.get(f"{path}/messages", asOf=tick) == said
    assert await world.get(f"{path}/messages", asOf=before) == []
    problem = await world.ask("GET", f"{path}/messages", status=404, asOf=after)
    assert problem["code"] == "TASK_NOT_FOUND"


async def test_environments_show_the_names_their_secrets_had_then(world: World) -> None:
    made = await world.environment("work", config={"exact": 1.50}, repository="a/b")
    path = f"/environments/{made['id']}"
    await world.ask("PUT", f"{path}/secrets/TOKEN", {"value": "s3cret-value"}, 204)
    with_secret = await world.get(path)
    tick = await world.tick()
    await world.ask("PUT", f"{path}/secrets/OTHER", {"value": "s3cret-value"}, 204)
    await world.ask("DELETE", f"{path}/secrets/TOKEN", status=204)
    await world.ask("POST", f"{path}/activate")
    later = await world.tick()
    await world.ask("DELETE", path, status=204)

    assert await world.get(path, asOf=tick) == with_secret
    assert await world.get("/environments", asOf=tick) == [with_secret]
    [then] = await world.get("/environments", asOf=later, isActive="true", search="OR")
    assert [secret["name"] for secret in then["secrets"]] == ["OTHER"]
    assert await world.get("/environments") == []


async def test_a_time_means_the_last_tick_made_until_then(world: World) -> None:
    task = await world.task(title="first")
    first = await world.tick()
    made_at = await world.connection.fetchval("select at from journal.tick where id = $1", first)
    await world.patch(f"/tasks/{task['id']}", title="second")
    await world.tick()

    path = f"/tasks/{task['id']}"
    for moment in (made_at.isoformat(), made_at.astimezone(UTC).isoformat().replace("+00:00", "Z")):
        assert (await world.get(path, asOf=moment))["title"] == "first"
    now = await world.connection.fetchval("select clock_timestamp()")
    assert (await world.get(path, asOf=now.isoformat()))["title"] == "second"
    long_ago = made_at - timedelta(days=10_000)
    assert (await world.ask("GET", path, status=404, asOf=long_ago.isoformat()))["code"]


@pytest.mark.parametrize(
    "given",
    [
        *("", "yesterday", "-1", "1.5", "null", "1e3", "9" * 30, "\u0661"),
        *("2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z"),
        "0001-01-01T00:00:00+14:00",
    ],
)
@pytest.mark.parametrize("path", ["/tasks", "/environments", "/history"])
async def test_what_is_no_moment_is_refused(world: World, path: str, given: str) -> None:
    problem = await world.ask("GET", path, status=400, asOf=given)
    assert problem["code"] == "VALIDATION_ERROR"
    assert problem["errors"][0]["field"] == "asOf"


@pytest.mark.parametrize("as_time", [True, False])
async def test_the_future_is_refused(world: World, *, as_time: bool) -> None:
    tick = await world.tick()
    later = (datetime.now(UTC) + timedelta(minutes=1)).isoformat() if as_time else tick + 1_000_000
    problem = await world.ask("GET", "/tasks", status=400, asOf=later)
    assert problem["code"] == "MOMENT_IN_FUTURE"


async def test_another_tenants_past_is_not_there(world: World, bob: httpx.AsyncClient) -> None:
    task = await world.task()
    await world.say(task["id"], "words")
    environment = await world.environment()
    tick = await world.tick()
    await world.ask("DELETE", f"/tasks/{task['id']}", status=204)
    await world.tick()

    theirs = World(bob, world.connection)
    assert await theirs.get("/tasks", asOf=tick) == []
    assert await theirs.get("/environments", asOf=tick) == []
    for path in (
        f"/tasks/{task['id']}",
        f"/tasks/{task['id']}/messages",
        f"/environments/{environment['id']}",
    ):
        await theirs.ask("GET", path, status=404, asOf=tick)
    await theirs.ask("GET", f"/tasks/{task['id']}/history", status=404)
    await theirs.ask("POST", f"/tasks/{task['id']}/restore", {"asOf": tick}, 404)
    await theirs.ask("POST", f"/tasks/{task['id']}/restore", {"version": 1}, 404)


async def test_the_past_is_not_sent_twice(world: World) -> None:
    task = await world.task()
    tick = await world.tick()
    path = f"{API}/tasks/{task['id']}?asOf={tick}"
    first = await world.client.get(path)
    again = await world.client.get(path, headers={"if-none-match": first.headers["etag"]})
    assert (first.status_code, again.status_code) == (200, 304)
