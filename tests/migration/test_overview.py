"""What a user has migrated, page by page, and whether another migration may start."""

import asyncio

from tests.migration.bench import API, Bench
from tests.migration.test_undo import KEYS, TASK, undo
from tests.migration.test_undo_meanwhile import waiting_for


async def test_the_overview_lists_what_was_migrated(bench: Bench) -> None:
    person = await bench.person()
    empty = await person.get("/migration")
    assert empty == {"migrations": [], "running": None, "mayStart": True}
    made = [await person.migrate({"theme": name}, conflictResolution="AUTO_SKIP") for name in "ab"]
    found = await person.get("/migration")
    assert [each["id"] for each in found["migrations"]] == [each["id"] for each in made[::-1]]
    assert found["migrations"][0] == await person.get(f"/migration/{made[1]['id']}")
    assert found["mayStart"] is True


async def test_earlier_migrations_are_listed_to_the_last(bench: Bench) -> None:
    person, other = await bench.person(), await bench.person()
    await other.migrate({"theme": "dark"})
    made = [(await person.migrate({"theme": "a"}))["id"] for _ in range(5)][::-1]
    path, found, cursor = f"{API}/migration", [], None
    for left in (3, 1, 0):
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        answer = (await person.client.get(path, params=params)).json()
        found += [each["id"] for each in answer["data"]["migrations"]]
        pagination = answer["pagination"]
        assert (pagination["total"], pagination["limit"]) == (5, 2)
        cursor = pagination["nextCursor"]
        assert (cursor is None) is (left == 0)
    assert found == made
    second = (await person.client.get(path, params={"limit": 2, "page": 2})).json()
    assert [each["id"] for each in second["data"]["migrations"]] == made[2:4]
    refused = await person.client.get(path, params={"limit": 101})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "limit")


async def test_what_runs_is_told_on_every_page(bench: Bench) -> None:
    person = await bench.person()
    made = [(await person.migrate({"theme": "a"}))["id"] for _ in range(3)]
    await bench.watcher.execute("update migrations set state = 'received' where id = $1", made[0])
    found = await person.get("/migration", limit=1)
    assert (found["running"]["id"], found["mayStart"]) == (made[0], False)
    assert [each["id"] for each in found["migrations"]] == [made[2]]


async def test_none_may_start_while_one_is_being_undone(bench: Bench) -> None:
    person, other = await bench.person(), await bench.person()
    migration = await person.migrate(KEYS)
    transaction = bench.watcher.transaction()
    await transaction.start()
    await bench.watcher.execute("select from tasks where id = $1 for update", TASK)
    undoing = asyncio.create_task(undo(person, migration))
    await waiting_for(bench)
    found = await person.get("/migration")
    assert (found["running"], found["mayStart"]) == (None, False)
    refused = await person.client.post(f"{API}/migration", json={"keys": {"theme": "dark"}})
    assert refused.json()["code"] == "MIGRATION_IN_PROGRESS"
    assert (await other.get("/migration"))["mayStart"] is True
    await transaction.rollback()
    await undoing
    assert (await person.get("/migration"))["mayStart"] is True
