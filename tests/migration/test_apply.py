"""Whole migrations on a real database: what is there afterwards is what the browser had."""

import json
from datetime import datetime
from typing import Any

import pytest

from tests.fixtures import garbage
from tests.migration.bench import API, BROWSER, DATA, GARBAGE, Bench, store, task

COUNTS = ("create", "same", "update", "conflict", "invalid", "skip")


def stored_tasks() -> list[dict[str, Any]]:
    keys = json.loads(BROWSER.read_bytes())["keys"]
    found: list[dict[str, Any]] = []
    for key in ("task-store", "claude-docker-task-store"):
        found += json.loads(keys[key])["state"]["tasks"]
    return found


def adds_up(migration: dict[str, Any]) -> bool:
    counts = migration["counts"]
    return bool(counts["found"] == sum(counts[name] for name in COUNTS))


async def test_a_browsers_export_comes_home_and_is_served(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.post_file(BROWSER)
    assert migration["state"] == "completed", migration["error"]
    assert adds_up(migration)
    sources = stored_tasks()
    listed = await person.get("/tasks", limit=100)
    assert {each["id"] for each in listed} == {each["id"] for each in sources}
    by_id = {each["id"]: each for each in listed}
    for source in sources:
        row = by_id[source["id"]]
        assert row["createdBy"] == str(person.user_id)
        assert row["version"] == 1
        for name in ("createdAt", "updatedAt"):
            moments = (datetime.fromisoformat(each[name]) for each in (row, source))
            assert len(set(moments)) == 1
        said = await person.get(f"/tasks/{source['id']}/messages", limit=100)
        wrapped = [{"text": m} if isinstance(m, str) else m for m in source["messages"]]
        assert [each["payload"] for each in said] == wrapped[:100]
        assert [each["position"] for each in said] == list(range(len(said)))


async def test_migrated_tasks_are_filtered_searched_and_changed(bench: Bench) -> None:
    person = await bench.person()
    await person.post_file(BROWSER)
    done = [each for each in stored_tasks() if each["status"] in ("DONE", "MERGED")]
    found = await person.get("/tasks", status="completed", limit=100)
    assert len(found) == len(done) > 0
    word = max(stored_tasks()[0]["title"].split(), key=len).strip(".,:;()")
    assert stored_tasks()[0]["id"] in {
        each["id"] for each in await person.get("/tasks", search=word, limit=100)
    }
    path = f"{API}/tasks/{done[0]['id']}"
    changed = await person.client.patch(path, json={"title": "changed at home"})
    assert changed.json()["data"]["title"] == "changed at home"
    environments = await person.get("/environments", limit=100)
    assert len(environments) == 6
    assert [each["name"] for each in environments if each["isActive"]] == ["Old fork"]


@pytest.mark.parametrize("path", [BROWSER, GARBAGE])
async def test_twice_changes_nothing(bench: Bench, path: Any) -> None:
    person = await bench.person()
    first = await person.post_file(path, continueOnError=True)
    assert first["state"] == "completed"
    before = await bench.rows(person)
    assert before["tasks"]
    assert before["environments"]
    second = await person.post_file(path, continueOnError=True)
    assert second["state"] == "completed"
    assert await bench.rows(person) == before
    assert second["counts"]["same"] == first["counts"]["create"]
    assert second["counts"]["create"] == second["counts"]["conflict"] == 0
    verdicts = {each["verdict"] for each in await person.items(second)}
    assert verdicts <= {"same", "invalid", "skip"}


async def test_a_dry_run_writes_nothing_of_the_users(bench: Bench) -> None:
    person = await bench.person()
    before = await bench.rows(person)
    migration = await person.post_file(BROWSER, dryRun=True)
    assert migration["state"] == "planned"
    assert migration["finishedAt"] is not None
    assert await bench.rows(person) == before
    assert not any(before[table] for table in DATA)
    plan = await person.items(migration)
    assert len(plan) == migration["counts"]["found"]
    applied = await person.post_file(BROWSER)
    done = await person.items(applied)
    same = ("key", "kind", "sourceId", "targetId", "verdict", "reason", "warnings")
    assert [[each[name] for name in same] for each in plan] == [
        [each[name] for name in same] for each in done
    ]


async def test_a_reviewed_plan_is_carried_out_when_it_is_approved(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"task-store": store(task(1))}, review=True)
    assert migration["state"] == "planned"
    assert await person.get("/tasks") == []
    answer = await person.client.post(f"{API}/migration/{migration['id']}/apply")
    assert answer.json()["data"]["state"] == "completed"
    assert len(await person.get("/tasks")) == 1
    again = await person.client.post(f"{API}/migration/{migration['id']}/apply")
    assert (again.status_code, again.json()["code"]) == (409, "MIGRATION_STATE")


async def test_of_garbage_every_item_is_accounted_for(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.post_file(GARBAGE, continueOnError=True)
    assert migration["state"] == "completed"
    assert adds_up(migration)
    items = await person.items(migration)
    assert len(items) == migration["counts"]["found"]
    assert [each["position"] for each in items] == list(range(len(items)))
    for each in items:
        assert (each["reason"] is None) == (each["verdict"] == "create"), each
    invalid = [each for each in items if each["verdict"] == "invalid"]
    assert len(invalid) == migration["counts"]["invalid"] == 13
    kept = await bench.watcher.fetch(
        "select id from documents where user_id = $1 and kind = 'quarantine' union all "
        "select id from kept_secrets where user_id = $1 and name like 'quarantine:%'",
        person.user_id,
    )
    assert {str(row["id"]) for row in kept} == {each["targetId"] for each in invalid}


async def test_the_first_invalid_item_stops_it_and_nothing_is_written(bench: Bench) -> None:
    person = await bench.person()
    before = await bench.rows(person)
    keys = {"task-store": store(task(1), "no task", task(2))}
    migration = await person.migrate(keys)
    assert migration["state"] == "failed"
    error = migration["error"]
    assert error["code"] == "ITEM_INVALID"
    assert (error["key"], error["reason"]) == ("task-store", "NOT_AN_OBJECT")
    assert "continueOnError" in error["message"]
    assert await bench.rows(person) == before
    assert not any(before[table] for table in DATA)
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert [each["stored"] for each in receipt["keys"]] == [False]


async def test_no_secret_is_seen_again(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.post_file(GARBAGE, continueOnError=True)
    shown = json.dumps(await person.items(migration))
    for path in ("", "/receipt"):
        shown += json.dumps(await person.get(f"/migration/{migration['id']}{path}"))
    shown += json.dumps(await person.get("/environments", limit=100))
    tables = ("migrations", "migration_items", "migration_keys", "environments", "kept_secrets")
    shown += json.dumps(await bench.rows(person, *tables, "environment_secrets"))
    assert garbage.FAKE_GITHUB not in shown
    assert garbage.FAKE_OPENAI not in shown
    sealed = await bench.watcher.fetch(
        "select name, ciphertext from environment_secrets where workspace_id = $1 union all "
        "select name, ciphertext from kept_secrets where workspace_id = $1",
        person.workspace_id,
    )
    opened = {bench.box.open(row["ciphertext"]) for row in sealed}
    assert any(garbage.FAKE_GITHUB in value for value in opened)


async def test_two_users_with_one_dump_both_get_all_of_it(bench: Bench) -> None:
    alice, bob = await bench.person(), await bench.person()
    first, second = await alice.post_file(BROWSER), await bob.post_file(BROWSER)
    assert first["counts"] == second["counts"]
    assert second["counts"]["create"] > 50
    for person in (alice, bob):
        assert len(await person.get("/tasks", limit=100)) == len(stored_tasks())
    assert (await bob.client.get(f"{API}/migration/{first['id']}")).status_code == 404


async def test_two_users_of_one_workspace_keep_their_documents_and_secrets_apart(
    bench: Bench,
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    await alice.post_file(GARBAGE, continueOnError=True)
    migration = await bob.post_file(GARBAGE, continueOnError=True)
    assert migration["state"] == "completed"
    for kind in ("document", "unknown", "offlineWrite", "secret"):
        items = await bob.items(migration, kind=kind)
        assert {each["verdict"] for each in items} <= {"create", "skip"}, kind
    # Their tasks too: a row that is hers has no place for his.
    verdicts = {each["verdict"] for each in await bob.items(migration, kind="task")}
    assert "create" in verdicts
    assert not verdicts & {"same", "conflict"}
