"""What a claim reads, with the plans of a connection that has claimed since the first task."""

from uuid import uuid4

import asyncpg
import pytest

_RUNS = 2000
_CLAIM = """
select claim_next_task($1, $2, gen_random_uuid(), 'a', null, null, null, null, 60, null)
"""
_READ = (
    "select sum(seq_tup_read + idx_tup_fetch) from pg_stat_xact_user_tables"
    " where relname in ('executions', 'tasks')"
)
_WAIT = """
insert into tasks (workspace_id, id, title, status)
select $1, gen_random_uuid(), 'Task ' || i, $2 from generate_series(1, $3) i
"""
_WORK = """
insert into executions
    (workspace_id, id, task_id, status, claimed_by, lease_seconds, lease_expires_at)
select workspace_id, gen_random_uuid(), id, 'running', $1, 600, now() + interval '10 minutes'
from tasks where status = 'in_progress' and title <> 'Task 1'
"""


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("tasks", [0, 1], ids=["analyzed when empty", "analyzed with a task"])
async def test_a_claim_reads_neither_the_queue_nor_the_runs_of_others(
    fresh_roost_database: str, mode: str, tasks: int
) -> None:
    place, whom = uuid4(), uuid4()
    filler = await asyncpg.connect(fresh_roost_database)
    claimer = await asyncpg.connect(fresh_roost_database)
    try:
        await filler.execute(
            "insert into users (id, name, email) values ($1, 'Ann', 'a@b.test')", whom
        )
        await filler.execute(
            "insert into workspaces (id, name, slug, created_by) values ($1, 'Here', 'here', $2)",
            place, whom,
        )  # fmt: skip
        await filler.execute(_WAIT, place, "pending", tasks)
        await filler.execute("vacuum analyze executions, tasks")
        await filler.execute(_WAIT, place, "pending", 1 - tasks)
        await claimer.execute(f"set role roost_app; set plan_cache_mode = {mode}")
        for name, value in ("workspace_id", place), ("user_id", whom):
            await claimer.execute(f"set roost.{name} = '{value}'")
        assert await claimer.fetchval(_CLAIM, place, whom)
        await filler.execute(_WAIT, place, "in_progress", _RUNS)
        await filler.execute(_WORK, whom)
        await filler.execute(_WAIT, place, "pending", _RUNS)
        for _ in range(3):
            async with claimer.transaction():
                assert await claimer.fetchval(_CLAIM, place, whom)
                assert await claimer.fetchval(_READ) < 50
    finally:
        await claimer.close()
        await filler.close()
