"""A later pass with some of the keys finds what an earlier pass made of them."""

import json
from typing import Any

import pytest

from tests.migration.bench import API, Bench, Person, store, task

U = task(1)["id"]


def environments(*ids: Any) -> str:
    return json.dumps([{"id": each, "name": f"E {each}"} for each in ids])


def titled(title: str, **fields: Any) -> str:
    return store(task(1, title=title, **fields))


async def only_same(person: Person, bench: Bench, keys: dict[str, str]) -> None:
    """Migrate some keys, which are as they were: nothing may change."""
    before = await bench.rows(person)
    for config in ({}, {"conflictResolution": "AUTO_OVERWRITE"}):
        migration = await person.migrate(keys, **config)
        items = await person.items(migration)
        assert {item["verdict"] for item in items} == {"same"}, items
        assert await bench.rows(person) == before


@pytest.mark.parametrize("key", ["environments", "envs", "env-data"])
@pytest.mark.parametrize("name", ["env-1", "7", 7, task(9)["id"].upper()])
async def test_tasks_alone_keep_their_environment(bench: Bench, key: str, name: Any) -> None:
    person = await bench.person()
    tasks = {"task-store": store(task(1, environmentId=name), task(2, environmentId="gone"))}
    await person.migrate({key: environments(name, "other"), **tasks})
    row = await person.get(f"/tasks/{U}")
    assert row["environmentId"] is not None
    await only_same(person, bench, tasks)
    await person.migrate({"task-store": store(task(1, environmentId=name, title="new"))},
                         conflictResolution="AUTO_OVERWRITE")  # fmt: skip
    changed = await person.get(f"/tasks/{U}")
    assert (changed["title"], changed["environmentId"]) == ("new", row["environmentId"])


async def test_another_members_environment_of_that_name_is_not_taken(bench: Bench) -> None:
    first = await bench.person()
    second = await bench.person(first.workspace_id)
    await first.migrate({"environments": environments("env-1", U)})
    tasks = store(task(1, environmentId="env-1"), task(2, environmentId=U))
    migration = await second.migrate({"task-store": tasks})
    for item in await second.items(migration):
        assert [each["code"] for each in item["warnings"]] == ["ENVIRONMENT_NOT_FOUND"]
        assert (await second.get(f"/tasks/{item['targetId']}"))["environmentId"] is None


async def test_one_id_under_two_keys_is_two_rows_whichever_key_comes_again(bench: Bench) -> None:
    person = await bench.person()
    keys = {"task-store": titled("a"), "tasks": titled("b"), "taskStore": titled("c")}
    first = await person.migrate(keys)
    assert first["counts"]["create"] == 3
    for again in (*({key: raw} for key, raw in keys.items()), keys):
        await only_same(person, bench, again)
    rows = {item["key"]: item["targetId"] for item in await person.items(first)}
    for key in keys:
        migration = await person.migrate({key: titled(f"{key} changed")})
        [item] = await person.items(migration)
        assert (item["verdict"], item["targetId"], item["field"]) == (
            "conflict", rows[key], "title",
        )  # fmt: skip
        await person.client.post(f"{API}/migration/{migration['id']}/cancel")


async def test_one_id_under_two_keys_stays_two_rows_when_one_has_changed(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate({"task-store": titled("a"), "tasks": titled("b")})
    migration = await person.migrate(
        {"task-store": titled("a"), "tasks": titled("b changed")},
        conflictResolution="AUTO_OVERWRITE",
    )
    assert migration["counts"]["same"] == migration["counts"]["conflict"] == 1
    titles = {row["title"] for row in await person.get("/tasks")}
    assert titles == {"a", "b changed"}


async def test_two_members_with_one_dump_have_their_own_rows_at_every_pass(bench: Bench) -> None:
    first = await bench.person()
    second = await bench.person(first.workspace_id)
    keys = {
        "environments": json.dumps([{"id": U, "name": "a"}]),
        "envs": json.dumps([{"id": U, "name": "b"}]),
        "task-store": titled("a", environmentId=U),
        "tasks": titled("b"),
    }
    for person in (first, second):
        assert (await person.migrate(keys))["counts"]["create"] == 4
    for person in (second, first):
        for key, raw in keys.items():
            await only_same(person, bench, {key: raw})
        await only_same(person, bench, keys)


async def test_equals_under_two_keys_are_one_row_at_every_pass(bench: Bench) -> None:
    first = await bench.person()
    second = await bench.person(first.workspace_id)
    keys = {"task-store": titled("a"), "tasks": titled("a")}
    for person in (first, second):
        assert (await person.migrate(keys))["counts"]["create"] == 1
        await only_same(person, bench, {"task-store": keys["task-store"]})
        alone = await person.migrate({"tasks": keys["tasks"]}, conflictResolution="AUTO_SKIP")
        assert alone["counts"]["create"] == 0
