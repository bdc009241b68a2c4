"""Back to what was: one thing, with what belongs to it, or all of a workspace."""

from typing import Any

import httpx

from tests.history.calls import API, World

LATER = {"version", "updatedAt"}


def content(thing: dict[str, Any]) -> dict[str, Any]:
    """What of a thing a restore brings back."""
    return {name: value for name, value in thing.items() if name not in LATER}


async def everything(world: World, **params: Any) -> dict[str, list[Any]]:
    """Read all that a workspace has, without what a restore moves on."""
    shown = await world.get("/history", limit=100, **params)
    return {kind["kind"]: [content(each) for each in kind["items"]] for kind in shown["kinds"]}


async def test_a_task_goes_back_to_a_version(world: World) -> None:
    task = await world.task(title="first", labels=["a"], metadata={"deep": {"n": 1}})
    path = f"/tasks/{task['id']}"
    await world.patch(path, title="second", labels=[], metadata=None, status="completed")

    back = (await world.ask("POST", f"{path}/restore", {"version": 1}))["data"]

    assert content(back) == content(task)
    assert back["version"] == 3
    assert back == await world.get(path)
    [newest, *_] = await world.get(f"{path}/history")
    assert (newest["version"], newest["op"]) == (3, "changed")
    again = (await world.ask("POST", f"{path}/restore", {"version": 2}))["data"]
    assert (again["title"], again["status"]) == ("second", "completed")


async def test_a_task_goes_back_to_a_moment(world: World) -> None:
    task = await world.task(title="first")
    path = f"/tasks/{task['id']}"
    tick = await world.tick()
    await world.patch(path, title="second")

    back = (await world.ask("POST", f"{path}/restore", {"asOf": tick}))["data"]

    assert content(back) == content(task)


async def test_a_deleted_task_comes_back_with_its_conversation(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    said = [await world.say(task["id"], text) for text in ("one", "two")]
    tick = await world.tick()
    await world.ask("DELETE", path, status=204)

    bare = (await world.ask("POST", f"{path}/restore", {"asOf": tick}))["data"]
    assert content(bare) == content(task)
    assert bare["version"] == 2
    assert await world.get(f"{path}/messages") == []
    await world.ask("POST", f"{path}/restore", {"version": 1, "messages": True})
    # When version 1 was made nobody had said a thing, but its tick is the one that sees all three.
    assert await world.get(f"{path}/messages") == said


async def test_a_conversation_loses_what_was_said_since(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    first = await world.say(task["id"], "one")
    tick = await world.tick()
    for text in ("two", "three"):
        await world.say(task["id"], text)
    before = await world.tick()
    then = await world.get(f"{path}/messages")

    await world.ask("POST", f"{path}/restore", {"asOf": tick, "messages": True})
    assert await world.get(f"{path}/messages") == [first]
    await world.say(task["id"], "another two")
    await world.ask("POST", f"{path}/restore", {"asOf": before, "messages": True})
    assert await world.get(f"{path}/messages") == then


async def test_conditions_hold_for_restores(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    await world.patch(path, title="second")
    stale, fresh = {"headers": {"if-match": '"v1"'}}, {"headers": {"if-match": '"v2"'}}

    problem = await world.ask("POST", f"{path}/restore", {"version": 1}, 412, **stale)
    assert problem["currentVersion"] == 2
    await world.ask("POST", f"{path}/restore", {"version": 1}, 200, **fresh)
    await world.ask("DELETE", path, status=204)
    await world.ask("POST", f"{path}/restore", {"version": 1}, 412, **fresh)
    await world.ask("POST", f"{path}/restore", {"version": 1}, 200)


async def test_what_never_was_can_not_be_restored(world: World) -> None:
    nothing = await world.tick()
    task = await world.task()
    path = f"/tasks/{task['id']}"
    unknown = f"/tasks/{'0' * 8}-0000-7000-8000-{'0' * 12}"

    for where, wanted, code in (
        (path, {"version": 7}, "VERSION_NOT_FOUND"),
        (path, {"asOf": nothing}, "VERSION_NOT_FOUND"),
        (unknown, {"version": 1}, "TASK_NOT_FOUND"),
        (unknown, {"asOf": nothing}, "TASK_NOT_FOUND"),
    ):
        problem = await world.ask("POST", f"{where}/restore", wanted, 404)
        assert problem["code"] == code
    senseless: list[dict[str, Any]] = [
        {},
        {"version": 1, "asOf": nothing},
        {"version": 0},
        {"asOf": "x"},
        {"asOf": -1},
    ]
    for body in senseless:
        await world.ask("POST", f"{path}/restore", body, 400)
    assert await world.get(path) == task


async def test_what_a_task_named_and_is_gone_stays_empty(world: World) -> None:
    environment = await world.environment()
    task = await world.task(environmentId=environment["id"])
    tick = await world.tick()
    await world.ask("DELETE", f"/environments/{environment['id']}", status=204)

    back = await world.ask("POST", f"/tasks/{task['id']}/restore", {"asOf": tick})

    assert back["data"]["environmentId"] is None


async def test_an_environment_comes_back_without_its_secrets(world: World) -> None:
    made = await world.environment(config={"exact": 1.5})
    path = f"/environments/{made['id']}"
    await world.ask("PUT", f"{path}/secrets/TOKEN", {"value": "s3cret-value"}, 204)
    await world.ask("POST", f"{path}/activate")
    then = await world.get(path)
    await world.ask("DELETE", path, status=204)
    other = await world.environment("other")
    await world.ask("POST", f"/environments/{other['id']}/activate")

    back = (await world.ask("POST", f"{path}/restore", {"version": then["version"]}))["data"]

    expected = content(then) | {"secrets": [], "isActive": False}
    assert content(back) == expected
    assert (await world.get("/environments/active"))["id"] == other["id"]


async def test_a_workspace_goes_back_and_forth(world: World) -> None:
    environments = [await world.environment(name) for name in ("a", "b")]
    await world.ask("POST", f"/environments/{environments[0]['id']}/activate")
    tasks = [
        await world.task(title=str(number), environmentId=environments[number % 2]["id"])
        for number in range(4)
    ]
    for task in tasks:
        await world.say(task["id"], "hello")
    tick = await world.tick()
    then = await everything(world, asOf=tick)
    await world.ask("POST", f"/environments/{environments[1]['id']}/activate")
    await world.ask("DELETE", f"/environments/{environments[0]['id']}", status=204)
    await world.ask("DELETE", f"/tasks/{tasks[0]['id']}", status=204)
    await world.patch(f"/tasks/{tasks[1]['id']}", title="changed", environmentId=None)
    await world.say(tasks[2]["id"], "more")
    new = await world.task(title="new", environmentId=(await world.environment("new"))["id"])
    await world.say(new["id"], "new")
    later = await world.tick()
    now = await everything(world, asOf=later)

    dry = await world.ask("POST", "/history/restore", {"asOf": tick, "dryRun": True})
    assert await everything(world, asOf=await world.tick()) == now
    done = (await world.ask("POST", "/history/restore", {"asOf": tick}))["data"]

    assert await everything(world, asOf=await world.tick()) == then
    assert done["kinds"] == dry["data"]["kinds"]
    assert {kind.pop("kind"): kind for kind in done["kinds"]} == {
        "environments": {"created": 1, "changed": 1, "deleted": 1, "kept": 0},
        "tasks": {"created": 1, "changed": 2, "deleted": 1, "kept": 0},
        "messages": {"created": 1, "changed": 0, "deleted": 2, "kept": 0},
    }
    undone = await world.ask("POST", "/history/restore", {"asOf": done["before"]["tick"]})
    assert await everything(world, asOf=await world.tick()) == now
    [newest, *_] = await world.get(f"/tasks/{tasks[1]['id']}/history")
    assert newest["cause"] == undone["data"]["cause"]
    assert newest["cause"].startswith("restore/")


async def test_only_the_kinds_that_are_named_go_back(world: World) -> None:
    tick = await world.tick()
    task = await world.task()
    await world.environment()

    done = await world.ask("POST", "/history/restore", {"asOf": tick, "kinds": ["environments"]})

    assert [kind["kind"] for kind in done["data"]["kinds"]] == ["environments"]
    assert await world.get("/environments") == []
    assert await world.get("/tasks") == [task]
    problem = await world.ask("POST", "/history/restore", {"asOf": tick, "kinds": ["users"]}, 400)
    assert "tasks" in problem["detail"]


async def test_an_environment_with_secrets_stays(world: World) -> None:
    tick = await world.tick()
    environment = await world.environment()
    path = f"/environments/{environment['id']}"
    await world.ask("PUT", f"{path}/secrets/TOKEN", {"value": "s3cret-value"}, 204)

    done = await world.ask("POST", "/history/restore", {"asOf": tick})

    [kind, *_] = done["data"]["kinds"]
    assert (kind["kept"], kind["deleted"]) == (1, 0)
    assert (await world.get(path))["secrets"][0]["name"] == "TOKEN"


async def test_messages_of_tasks_that_are_gone_are_left_out(world: World) -> None:
    task = await world.task()
    await world.say(task["id"], "hello")
    tick = await world.tick()
    await world.ask("DELETE", f"/tasks/{task['id']}", status=204)

    done = await world.ask("POST", "/history/restore", {"asOf": tick, "kinds": ["messages"]})

    assert done["data"]["kinds"][0]["created"] == 0


async def test_a_repeated_request_restores_once(world: World) -> None:
    tick = await world.tick()
    await world.task()
    headers = {"idempotency-key": f"restore-{tick}"}
    first = await world.ask("POST", "/history/restore", {"asOf": tick}, headers=headers)
    task = await world.task()
    again = await world.ask("POST", "/history/restore", {"asOf": tick}, headers=headers)
    assert again == first
    assert await world.get("/tasks") == [task]


async def test_another_workspace_keeps_what_it_has(world: World, bob: httpx.AsyncClient) -> None:
    theirs = World(bob, world.connection)
    tick = await world.tick()
    task = await theirs.task()
    mine = await world.task()

    await world.ask("POST", "/history/restore", {"asOf": tick})

    assert await theirs.get("/tasks") == [task]
    assert await world.get("/tasks") == []
    assert mine["id"] != task["id"]
    answer = await bob.get(f"{API}/tasks/{task['id']}/history")
    assert len(answer.json()["data"]) == 1
