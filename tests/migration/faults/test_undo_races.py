"""Somebody who writes to a row at the very moment at which it is taken back."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.db.waiting import until
from tests.migration.bench import Bench, Person, store, task
from tests.migration.test_undo import undo

TASK = task(1)["id"]
ENVIRONMENT = "20000000-0000-4000-8000-000000000001"
KEYS = {
    "task-store": store(*map(task, range(6))),
    "environments": f'[{{"id": "{ENVIRONMENT}", "name": "E", "githubToken": "fake-token"}}]',
    "theme": "dark",
}
WRITTEN = {
    "a task": "update tasks set title = 'mine' where workspace_id = $1 and id = $2",
    "a message": (
        "insert into messages (workspace_id, id, task_id, position, role, type, text) "
        "values ($1, gen_random_uuid(), $2, 2, 'user', 'message', 'mine')"
    ),
    "an environment": "update environments set name = 'mine' where workspace_id = $1 and id = $2",
}
IDS = {"a task": TASK, "a message": TASK, "an environment": ENVIRONMENT}


async def waits_for_a_lock(bench: Bench) -> bool:
    """Whether somebody in this database waits for somebody else's transaction."""
    statement = (
        "select exists(select from pg_stat_activity where wait_event_type = 'Lock' "
        "and datname = current_database() and usename = 'roost_app')"
    )
    return bool(await bench.watcher.fetchval(statement))


async def while_uncommitted(
    bench: Bench, url: str, statement: str, values: tuple[object, ...], work: Any
) -> Any:
    """Do the work while somebody's change is not committed yet; it is, once the work waits."""
    connection = await asyncpg.connect(url)
    try:
        change = connection.transaction()
        await change.start()
        await connection.execute(statement, *values)
        working = asyncio.create_task(work)
        await until(lambda: waits_for_a_lock(bench))
        await change.commit()
        return await working
    finally:
        await connection.close()


@pytest.mark.parametrize("what", WRITTEN)
async def test_what_is_changed_at_the_moment_of_the_undo_is_kept_and_named(
    bench: Bench, roost_database: str, what: str
) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    values = (person.workspace_id, IDS[what])
    undone = await while_uncommitted(
        bench, roost_database, WRITTEN[what], values, undo(person, migration)
    )
    assert undone["state"] == "undone"
    assert [each["targetId"] for each in undone["undo"]["kept"]] == [IDS[what]]
    assert await written(bench, person, what)


async def written(bench: Bench, person: Person, what: str) -> bool:
    column = {"a task": "title", "a message": "text", "an environment": "name"}[what]
    table = {"a task": "tasks", "a message": "messages", "an environment": "environments"}[what]
    statement = f"select exists(select from {table} where workspace_id = $1 and {column} = 'mine')"
    return bool(await bench.watcher.fetchval(statement, person.workspace_id))


async def test_a_preference_that_is_changed_at_that_moment_is_kept(
    bench: Bench, roost_database: str
) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    statement = 'update users set preferences = preferences || \'{"theme": "mine"}\' where id = $1'
    undone = await while_uncommitted(
        bench, roost_database, statement, (person.user_id,), undo(person, migration)
    )
    assert [each["kind"] for each in undone["undo"]["kept"]] == ["preference"]
    found = "select preferences ->> 'theme' from users where id = $1"
    assert await bench.watcher.fetchval(found, person.user_id) == "mine"
