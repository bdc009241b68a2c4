"""Conflicts: what can be said about them, and what becomes of both sides."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.migration.bench import API, DATA, Bench, Person, store, task

TASK = task(1)["id"]
LATER = "2030-01-01T00:00:00.000Z"


async def conflicting(person: Person, **config: Any) -> dict[str, Any]:
    """A task that both sides have changed, and a preference, migrated again."""
    await person.migrate({"task-store": store(task(1), task(2)), "theme": "dark"})
    patch = {"title": "mine", "labels": ["here"]}
    answer = await person.client.patch(f"{API}/tasks/{TASK}", json=patch)
    assert answer.status_code == 200, answer.text
    changed = task(1, title="theirs", branch="feature", updatedAt=LATER)
    changed["messages"] = [*changed["messages"], "one more"]
    return await person.migrate({"task-store": store(changed, task(2)), "theme": "light"}, **config)


async def resolve(person: Person, migration: dict[str, Any], *answers: Any) -> dict[str, Any]:
    path = f"{API}/migration/{migration['id']}/resolutions"
    answer = await person.client.post(path, json={"resolutions": answers})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()["data"]
    return document


async def titles(person: Person) -> set[str]:
    return {each["title"] for each in await person.get("/tasks")}


async def test_interactive_waits_and_shows_both_sides(bench: Bench) -> None:
    person = await bench.person()
    migration = await conflicting(person)
    assert migration["state"] == "awaiting_resolution"
    assert (migration["counts"]["conflict"], migration["counts"]["unresolved"]) == (2, 2)
    conflict = next(each for each in await person.items(migration) if each["kind"] == "task")
    sides = conflict["conflict"]
    assert sides["existing"]["title"] == "mine"
    assert sides["incoming"]["title"] == "theirs"
    assert {"title", "labels", "branch", "messages"} <= set(sides["fields"])
    assert await titles(person) == {"mine", "Task 2"}


async def test_what_is_resolved_in_part_goes_on_waiting(bench: Bench) -> None:
    person = await bench.person()
    migration = await conflicting(person)
    waiting = await resolve(person, migration, {"kind": "task", "resolution": "skip"})
    assert waiting["state"] == "awaiting_resolution"
    assert waiting["counts"]["unresolved"] == 1
    answer = await person.client.post(f"{API}/migration/{migration['id']}/apply")
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_STATE")
    done = await resolve(person, migration, {"key": "theme", "resolution": "overwrite"})
    assert (done["state"], done["counts"]["updated"]) == ("completed", 1)
    assert await titles(person) == {"mine", "Task 2"}


async def test_the_most_particular_answer_counts(bench: Bench) -> None:
    person = await bench.person()
    migration = await conflicting(person)
    items = await person.items(migration, verdict="conflict")
    one = next(each["id"] for each in items if each["kind"] == "task")
    done = await resolve(
        person,
        migration,
        {"id": one, "resolution": "overwrite"},
        {"kind": "task", "resolution": "skip"},
        {"resolution": "skip"},
    )
    assert (done["state"], done["counts"]["updated"]) == ("completed", 1)
    assert await titles(person) == {"theirs", "Task 2"}


async def test_a_merge_takes_what_each_side_changed(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"task-store": store(task(1))})
    await person.client.patch(f"{API}/tasks/{TASK}", json={"labels": ["here"], "priority": "high"})
    await person.client.post(f"{API}/tasks/{TASK}/messages", json={"role": "user", "text": "here"})
    # Older than what was done here: without a base, all of it would lose.
    changed = task(1, branch="feature", updatedAt="2025-06-10T12:00:00.000Z")
    changed["messages"] = [*changed["messages"], "there"]
    keys = {"task-store": store(changed)}
    migration = await person.migrate(keys, conflictResolution="AUTO_MERGE")
    assert (migration["state"], migration["counts"]["updated"]) == ("completed", 1)
    [now] = await person.get("/tasks")
    assert (now["labels"], now["priority"], now["branch"]) == (["here"], "high", "feature")
    said = await person.get(f"/tasks/{TASK}/messages")
    assert [each["text"] for each in said] == ["do number 1", "did 1", "there", "here"]
    [item] = await person.items(migration, verdict="conflict")
    assert item["conflict"]["chosen"]["branch"] == "incoming"
    assert item["conflict"]["base"]["branch"] == "main"
    before = await bench.rows(person, *DATA)
    again = await person.migrate(keys, conflictResolution="AUTO_MERGE")
    assert (again["state"], again["counts"]["updated"]) == ("completed", 0)
    assert await bench.rows(person, *DATA) == before


async def test_where_both_changed_a_field_the_newer_wins_and_the_other_is_kept(
    bench: Bench,
) -> None:
    person = await bench.person()
    migration = await conflicting(person, conflictResolution="AUTO_MERGE")
    assert migration["state"] == "completed"
    assert await titles(person) == {"theirs", "Task 2"}
    item = next(
        each
        for each in await person.items(migration)
        if each["kind"] == "task" and each["conflict"]
    )
    assert item["conflict"]["losing"]["title"] == "mine"
    assert item["resolution"] == "merge"


@pytest.mark.parametrize("earlier", ["row", "browser"])
async def test_a_merge_that_moves_a_tasks_beginning_onto_a_messages_time_is_verified(
    bench: Bench, earlier: str
) -> None:
    person = await bench.person()
    one, two, three = (f"2025-0{month}-01T00:00:00.000Z" for month in (1, 2, 3))
    first = {"role": "user", "content": "first", "timestamp": one}
    second = {"role": "user", "content": "second", "timestamp": three}
    if earlier == "row":
        before = task(1, createdAt=one, updatedAt=two, messages=[second])
        after = task(1, createdAt=two, updatedAt=three, messages=[first, second])
    else:
        before = task(1, createdAt=two, updatedAt=two, messages=[first])
        after = task(1, createdAt=one, updatedAt=three, messages=[first, second])
    await person.migrate({"task-store": store(before)})
    merged = await person.migrate({"task-store": store(after)}, conflictResolution="AUTO_MERGE")
    assert (merged["state"], merged["counts"]["updated"]) == ("completed", 1), merged["error"]
    said = await person.get(f"/tasks/{task(1)['id']}/messages")
    assert [each["text"] for each in said] == ["first", "second"]


async def test_a_merge_can_be_told_field_by_field(bench: Bench) -> None:
    person = await bench.person()
    migration = await conflicting(person)
    done = await resolve(
        person,
        migration,
        {"resolution": "skip"},
        {
            "kind": "task",
            "resolution": "merge",
            "fields": {"title": "existing", "branch": "incoming"},
        },
    )
    assert done["state"] == "completed"
    task_now = next(each for each in await person.get("/tasks") if each["id"] == TASK)
    assert (task_now["title"], task_now["branch"]) == ("mine", "feature")


async def test_both_are_kept_once_however_often_they_are_brought(bench: Bench) -> None:
    person = await bench.person()
    environment = {"id": str(uuid4()), "name": "E", "githubToken": "fake-" + "one"}
    keys = {
        "environments": json.dumps([environment]),
        "notes": "a",
        "electric_auth_token": "fake-1",
    }
    await conflicting(person, conflictResolution="AUTO_SKIP")
    await person.migrate(keys)
    changed = {
        "task-store": store(task(1, title="third")),
        "environments": json.dumps([environment | {"name": "F", "githubToken": "fake-" + "two"}]),
        "notes": "b",
        "electric_auth_token": "fake-2",
        "theme": "light",
    }
    migration = await person.migrate(changed)
    assert migration["counts"]["conflict"] == 5
    done = await resolve(person, migration, {"resolution": "keepBoth"})
    assert (done["state"], done["counts"]["created"]) == ("completed", 5)
    assert await titles(person) == {"mine", "third", "Task 2"}
    copy = next(each for each in await person.get("/tasks") if each["title"] == "third")
    assert copy["metadata"]["copyOf"] == TASK
    assert UUID(copy["id"]).version == 5
    before = await bench.rows(person, *DATA)
    again = await person.migrate(changed)
    assert (again["state"], again["counts"]["same"]) == ("completed", 5)
    assert await bench.rows(person, *DATA) == before


async def test_who_chose_for_a_row_that_changed_meanwhile_is_asked_again(bench: Bench) -> None:
    person = await bench.person()
    migration = await conflicting(person, review=True)
    assert migration["state"] == "planned"
    chosen = await resolve(person, migration, {"resolution": "overwrite"})
    assert (chosen["state"], chosen["counts"]["unresolved"]) == ("planned", 0)
    await person.client.patch(f"{API}/tasks/{TASK}", json={"title": "mine again"})
    answer = await person.client.post(f"{API}/migration/{migration['id']}/apply")
    assert answer.json()["data"]["state"] == "awaiting_resolution"
    assert answer.json()["data"]["counts"]["unresolved"] == 1
    assert await titles(person) == {"mine again", "Task 2"}
    done = await resolve(person, migration, {"resolution": "overwrite"})
    assert done["state"] == "completed"
    assert await titles(person) == {"theirs", "Task 2"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "resolutions"),
        ({"resolutions": [{"resolution": "win"}]}, "resolution"),
        ({"resolutions": [{"id": "7", "resolution": "skip"}]}, "id"),
        ({"resolutions": [{"resolution": "merge", "fields": {"title": "mine"}}]}, "fields"),
        ({"resolutions": [{"id": str(uuid4()), "resolution": "skip"}]}, "resolutions.0.id"),
        ({"resolutions": [], "force": True}, "force"),
    ],
)
async def test_a_wrong_answer_is_refused_by_name_and_changes_nothing(
    bench: Bench, body: dict[str, Any], field: str
) -> None:
    person = await bench.person()
    migration = await conflicting(person)
    path = f"{API}/migration/{migration['id']}"
    answer = await person.client.post(f"{path}/resolutions", json=body)
    assert answer.status_code == 400, answer.text
    assert any(field in each["field"] for each in answer.json()["errors"])
    now = await person.get(f"/migration/{migration['id']}")
    assert (now["state"], now["counts"]["unresolved"]) == ("awaiting_resolution", 2)


async def test_what_waits_for_nothing_takes_no_answers(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"theme": "dark"})
    path = f"{API}/migration/{migration['id']}/resolutions"
    answer = await person.client.post(path, json={"resolutions": [{"resolution": "skip"}]})
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_STATE")
    other = await bench.person()
    answer = await other.client.post(path, json={"resolutions": [{"resolution": "skip"}]})
    assert answer.status_code == 404


async def test_a_merge_brings_secrets_and_takes_none_away(bench: Bench) -> None:
    person = await bench.person()
    source = {"id": str(uuid4()), "name": "E", "githubToken": "fake-" + "one"}
    await person.migrate({"environments": json.dumps([source])})
    path = f"{API}/environments/{source['id']}/secrets/MINE"
    assert (await person.client.put(path, json={"value": "fake-mine"})).status_code < 300
    changed = source | {"githubToken": "fake-" + "two", "apiKey": "fake-key", "updatedAt": LATER}
    migration = await person.migrate(
        {"environments": json.dumps([changed])}, conflictResolution="AUTO_MERGE"
    )
    assert migration["state"] == "completed", migration["error"]
    rows = await bench.watcher.fetch(
        "select name, ciphertext from environment_secrets where workspace_id = $1",
        person.workspace_id,
    )
    assert {row["name"]: bench.box.open(row["ciphertext"]) for row in rows} == {
        "GITHUB_TOKEN": "fake-two",
        "MINE": "fake-mine",
        "apiKey": "fake-key",
    }
    answer = await person.client.post(f"{API}/migration/{migration['id']}/undo", json={})
    assert answer.json()["data"]["undo"]["kept"] == []
    rows = await bench.watcher.fetch(
        "select name, ciphertext from environment_secrets where workspace_id = $1",
        person.workspace_id,
    )
    assert {row["name"]: bench.box.open(row["ciphertext"]) for row in rows} == {
        "GITHUB_TOKEN": "fake-one",
        "MINE": "fake-mine",
    }
