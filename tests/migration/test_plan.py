"""Verdicts against what the database has: conflicts, policies, and what never changes them."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.migration.bench import API, Bench, Person, store, task

SUM = ("create", "same", "update", "conflict", "invalid", "skip")


async def changed(person: Person, **fields: Any) -> dict[str, Any]:
    """Migrate one task and change it in Roost."""
    await person.migrate({"task-store": store(task(1), task(2))})
    answer = await person.client.patch(f"{API}/tasks/{task(1)['id']}", json=fields)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()["data"]
    return found


async def test_auto_skip_keeps_what_the_database_has(bench: Bench) -> None:
    person = await bench.person()
    await changed(person, title="mine")
    before = await bench.rows(person)
    migration = await person.migrate(
        {"task-store": store(task(1), task(2))}, conflictResolution="AUTO_SKIP"
    )
    assert migration["state"] == "completed"
    assert (migration["counts"]["conflict"], migration["counts"]["same"]) == (1, 1)
    assert migration["counts"]["updated"] == 0
    assert await bench.rows(person) == before
    [item] = await person.items(migration, verdict="conflict")
    assert item["resolution"] == "skip"
    assert item["field"] == "title"
    assert item["conflict"]["existing"]["title"] == "mine"
    assert item["conflict"]["incoming"]["title"] == "Task 1"


async def test_auto_overwrite_takes_the_incoming_and_keeps_the_old_values(bench: Bench) -> None:
    person = await bench.person()
    before = await changed(person, title="mine", labels=["kept"])
    await person.client.post(
        f"{API}/tasks/{task(1)['id']}/messages", json={"role": "user", "text": "and then?"}
    )
    migration = await person.migrate(
        {"task-store": store(task(1), task(2))}, conflictResolution="AUTO_OVERWRITE"
    )
    assert migration["state"] == "completed"
    counts = migration["counts"]
    assert (counts["conflict"], counts["updated"], counts["same"]) == (1, 1, 1)
    row = await person.get(f"/tasks/{task(1)['id']}")
    assert (row["title"], row["labels"]) == ("Task 1", [])
    assert row["version"] == before["version"] + 1
    [item] = await person.items(migration, verdict="conflict")
    assert item["resolution"] == "overwrite"
    assert item["conflict"]["existing"]["title"] == "mine"
    assert item["conflict"]["existing"]["labels"] == ["kept"]
    again = await person.migrate({"task-store": store(task(1), task(2))})
    assert again["counts"]["same"] == 2


async def test_what_was_said_in_roost_since_is_no_conflict(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"task-store": store(task(1))})
    said = await person.client.post(
        f"{API}/tasks/{task(1)['id']}/messages", json={"role": "user", "text": "go on"}
    )
    assert said.status_code == 201
    again = await person.migrate({"task-store": store(task(1))})
    assert again["counts"]["same"] == 1
    assert len(await person.get(f"/tasks/{task(1)['id']}/messages")) == 3


async def test_conflicts_wait_for_a_word_when_nobody_said_what_to_do(bench: Bench) -> None:
    person = await bench.person()
    await changed(person, title="mine")
    before = await bench.rows(person)
    waiting = await person.migrate({"task-store": store(task(1), task(3))})
    assert waiting["state"] == "awaiting_resolution"
    assert await bench.rows(person) == before
    cancelled = await person.client.post(f"{API}/migration/{waiting['id']}/cancel")
    assert cancelled.json()["data"]["state"] == "cancelled"
    again = await person.client.post(f"{API}/migration/{waiting['id']}/cancel")
    assert again.json()["code"] == "MIGRATION_STATE"
    resumed = await person.migrate(
        {"task-store": store(task(1), task(3))}, conflictResolution="AUTO_SKIP"
    )
    assert (resumed["state"], resumed["counts"]["created"]) == ("completed", 1)


async def test_settings_and_secrets_conflict_without_being_shown(bench: Bench) -> None:
    person = await bench.person()
    one, two = "fake-" + "one" * 5, "fake-" + "two" * 5
    environment = {"id": task(9)["id"], "name": "E", "githubToken": one}
    keys = {"theme": "dark", "electric_auth_token": one}
    keys["environments"] = json.dumps({"state": {"environments": [environment]}})
    assert (await person.migrate(keys))["counts"]["created"] == 3
    environment["githubToken"] = two
    keys |= {"theme": "light", "electric_auth_token": two}
    keys["environments"] = json.dumps({"state": {"environments": [environment]}})
    migration = await person.migrate(keys, conflictResolution="AUTO_OVERWRITE")
    assert migration["counts"]["updated"] == 3, migration
    shown = json.dumps(await person.items(migration))
    assert one not in shown
    assert two not in shown
    assert "sealed" not in shown
    sealed = await bench.watcher.fetch(
        "select ciphertext from environment_secrets where workspace_id = $1 union all "
        "select ciphertext from kept_secrets where workspace_id = $1",
        person.workspace_id,
    )
    assert {bench.box.open(row["ciphertext"]) for row in sealed} == {two}
    assert (await person.migrate(keys))["counts"]["same"] == 3


async def test_dates_that_had_to_be_guessed_are_no_conflict_and_are_not_overwritten(
    bench: Bench,
) -> None:
    person = await bench.person()
    source = task(1, createdAt=None, updatedAt="never", messages=["hello"])
    await person.migrate({"task-store": store(source)})
    [before] = await person.get("/tasks")
    again = await person.migrate({"task-store": store(source)})
    assert again["counts"]["same"] == 1
    source["title"] = "another"
    over = await person.migrate({"task-store": store(source)}, conflictResolution="AUTO_OVERWRITE")
    assert (over["state"], over["counts"]["updated"]) == ("completed", 1)
    [after] = await person.get("/tasks")
    assert after["title"] == "another"
    assert after["createdAt"] == before["createdAt"]


@pytest.mark.parametrize("size", [1, 2, 7, 5000])
async def test_the_plan_does_not_depend_on_the_batch_size(bench: Bench, size: int) -> None:
    person = await bench.person()
    tasks = [task(number) for number in range(9)] + ["bad", task(3)]
    whole = await person.migrate({"task-store": store(*tasks)}, dryRun=True)
    parts = await person.migrate({"task-store": store(*tasks)}, dryRun=True, batchSize=size)
    shown = [[{**each, "id": None} for each in await person.items(one)] for one in (whole, parts)]
    assert shown[0] == shown[1]
    assert whole["counts"] == parts["counts"]


texts = st.text(st.characters(codec="utf-16", categories=None), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
tasks = st.fixed_dictionaries(
    {"title": json_values},
    optional={
        "id": st.uuids(version=4).map(str) | st.integers(0, 3) | st.just("task-1") | texts,
        "status": st.sampled_from(["DONE", "todo", "?", None]),
        "messages": st.lists(texts | json_values, max_size=3) | json_values,
        "createdAt": st.none() | st.integers() | st.just("2025-01-01T00:00:00Z"),
        "isArchived": st.booleans(),
        "extra": json_values,
    },
)
dumps = st.dictionaries(
    st.sampled_from(["theme", "tasks", "environments", "unknown", "cache_x", "sessions-store"])
    | texts,
    st.lists(tasks | json_values, max_size=4).map(json.dumps) | texts,
    max_size=4,
)


@given(keys=dumps, size=st.integers(1, 4))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_of_any_dump_every_item_is_accounted_for_and_twice_changes_nothing(
    bench: Bench, keys: dict[str, str], size: int
) -> None:
    person = await bench.person()
    options = {"continueOnError": True, "conflictResolution": "AUTO_OVERWRITE"}
    first = await person.migrate(keys, batchSize=size, **options)
    assert first["state"] == "completed", first["error"]
    counts = first["counts"]
    assert counts["found"] == sum(counts[name] for name in SUM)
    assert counts["created"] == counts["create"]
    before = await bench.rows(person)
    second = await person.migrate(keys, **options)
    assert second["state"] == "completed", second["error"]
    assert second["counts"]["create"] == second["counts"]["conflict"] == 0
    assert second["counts"]["same"] == counts["create"]
    assert await bench.rows(person) == before
    items = await person.items(second)
    assert len(items) == counts["found"]
    assert all(UUID(each["targetId"]) for each in items if each["verdict"] == "same")
