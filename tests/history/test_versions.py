"""The versions of one thing, newest first, with what each changed."""

from typing import Any

import jsonpatch

from tests.history.calls import World


def replay(versions: list[dict[str, Any]]) -> list[Any]:
    """Apply the patches from the first on; gives the document after each."""
    documents: list[Any] = []
    document: Any = None
    for version in reversed(versions):
        document = jsonpatch.JsonPatch(version["patch"]).apply(document)
        documents.append(document)
    return documents


async def test_the_patches_lead_through_all_versions(world: World) -> None:
    task = await world.task(title="first", metadata={"a/b": [1, 2], "~": None})
    path = f"/tasks/{task['id']}"
    first = await world.tick()
    second = await world.patch(path, title="second", metadata={"a/b": [2, 3]}, labels=["x"])
    third = await world.patch(path, description="words", status="in_progress")
    second_tick = await world.tick()

    versions = await world.get(f"{path}/history")

    assert [version["version"] for version in versions] == [3, 2, 1]
    assert [version["op"] for version in versions] == ["changed", "changed", "created"]
    assert [version["tick"] for version in versions] == [second_tick, second_tick, first]
    assert replay(versions) == [task, second, third]


async def test_a_deleted_tasks_versions_end_with_its_deletion(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    await world.ask("DELETE", path, status=204)
    await world.tick()

    deleted, created = await world.get(f"{path}/history")

    assert (deleted["op"], deleted["patch"], deleted["version"]) == ("deleted", [], 1)
    assert created["patch"] == [{"op": "add", "path": "", "value": task}]
    await world.ask("GET", f"/tasks/{'0' * 8}-0000-0000-0000-{'0' * 12}/history", status=404)


async def test_who_and_why_are_told(world: World) -> None:
    answer = await world.client.post("/api/v1/tasks", json={"title": "mine"})
    task = answer.json()["data"]
    [version] = await world.get(f"/tasks/{task['id']}/history")
    assert version["actorId"] == task["createdBy"]
    assert version["tick"] is None


async def test_versions_are_paged_both_ways(world: World) -> None:
    task = await world.task()
    path = f"/tasks/{task['id']}"
    for number in range(6):
        await world.patch(path, title=str(number))
    whole = await world.ask("GET", f"{path}/history", limit=100)
    assert whole["pagination"]["total"] == len(whole["data"]) == 7

    paged: list[Any] = []
    cursor: dict[str, Any] | None = {}
    while cursor is not None:
        page = await world.ask("GET", f"{path}/history", limit=3, **cursor)
        paged += page["data"]
        following = page["pagination"]["nextCursor"]
        cursor = {"cursor": following} if following else None
    assert paged == whole["data"]
    second = await world.ask("GET", f"{path}/history", limit=3, page=2)
    assert second["data"] == whole["data"][3:6]
    for cursor_text in ("x", "WyItZW50cnkiLCIteCJd", "WyItZW50cnkiLG51bGxd"):
        await world.ask("GET", f"{path}/history", status=400, cursor=cursor_text)
    await world.ask("GET", f"{path}/history", status=400, cursor="x", page=1)


async def test_numbers_of_a_config_keep_all_their_digits(world: World) -> None:
    answer = await world.client.post(
        "/api/v1/environments",
        content=b'{"name":"work","config":{"n":1.00000000000000000001}}',
        headers={"content-type": "application/json"},
    )
    path = f"/environments/{answer.json()['data']['id']}"
    await world.client.patch(
        f"/api/v1{path}",
        content=b'{"config":{"n":1.00000000000000000002}}',
        headers={"content-type": "application/json"},
    )
    text = (await world.client.get(f"/api/v1{path}/history")).text
    assert '"path":"/config/n","value":1.00000000000000000002' in text


async def test_secrets_values_are_in_no_history(world: World) -> None:
    environment = await world.environment()
    path = f"/environments/{environment['id']}"
    await world.ask("PUT", f"{path}/secrets/TOKEN", {"value": "s3cret-value"}, 204)
    tick = await world.tick()
    answers = [
        await world.client.get(f"/api/v1{where}")
        for where in (
            f"{path}/history",
            f"{path}?asOf={tick}",
            f"/history?asOf={tick}",
            "/history/diff?from=0",
        )
    ]
    assert all(answer.status_code == 200 for answer in answers)
    assert not any("s3cret" in answer.text or "ciphertext" in answer.text for answer in answers)
