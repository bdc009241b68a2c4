"""Others who write to the same rows, in any order of locks: what was acknowledged is not lost."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from roost.db.pool import Database
from roost.migration.model import Config, ConflictResolution
from roost.migration.request import open_dump
from roost.migration.service import Migrations
from tests.db.waiting import until
from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.conftest import open_bench
from tests.migration.faults.test_undo_races import waits_for_a_lock
from tests.migration.faults.writers import Writer, writing
from tests.migration.test_recovery import tampering
from tests.migration.test_undo import snapshot, undo
from tests.support.schema import pool_config

SIZE = 60
KEYS = {"task-store": store(*map(task, range(SIZE)))}
CHANGED = {
    "task-store": store(*(task(number, title=f"new {number}") for number in range(SIZE + 40)))
}
CLASH = "raise exception using errcode = '40001', message = 'a clash'; return null;"


async def migrate(person: Person, policy: str) -> dict[str, Any]:
    """Migrate, however often others get in the way; gives the migration."""
    body = {"keys": CHANGED, "config": {"batchSize": 5, "conflictResolution": policy}}
    return await sent(person, "", body, "start")


async def sent(person: Person, path: str, body: Any, key: str) -> dict[str, Any]:
    async def answered() -> Any:
        headers = {"idempotency-key": key}
        answer = await person.client.post(f"{API}/migration{path}", json=body, headers=headers)
        assert answer.is_success or answer.json()["code"] in {"CONTENTION", "MIGRATION_IN_PROGRESS"}
        return answer.json()["data"] if answer.is_success else None

    document: dict[str, Any] = await until(answered, 60)
    return document


async def see(person: Person, writers: list[Writer], kept: set[str]) -> None:
    """All that was acknowledged is there; of a kept row, the migration's title may be, too."""
    client = person.client
    for writer in writers:
        for target, title in writer.titles.items():
            found = (await client.get(f"{API}/tasks/{target}")).json()["data"]["title"]
            assert found == title or (target in kept and found.startswith("new ")), target
        for target, said in writer.said.items():
            messages = await person.get(f"/tasks/{target}/messages", limit=100)
            here = [each["text"] for each in messages if each["text"].startswith("mine")]
            assert here == said
        for target in writer.deleted:
            assert (await client.get(f"{API}/tasks/{target}")).status_code == 404
        for target in writer.made:
            assert (await client.get(f"{API}/tasks/{target}")).status_code == 200


@pytest.mark.parametrize("policy", ["AUTO_SKIP", "AUTO_OVERWRITE"])
async def test_what_others_were_told_is_done_outlives_a_migration_and_its_undo(
    fresh_roost_database: str, policy: str
) -> None:
    async with open_bench(fresh_roost_database) as bench:
        person = await bench.person()
        await person.migrate(KEYS)
        async with writing(fresh_roost_database, person, SIZE) as writers:
            await until(lambda: have_written(writers))
            migration = await migrate(person, policy)
            assert migration["state"] == "completed", migration["error"]
            if policy == "AUTO_SKIP":
                assert migration["counts"]["updated"] == 0
            undone = await sent(person, f"/{migration['id']}/undo", {}, "undo")
            assert (undone["state"], undone["undo"]["number"]) == ("undone", 1)
        await see(person, writers, {each["targetId"] for each in undone["undo"]["kept"]})


async def have_written(writers: list[Writer]) -> bool:
    return all(len(writer.titles) > 3 for writer in writers)


@asynccontextmanager
async def deadlock(bench: Bench, url: str, person: Person, work: Any) -> AsyncIterator[Any]:
    """Have the work wait for a row of somebody's who then waits for the work; it has to yield."""
    connection = await asyncpg.connect(url)
    lock = "select from tasks where workspace_id = $1 and id = $2 for update"
    try:
        # Who waits longest without looking is not the one that PostgreSQL ends.
        await connection.execute("set deadlock_timeout = '60s'")
        change = connection.transaction()
        await change.start()
        await connection.execute(lock, person.workspace_id, task(50)["id"])
        working = asyncio.create_task(work)
        await until(lambda: waits_for_a_lock(bench))
        await connection.execute(lock, person.workspace_id, task(2)["id"])
        await change.rollback()
        yield await working
    finally:
        await connection.close()


async def test_a_deadlock_is_got_over_by_a_migration_and_by_its_undo(
    bench: Bench, roost_database: str
) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    work = person.migrate(CHANGED, conflictResolution="AUTO_OVERWRITE")
    async with deadlock(bench, roost_database, person, work) as migration:
        assert (migration["state"], migration["counts"]["updated"]) == ("completed", SIZE)
    async with deadlock(bench, roost_database, person, undo(person, migration)) as undone:
        assert (undone["state"], undone["undo"]["kept"]) == ("undone", [])
    assert await snapshot(bench, person) == before


async def test_a_row_that_stays_locked_fails_a_migration_with_nothing_changed(
    bench: Bench, roost_database: str
) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    hasty = await Database.connect(replace(pool_config(roost_database), statement_timeout=0.5))
    connection = await asyncpg.connect(roost_database)
    migrations = Migrations(hasty, bench.box, lambda: None)
    config = Config(
        conflict_resolution=ConflictResolution.AUTO_OVERWRITE, batch_size=20, retry_attempts=1
    )
    received = open_dump(json.dumps({"keys": CHANGED}).encode(), None)
    async with connection.transaction():
        await connection.execute(
            "select from tasks where workspace_id = $1 and id = $2 for update",
            person.workspace_id,
            task(50)["id"],
        )
        await migrations.start(person.workspace_id, person.user_id, received, config)
    await connection.close()
    await hasty.close()
    failed = (await person.get("/migration"))["migrations"][0]
    assert (failed["state"], failed["error"]["code"]) == ("failed", "QUERY_TIMEOUT")
    assert "remaining" not in failed["error"]
    assert await snapshot(bench, person) == before


async def test_a_clash_now_and_then_is_not_noticed(bench: Bench) -> None:
    person = await bench.person()
    body = f"if random() < 0.1 then {CLASH} end if; return new;"
    async with tampering(bench, person, "tasks", "before insert", body):
        migration = await person.migrate(KEYS, batchSize=5, retryAttempts=10)
    assert (migration["state"], migration["counts"]["created"]) == ("completed", SIZE)


async def test_clashes_without_an_end_leave_a_migration_that_goes_on_later(bench: Bench) -> None:
    person = await bench.person()
    body = {"keys": KEYS, "config": {"batchSize": 5, "retryAttempts": 0}}
    clash = f"if new.title = 'Task 33' then {CLASH} end if; return new;"
    async with tampering(bench, person, "tasks", "before insert", clash):
        answer = await person.client.post(f"{API}/migration", json=body)
    assert (answer.status_code, answer.json()["code"]) == (503, "CONTENTION")
    assert "retry-after" in answer.headers
    running = (await person.get("/migration"))["running"]
    assert (running["state"], running["progress"]["done"]) == ("applying", 30)
    assert await bench.migrations.resume_all() >= 1
    [migration] = (await person.get("/migration"))["migrations"]
    assert (migration["state"], migration["counts"]["created"]) == ("completed", SIZE)


async def test_an_undo_that_clashes_without_an_end_changes_nothing(bench: Bench) -> None:
    person = await bench.person()
    before = await snapshot(bench, person)
    migration = await person.migrate(KEYS)
    after = await snapshot(bench, person)
    function = f"clash_{person.user_id.hex}"
    await bench.watcher.execute(
        f"create function {function}() returns trigger language plpgsql as $$ begin {CLASH} end $$;"
        f"create trigger {function} before delete on tasks for each row "
        f"when (old.workspace_id = '{person.workspace_id}') execute function {function}()"
    )
    answer = await person.client.post(f"{API}/migration/{migration['id']}/undo", json={})
    assert (answer.status_code, answer.json()["code"]) == (503, "CONTENTION")
    assert await snapshot(bench, person) == after
    assert (await person.get(f"/migration/{migration['id']}"))["state"] == "completed"
    await bench.watcher.execute(f"drop trigger {function} on tasks; drop function {function}()")
    await undo(person, migration)
    assert await snapshot(bench, person) == before
