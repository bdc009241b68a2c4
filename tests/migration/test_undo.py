"""Undo of a migration, and of its undo; what others have worked on since is kept, and named."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.migration.bench import API, DATA, GARBAGE, Bench, Person, store, task

TASK = task(1)["id"]
ENVIRONMENT = str(uuid4())
KEYS = {
    "task-store": store(*map(task, range(6))),
    "environments": json.dumps(
        [{"id": ENVIRONMENT, "name": "E", "githubToken": "fake-" + "token", "isActive": True}]
    ),
    "my-notes": "some text",
    "electric_auth_token": "fake-" + "token",
    "theme": "dark",
}
CHANGED = KEYS | {
    "task-store": store(task(1, title="theirs", messages=["only this"]), task(7)),
    "environments": json.dumps([{"id": ENVIRONMENT, "name": "F", "githubToken": "fake-" + "new"}]),
    "my-notes": "other text",
    "electric_auth_token": "fake-" + "other",
    "theme": "light",
}


async def undo(person: Person, migration: dict[str, Any], **options: Any) -> dict[str, Any]:
    answer = await person.client.post(f"{API}/migration/{migration['id']}/undo", json=options)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()["data"]
    return document


async def snapshot(bench: Bench, person: Person) -> dict[str, Any]:
    """Every column of a person's rows, but versions, which only grow; secrets opened."""
    found: dict[str, Any] = {}
    for table in DATA:
        rows = await bench.watcher.fetch(
            f"select to_jsonb(t) - 'version' - 'search' as row from {table} t "
            "where workspace_id = $1 order by id",
            person.workspace_id,
        )
        found[table] = [json.loads(row["row"]) for row in rows]
    for table in ("environment_secrets", "kept_secrets"):
        for row in found[table]:
            sealed = bytes.fromhex(row.pop("ciphertext")[2:])
            row["value"] = bench.box.open(sealed)
            for name in ("id", "created_at", "updated_at"):
                row.pop(name)
    for row in found["documents"]:
        row.pop("updated_at")
    found["preferences"] = await bench.watcher.fetchval(
        "select preferences from users where id = $1", person.user_id
    )
    return found


@pytest.mark.parametrize("batch", [1, 2, 500])
async def test_what_was_created_is_gone(bench: Bench, batch: int) -> None:
    person = await bench.person()
    before = await snapshot(bench, person)
    migration = await person.migrate(KEYS, batchSize=batch)
    assert migration["counts"]["created"] == 10
    undone = await undo(person, migration)
    assert (undone["state"], undone["undo"]["removed"]) == ("undone", 10)
    assert undone["undo"]["kept"] == []
    assert await snapshot(bench, person) == before
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert not any(each["stored"] for each in receipt["keys"])


@pytest.mark.parametrize("policy", ["AUTO_OVERWRITE", "AUTO_MERGE"])
async def test_what_was_changed_is_what_it_was(bench: Bench, policy: str) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    await person.client.patch(f"{API}/tasks/{TASK}", json={"title": "mine", "labels": ["a"]})
    await person.client.post(f"{API}/tasks/{TASK}/messages", json={"role": "user", "text": "on"})
    before = await snapshot(bench, person)
    migration = await person.migrate(CHANGED, conflictResolution=policy)
    assert migration["counts"]["updated"] >= 1
    assert await snapshot(bench, person) != before
    undone = await undo(person, migration)
    assert (undone["state"], undone["undo"]["kept"]) == ("undone", [])
    assert await snapshot(bench, person) == before


async def test_an_undo_can_be_undone_and_that_again(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    migration = await person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    after = await snapshot(bench, person)
    for _ in range(2):
        assert (await undo(person, migration))["state"] == "undone"
        assert await snapshot(bench, person) == before
        redone = await undo(person, migration)
        assert redone["state"] == "completed"
        assert await snapshot(bench, person) == after
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert all(each["stored"] for each in receipt["keys"])


async def test_all_that_was_created_comes_back_with_its_secrets(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    after = await snapshot(bench, person)
    await undo(person, migration)
    assert (await undo(person, migration))["state"] == "completed"
    assert await snapshot(bench, person) == after
    assert (await person.migrate(KEYS))["counts"]["same"] == 10


async def test_what_was_worked_on_since_is_kept_and_named(bench: Bench) -> None:
    person = await bench.person()
    other = await bench.person(person.workspace_id)
    migration = await person.migrate(KEYS)
    await other.client.patch(f"{API}/tasks/{TASK}", json={"title": "edited"})
    second = task(2)["id"]
    await other.client.post(f"{API}/tasks/{second}/messages", json={"role": "user", "text": "on"})
    secrets = f"{API}/environments/{ENVIRONMENT}/secrets/MINE"
    assert (await person.client.put(secrets, json={"value": "fake"})).status_code < 300
    undone = await undo(person, migration)
    kept = {(each["kind"], each["targetId"]): each for each in undone["undo"]["kept"]}
    assert set(kept) == {("task", TASK), ("task", second), ("environment", ENVIRONMENT)}
    assert kept["task", TASK]["changedBy"] == str(other.user_id)
    assert kept["task", TASK]["changedAt"]
    assert {each["id"] for each in await person.get("/tasks")} == {TASK, second}
    [environment] = await person.get("/environments")
    assert [each["name"] for each in environment["secrets"]] == ["GITHUB_TOKEN", "MINE"]


async def test_with_force_it_goes_too_and_comes_back(bench: Bench) -> None:
    person = await bench.person()
    before = await snapshot(bench, person)
    migration = await person.migrate(KEYS)
    await person.client.patch(f"{API}/tasks/{TASK}", json={"title": "edited"})
    await person.client.post(f"{API}/tasks/{TASK}/messages", json={"role": "user", "text": "on"})
    await person.client.put(
        f"{API}/environments/{ENVIRONMENT}/secrets/MINE", json={"value": "fake"}
    )
    await bench.watcher.execute(
        'update users set preferences = preferences || \'{"theme": "mine"}\' where id = $1',
        person.user_id,
    )
    edited = await snapshot(bench, person)
    undone = await undo(person, migration, force=True)
    assert (undone["undo"]["force"], undone["undo"]["kept"]) == (True, [])
    assert await snapshot(bench, person) == before
    await undo(person, migration)
    assert await snapshot(bench, person) == edited


async def test_an_overwritten_row_that_was_edited_since_is_kept(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    migration = await person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    await person.client.post(f"{API}/tasks/{TASK}/messages", json={"role": "user", "text": "on"})
    undone = await undo(person, migration)
    assert [each["targetId"] for each in undone["undo"]["kept"]] == [TASK]
    forced = await undo(person, migration)
    assert forced["state"] == "completed"
    await undo(person, migration, force=True)
    assert await snapshot(bench, person) == before


async def test_a_later_migration_that_changed_a_row_keeps_it(bench: Bench) -> None:
    person = await bench.person()
    first = await person.migrate(KEYS)
    second = await person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    undone = await undo(person, first)
    kept = {each["targetId"] for each in undone["undo"]["kept"]}
    assert {TASK, ENVIRONMENT} <= kept
    assert task(7)["id"] in {each["id"] for each in await person.get("/tasks")}
    assert (await undo(person, second))["state"] == "undone"


async def test_a_lost_answer_asked_for_again_undoes_once(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    path = f"{API}/migration/{migration['id']}/undo"
    key = {"idempotency-key": "once"}
    answers = [await person.client.post(path, json={}, headers=key) for _ in range(3)]
    assert {each.json()["data"]["state"] for each in answers} == {"undone"}
    assert (await person.get(f"/migration/{migration['id']}"))["undo"]["number"] == 1


async def test_garbage_is_undone_to_the_last_row(bench: Bench) -> None:
    person = await bench.person()
    before = await snapshot(bench, person)
    migration = await person.post_file(GARBAGE, continueOnError=True)
    assert migration["counts"]["created"] > 80
    after = await snapshot(bench, person)
    undone = await undo(person, migration)
    assert undone["undo"]["kept"] == []
    assert {each["kind"] for each in (await snapshot(bench, person))["documents"]} <= {"quarantine"}
    assert (await snapshot(bench, person)) == before
    await undo(person, migration)
    assert await snapshot(bench, person) == after


async def test_only_its_owner_undoes_and_only_what_has_ended(bench: Bench) -> None:
    person, other = await bench.person(), await bench.person()
    migration = await person.migrate({"theme": "dark"}, review=True)
    path = f"{API}/migration/{migration['id']}/undo"
    answer = await person.client.post(path, json={})
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_STATE")
    assert (await other.client.post(path, json={})).status_code == 404
    assert (await person.client.post(f"{API}/migration/{uuid4()}/undo")).status_code == 404
    answer = await person.client.post(path, json={"forced": True})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "forced")


async def test_what_the_journal_has_dropped_is_not_undone(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    before = await snapshot(bench, person)
    await bench.watcher.execute("insert into journal.horizon (tick, at) values (1, now())")
    try:
        answer = await person.client.post(f"{API}/migration/{migration['id']}/undo", json={})
    finally:
        await bench.watcher.execute("delete from journal.horizon")
    assert (answer.status_code, answer.json()["code"]) == (410, "MOMENT_NOT_KEPT")
    assert await snapshot(bench, person) == before


async def test_undoing_is_in_the_audit_trail(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    await undo(person, migration)
    rows = await bench.watcher.fetch(
        "select action, count(*) from audit_events where workspace_id = $1 group by 1",
        person.workspace_id,
    )
    done = {row["action"]: row["count"] for row in rows}
    assert done["migration.undone"] == 1
    assert done["secret.deleted"] == done["secret.set"] == 2


@pytest.mark.parametrize("prefer", ["respond-async", "return=representation"])
async def test_a_refusal_is_told_whichever_answer_is_preferred(bench: Bench, prefer: str) -> None:
    person = await bench.person()
    migration = await person.migrate({"theme": "dark"}, review=True)
    path = f"{API}/migration/{migration['id']}/undo"
    answer = await person.client.post(path, json={}, headers={"prefer": prefer})
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_STATE")
    assert answer.json()["state"] == "planned"
