"""Members of one workspace who migrate at the same time touch nothing of each other."""

import asyncio
import json
from uuid import uuid4

import pytest

from tests.migration.bench import API, Bench, store, task
from tests.migration.test_late_conflicts import Interrupted


@pytest.mark.parametrize("policy", ["INTERACTIVE", "AUTO_OVERWRITE"])
async def test_two_members_who_bring_the_same_ids_at_once_touch_nothing_of_each_other(
    bench: Bench, policy: str
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    environment = str(uuid4())

    def keys(name: str) -> dict[str, str]:
        tasks = (task(n, title=f"{name} {n}", environmentId=environment) for n in range(60))
        return {
            "task-store": store(*tasks),
            "environments": json.dumps([{"id": environment, "name": name}]),
        }

    config = {"batchSize": 7, "conflictResolution": policy}
    both = await asyncio.gather(
        alice.migrate(keys("alice"), **config), bob.migrate(keys("bob"), **config)
    )
    for migration in both:
        assert (migration["state"], migration["error"]) == ("completed", None)
        assert (migration["counts"]["created"], migration["counts"]["unresolved"]) == (61, 0)
    for person, name in ((alice, "alice"), (bob, "bob")):
        rows = await bench.watcher.fetch(
            "select t.title, e.name from tasks t join environments e "
            "on e.workspace_id = t.workspace_id and e.id = t.environment_id "
            "where t.workspace_id = $1 and t.created_by = $2 and e.user_id = $2",
            person.workspace_id,
            person.user_id,
        )
        assert {each["title"] for each in rows} == {f"{name} {n}" for n in range(60)}
        assert {each["name"] for each in rows} == {name}
        assert (await person.migrate(keys(name)))["counts"]["same"] == 61


async def test_a_members_rows_brought_by_another_are_copied_with_their_messages(
    bench: Bench,
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    await alice.migrate({"task-store": store(task(1))})
    changed = await alice.migrate(
        {"task-store": store(task(1, title="New"))}, conflictResolution="AUTO_OVERWRITE"
    )
    path = f"{API}/migration/{changed['id']}/backup"
    backup = (await alice.client.get(path, params={"of": "rows"})).content
    brought = await bob.post(backup)
    assert (brought["state"], brought["counts"]["created"]) == ("completed", 1)
    [copy] = [each for each in await bob.get("/tasks") if each["createdBy"] == str(bob.user_id)]
    said = [await bob.get(f"/tasks/{each}/messages") for each in (copy["id"], task(1)["id"])]
    assert [[each["text"] for each in part] for part in said] == [["do number 1", "did 1"]] * 2
    assert (await bob.post(backup))["counts"]["same"] == 1


async def test_a_row_that_another_made_meanwhile_is_theirs(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    monkeypatch.setattr("roost.migration.service.Ledger", Interrupted)

    async def meanwhile() -> None:
        await bench.watcher.execute(
            "insert into tasks (workspace_id, id, created_by, title) values ($1, $2, $3, 'Mine')",
            alice.workspace_id,
            task(2)["id"],
            alice.user_id,
        )

    monkeypatch.setattr(Interrupted, "meanwhile", staticmethod(meanwhile))
    keys = {"task-store": store(*map(task, range(4)))}
    migration = await bob.migrate(keys, batchSize=1, conflictResolution="AUTO_OVERWRITE")
    assert (migration["state"], migration["counts"]["created"]) == ("completed", 4)
    titles = sorted(each["title"] for each in await bob.get("/tasks"))
    assert titles == ["Mine", "Task 0", "Task 1", "Task 2", "Task 3"]
    assert (await bob.migrate(keys))["counts"]["same"] == 4


async def test_later_passes_find_what_got_an_id_of_its_own_meanwhile(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    keys = {
        "task-store": store(*map(task, range(4))),
        "tasks": store(task(2, title="Of another key")),
    }
    monkeypatch.setattr("roost.migration.service.Ledger", Interrupted)

    async def meanwhile() -> None:
        await bench.watcher.execute(
            "insert into tasks (workspace_id, id, created_by, title) values ($1, $2, $3, 'Mine')",
            alice.workspace_id,
            task(2)["id"],
            alice.user_id,
        )

    monkeypatch.setattr(Interrupted, "meanwhile", staticmethod(meanwhile))
    migration = await bob.migrate(keys, batchSize=1)
    assert (migration["state"], migration["counts"]["created"]) == ("completed", 5)
    before = await bench.rows(bob)
    for again in (*({key: raw} for key, raw in keys.items()), keys):
        migration = await bob.migrate(again, conflictResolution="AUTO_OVERWRITE")
        assert migration["counts"]["same"] == migration["counts"]["found"]
    assert await bench.rows(bob) == before
