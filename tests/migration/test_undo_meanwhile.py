"""What somebody does while an undo is at work."""

import asyncio

import pytest

from tests.migration.bench import DATA, Bench
from tests.migration.test_undo import ENVIRONMENT, KEYS, TASK, undo

EDITS = {
    "a new title": "update tasks set title = 'Mine', version = version + 1 where id = '{task}'",
    "a message": "insert into messages (workspace_id, task_id, id, position, role, type, text) "
    "values ('{workspace}', '{task}', gen_random_uuid(), 9, 'user', 'message', 'Mine')",
    "a changed message": "update messages set text = 'Mine' where task_id = '{task}'",
    "a new secret": "update environment_secrets set ciphertext = 'x', updated_at = now() "
    "where environment_id = '{environment}'",
    "another text": "update documents set content = 'Mine' where workspace_id = '{workspace}'",
}


@pytest.mark.parametrize("edit", EDITS)
async def test_an_edit_that_is_committed_during_the_undo_stays_and_is_named(
    bench: Bench, edit: str
) -> None:
    person = await bench.person()
    migration = await person.migrate(KEYS)
    place = {"workspace": person.workspace_id, "task": TASK, "environment": ENVIRONMENT}
    transaction = bench.watcher.transaction()
    await transaction.start()
    await bench.watcher.execute(EDITS[edit].format(**place))
    before = await bench.rows(person)
    undoing = asyncio.create_task(undo(person, migration))
    await waiting_for(bench)
    await transaction.commit()
    undone = await undoing
    assert len(undone["undo"]["kept"]) == 1
    after = await bench.rows(person)
    edited = [row for table in DATA for row in before[table] if "Mine" in row or r"\x78" in row]
    assert edited
    assert all(any(row in after[table] for table in DATA) for row in edited)


async def waiting_for(bench: Bench) -> None:
    """Wait until somebody waits for a lock of the watcher's."""
    async with asyncio.timeout(20):
        while not await bench.owner.fetchval(  # noqa: ASYNC110 -- a server has no event
            "select exists(select from pg_stat_activity where $1 = any(pg_blocking_pids(pid)))",
            bench.watcher.get_server_pid(),
        ):
            await asyncio.sleep(0.01)
