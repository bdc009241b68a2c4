"""The rows as they were before: kept, downloaded, and put back, here or elsewhere."""

import hashlib
import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from tests.migration.bench import API, DATA, Bench, Person, store, task
from tests.migration.test_undo import CHANGED, KEYS, snapshot, undo


async def rows_of(person: Person, migration: dict[str, Any]) -> dict[str, Any]:
    path = f"{API}/migration/{migration['id']}/backup"
    answer = await person.client.get(path, params={"of": "rows"})
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def contents(found: dict[str, Any]) -> dict[str, Any]:
    """What a person brought, without what says where and whose it is."""
    hidden = ("workspace_id", "created_by", "user_id", "id", "environment_id", "is_active")
    kept = {}
    for table in ("tasks", "environments", "documents", "kept_secrets", "environment_secrets"):
        rows = [{k: v for k, v in row.items() if k not in hidden} for row in found[table]]
        for row in rows if table in ("documents", "environments") else ():
            row.pop("created_at")  # of the import: the source has none
            row.pop("updated_at", None)
        kept[table] = sorted(rows, key=json.dumps)
    said = [(row["position"], row["text"], row["payload"]) for row in found["messages"]]
    return kept | {"messages": sorted(said, key=str)}


async def test_what_was_overwritten_comes_back_in_an_empty_place(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    changed = await person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    backup = await rows_of(person, changed)
    other = await bench.person()
    restored = await other.post(json.dumps(backup | {"config": {}}).encode())
    assert (restored["state"], restored["counts"]["invalid"]) == ("completed", 0)
    once = await bench.person()
    touched = KEYS | {"task-store": store(task(1))}
    await once.migrate(touched)
    expected, found = await snapshot(bench, once), await snapshot(bench, other)
    assert contents(found) == contents(expected)
    assert found["preferences"] == expected["preferences"]
    again = await other.post(json.dumps(backup | {"config": {}}).encode())
    assert again["counts"]["same"] == again["counts"]["found"]


async def test_where_it_came_from_it_is_a_conflict_that_can_be_taken(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    changed = await person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    backup = await rows_of(person, changed)
    config = {"conflictResolution": "AUTO_OVERWRITE"}
    back = await person.post(json.dumps(backup | {"config": config}).encode())
    assert (back["state"], back["counts"]["updated"]) == ("completed", 5)
    after = await snapshot(bench, person)
    new = task(7)["id"]
    after["tasks"] = [row for row in after["tasks"] if row["id"] != new]
    after["messages"] = [row for row in after["messages"] if row["task_id"] != new]
    assert contents(after) == contents(before)


async def test_what_is_no_row_is_set_aside_and_nobody_speaks_for_another(bench: Bench) -> None:
    person = await bench.person()
    victim = str(uuid4())
    message = {
        "id": str(uuid4()), "position": 0, "role": "user", "type": "message", "text": "mine",
        "payload": {}, "createdBy": victim,
    }  # fmt: skip
    row = {
        "id": str(uuid4()), "title": "T", "description": "", "status": "pending",
        "priority": "medium", "mode": "code", "labels": [], "metadata": {}, "createdBy": victim,
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z",
        "messages": [message],
    }  # fmt: skip
    rows = [row, {"id": "7"}, row | {"id": str(uuid4()), "status": "odd"}]
    keys = {"roost:tasks": json.dumps({"state": {"rows": rows}, "version": 0})}
    migration = await person.migrate(keys, continueOnError=True)
    assert (migration["counts"]["created"], migration["counts"]["invalid"]) == (1, 2)
    authors = await bench.watcher.fetch(
        "select created_by from messages where workspace_id = $1", person.workspace_id
    )
    assert [each["created_by"] for each in authors] == [person.user_id]


async def test_no_backup_is_made_where_none_is_wanted(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    changed = await person.migrate(
        CHANGED, conflictResolution="AUTO_OVERWRITE", backupBeforeMigration=False
    )
    assert (await rows_of(person, changed))["keys"] == {}


async def test_its_owner_deletes_the_dump_and_what_was_migrated_stays(bench: Bench) -> None:
    person = await bench.person()
    body = json.dumps({"keys": KEYS}).encode()
    migration = await person.post(body)
    path = f"{API}/migration/{migration['id']}/backup"
    raw = (await person.client.get(path)).content
    assert hashlib.sha256(raw).digest() == hashlib.sha256(body).digest()
    before = await bench.rows(person, *DATA)
    assert (await person.client.delete(path)).status_code == 204
    gone = await person.client.get(path)
    assert (gone.status_code, gone.json()["code"]) == (404, "MIGRATION_BACKUP_NOT_FOUND")
    assert await bench.rows(person, *DATA) == before
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert receipt["sha256"] == hashlib.sha256(body).hexdigest()
    answer = await person.client.post(f"{API}/migration/{migration['id']}/undo", json={})
    assert answer.json()["data"]["state"] == "undone"


async def test_two_documents_with_one_id_are_two_documents(bench: Bench) -> None:
    person = await bench.person()
    one = {
        "id": str(uuid4()), "kind": "document", "key": "notes", "subId": "", "content": "a",
        "contentType": "text/plain", "encoding": "text",
    }  # fmt: skip
    rows = [one, one | {"content": "b"}, one]
    keys = {"roost:documents": json.dumps({"state": {"rows": rows}, "version": 0})}
    for created in (2, 0):
        migration = await person.migrate(keys)
        assert (migration["state"], migration["counts"]["conflict"]) == ("completed", 0)
        assert migration["counts"]["created"] == created
    found = await bench.watcher.fetch(
        "select content from documents where workspace_id = $1", person.workspace_id
    )
    assert {each["content"] for each in found} == {"a", "b"}


def sealed(bench: Bench, value: str) -> str:
    return b64encode(bench.box.seal(value)).decode()


@pytest.mark.parametrize("table", ["preferences", "secrets"])
async def test_the_second_of_two_with_one_name_is_set_aside(bench: Bench, table: str) -> None:
    person = await bench.person()
    first, second = (
        [{"id": str(uuid4()), "key": "theme", "value": value} for value in ("dark", "light")]
        if table == "preferences"
        else [
            {"id": str(uuid4()), "name": "token", "sealed": {"value": sealed(bench, value)}}
            for value in ("fake-1", "fake-2")
        ]
    )
    rows = [first, second, first]
    keys = {f"roost:{table}": json.dumps({"state": {"rows": rows}, "version": 0})}
    migration = await person.migrate(keys, continueOnError=True)
    counts = migration["counts"]
    assert migration["state"] == "completed"
    assert (counts["create"], counts["invalid"], counts["skip"]) == (1, 1, 1)


async def test_a_preference_that_was_put_back_can_be_undone(bench: Bench) -> None:
    person = await bench.person()

    async def theme() -> str:
        query = "select preferences from users where id = $1"
        found = json.loads(await bench.watcher.fetchval(query, person.user_id))
        assert list(found) == ["theme"]
        value: str = found["theme"]
        return value

    await person.migrate({"theme": "dark"})
    light = await person.migrate({"theme": "light"}, conflictResolution="AUTO_OVERWRITE")
    backup = await rows_of(person, light)
    config = {"conflictResolution": "AUTO_OVERWRITE"}
    back = await person.post(json.dumps(backup | {"config": config}).encode())
    assert await theme() == "dark"
    [kept] = json.loads((await rows_of(person, back))["keys"]["roost:preferences"])["state"]["rows"]
    assert (kept["key"], kept["value"]) == ("theme", "light")
    for number, value in enumerate(("light", "dark", "light"), 1):
        undone = (await undo(person, back))["undo"]
        assert (undone["number"], undone["restored"], await theme()) == (number, 1, value)


async def test_a_preference_that_a_row_brought_is_gone_after_the_undo(bench: Bench) -> None:
    person = await bench.person()
    rows = [{"id": str(uuid4()), "key": "theme", "value": "dark"}]
    keys = {"roost:preferences": json.dumps({"state": {"rows": rows}, "version": 0})}
    migration = await person.migrate(keys)
    undone = await undo(person, migration)
    assert (undone["undo"]["removed"], undone["undo"]["kept"]) == (1, [])
    query = "select preferences from users where id = $1"
    assert await bench.watcher.fetchval(query, person.user_id) == "{}"


async def test_a_dump_that_is_here_already_is_not_sent_again(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"theme": "dark"})
    migration = await person.migrate({"theme": "light"}, conflictResolution="AUTO_OVERWRITE")
    path = f"{API}/migration/{migration['id']}/backup"
    told = "select count(*) from audit_events where workspace_id = $1 and action = 'data.exported'"
    for of in ("dump", "rows"):
        first = await person.client.get(path, params={"of": of})
        tag = first.headers["etag"]
        before = await bench.watcher.fetchval(told, person.workspace_id)
        again = await person.client.get(path, params={"of": of}, headers={"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert await bench.watcher.fetchval(told, person.workspace_id) == before
        other = await person.client.get(path, params={"of": of}, headers={"if-none-match": '"x"'})
        assert (other.status_code, other.content) == (200, first.content)


async def test_without_the_dump_the_receipt_names_only_what_lies_in_roost(bench: Bench) -> None:
    person = await bench.person()
    keys = {
        "task-store": store(task(1)),
        "claude-docker-task-store": store(task(2), task(3, userId=str(uuid4()))),
        "task-store-backup": store(task(1)),
        "github-cache-storage": '{"state":{"repositories":[]},"version":0}',
        "my-notes": "some text",
        "environments": "not a store",
        "sessions-store": '{"state":{"sessions":[]},"version":0}',
    }
    migration = await person.migrate(keys, continueOnError=True)
    receipt = f"/migration/{migration['id']}/receipt"
    assert all(each["stored"] for each in (await person.get(receipt))["keys"])
    answer = await person.client.delete(f"{API}/migration/{migration['id']}/backup")
    assert answer.status_code == 204
    kept = {"task-store", "task-store-backup", "my-notes", "environments"}
    for number in range(3):
        found = {each["key"]: each["stored"] for each in (await person.get(receipt))["keys"]}
        undone = number % 2 == 1
        assert found == {key: key in kept and not undone for key in keys}
        await undo(person, migration)


async def test_a_credential_that_was_not_taken_lies_in_the_dump_alone(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"electric_auth_token": "fake-" + "old"})
    migration = await person.migrate(
        {"electric_auth_token": "fake-" + "new", "theme": "dark"}, conflictResolution="AUTO_SKIP"
    )
    await person.client.delete(f"{API}/migration/{migration['id']}/backup")
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    stored = {each["key"]: each["stored"] for each in receipt["keys"]}
    assert stored == {"electric_auth_token": False, "theme": True}
