"""What a page of a timeline reads: its own part of the run, wherever that lies."""

import json
from typing import Any

import httpx

from roost.executions import timeline
from roost.executions.timeline_queries import TIMELINE
from roost.executions.timeline_window import PLACES
from roost.web.paging import encode_cursor
from tests.executions.timelines import happened, page, told


def scanned(plan: dict[str, Any], table: str) -> int:
    """Count the rows of a table that a plan has read, those it threw away included."""
    count = sum(scanned(part, table) for part in plan.get("Plans", ()))
    if plan.get("Relation Name") == table:
        dropped = plan.get("Rows Removed by Filter", 0)
        count += int(plan["Actual Loops"] * (plan["Actual Rows"] + dropped))
    return count


async def long_run(alice: httpx.AsyncClient, connection: Any, count: int) -> str:
    """Make a run of so many steps, messages, changes of its task and heartbeats."""
    run = await happened(alice, ["step"])
    await connection.execute(
        f"""
        do $$
        declare
            r executions := (select e from executions e where id = '{run}');
        begin
            for n in 2..{count} loop
                insert into steps (workspace_id, id, execution_id, number, type, at)
                values (r.workspace_id, gen_random_uuid(), r.id, n, 'message', clock_timestamp());
                insert into messages
                    (workspace_id, id, task_id, position, role, text, created_at)
                values (r.workspace_id, gen_random_uuid(), r.task_id, n - 2, 'user', 'x',
                    clock_timestamp());
                update tasks set title = n::text where id = r.task_id;
                update executions set heartbeat_at = clock_timestamp() where id = r.id;
            end loop;
        end $$
        """
    )
    await connection.execute("vacuum analyze")
    return run


async def cursor_at(connection: Any, run: str, number: int) -> dict[str, int | None]:
    """Give the places of whoever has read up to a step."""
    at = await connection.fetchval(
        "select at from steps where execution_id = $1 and number = $2", run, number
    )
    seqs = {
        relation: await connection.fetchval(
            "select max(seq) from journal.journal where row_id = $1 and at <= $2",
            row,
            at,
        )
        for relation, row in {
            "executions": run,
            "tasks": str(
                await connection.fetchval("select task_id from executions where id = $1", run)
            ),
        }.items()
    }
    places: dict[str, int | None] = {
        "step_after": number,
        "message_after": number - 3,
        "message_last": None,
        "change_after": seqs["tasks"],
        "change_last": None,
        "event_after": seqs["executions"],
    }
    assert places.keys() == PLACES.keys()
    return places


async def test_no_page_reads_what_lies_before_it(own: tuple[httpx.AsyncClient, Any]) -> None:
    alice, connection = own
    count, limit = 600, 10
    run = await long_run(alice, connection, count)
    workspace = await connection.fetchval("select workspace_id from executions where id = $1", run)
    read = []
    for number in (3, 300, 580):
        places = await cursor_at(connection, run, number)
        values = {
            "workspace_id": str(workspace),
            "user_id": "",
            "execution": run,
            "limit": limit + 1,
            "most_events": 10,
            **places,
        }
        async with connection.transaction():
            await connection.execute("set local role roost_app")
            for _ in range(2):  # the first also reads the catalogue
                text = await connection.fetchval(
                    f"explain (analyze, buffers, format json) {TIMELINE.sql}",
                    *TIMELINE.arguments(values),
                )
        plan = json.loads(text)[0]["Plan"]
        assert scanned(plan, "steps") <= limit + 1
        assert scanned(plan, "messages") <= limit + 1
        read.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        order = [None if place is None else str(place) for place in places.values()]
        cursor = encode_cursor(timeline._ORDER, order)
        found = await page(alice, run, limit=limit, cursor=cursor)
        assert f"step {number + 1}" in told(found["data"])
    # Six hundred rows of each source would be hundreds of blocks more.
    assert max(read) - min(read) < 40, read
