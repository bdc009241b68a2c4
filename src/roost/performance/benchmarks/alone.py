"""What is measured with nothing else going on: single rows, lists, searches, sums, bulk inserts."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID, uuid4

import msgspec

from roost.performance.benchmarks.measuring import Times, timed
from roost.performance.benchmarks.scratch import TENANT, Scratch

_CAP: Final = 10_000
INSERT: Final = f"""{TENANT}
insert into {{s}}.fresh (workspace_id, id, title, description)
select tenant.id, $2::uuid, 'A single task', 'Made, read, changed and removed.' from tenant
"""  # noqa: S608 -- constants
_READ: Final = f"""{TENANT}
select answer.body from tenant, lateral (
    select json_build_object('id', t.id, 'title', t.title, 'status', t.status,
                             'createdAt', t.created_at)::text as body
    from {{s}}.task t where t.workspace_id = tenant.id and t.id = $2::uuid offset 0) answer
"""  # noqa: S608 -- constants
_UPDATE: Final = f"""{TENANT}
update {{s}}.fresh t set status = 'completed', version = version + 1, updated_at = now()
from tenant where t.workspace_id = tenant.id and t.id = $2::uuid
"""  # noqa: S608 -- constants
_DELETE: Final = f"""{TENANT}
delete from {{s}}.fresh t using tenant where t.workspace_id = tenant.id and t.id = $2::uuid
"""  # noqa: S608 -- constants


def _page(condition: str, order: str) -> str:
    return f"""{TENANT}
select answer.items, answer.total from tenant, lateral (
    select (select json_agg(p)::text from (
                select t.id, t.title, t.status, t.priority, t.created_at as "createdAt"
                from {{s}}.task t where t.workspace_id = tenant.id and {condition}
                order by {order} limit 20) p) as items,
           (select count(*) from (
                select 1 from {{s}}.task t where t.workspace_id = tenant.id and {condition}
                limit {_CAP + 1}) c) as total
    offset 0) answer
"""  # noqa: S608 -- constants


LIST: Final = _page("t.status = $2", "t.created_at desc, t.id desc")
_SEARCH: Final = _page(
    "t.search @@ websearch_to_tsquery('simple', $2)",
    "ts_rank(t.search, websearch_to_tsquery('simple', $2)) desc, t.id",
)
_SUM: Final = f"""{TENANT}
select answer.body from tenant, lateral (
    select json_agg(g)::text as body from (
        select t.status, t.priority, count(*) as number, max(t.updated_at) as latest,
               avg(length(t.description)) as words
        from {{s}}.task t where t.workspace_id = tenant.id group by 1, 2 order by 1, 2) g
    offset 0) answer
"""  # noqa: S608 -- constants
_BULK: Final = f"""{TENANT},
given as materialized (
    select * from jsonb_to_recordset($2::text::jsonb) as r (
        id uuid, title text, description text, messages jsonb)),
made as (
    insert into {{s}}.fresh (workspace_id, id, title, description)
    select tenant.id, g.id, g.title, g.description from tenant, given g returning id)
insert into {{s}}.message (workspace_id, id, task_id, position, role, text)
select tenant.id, m.id, g.id, m.position, 'user', m.text
from tenant, given g, jsonb_to_recordset(g.messages) as m (id uuid, position integer, text text)
"""  # noqa: S608 -- constants
_STATUSES: Final = ("pending", "in_progress", "completed", "failed", "cancelled")
_WORDS: Final = ("amber", "copper ember", "fjord", "garnet or kelp", "raven -onyx")


async def crud(scratch: Scratch) -> dict[str, Times]:
    """Insert, read, update and delete single rows, each a transaction.

    Those that are read are among all the others; the rest are written for it.
    """
    rows = [(scratch.tenant(), uuid4()) for _ in range(scratch.sizes.singles)]

    known = [scratch.chance.choice(scratch.known) for _ in rows]

    async def times(sql: str, places: list[tuple[str, UUID]]) -> Times:
        text = scratch.sql(sql)
        return await timed(len(places), lambda n: scratch.one.fetch(text, *places[n]))

    return {
        "insert": await times(INSERT, rows),
        "read": await times(_READ, known),
        "update": await times(_UPDATE, rows),
        "delete": await times(_DELETE, rows),
    }


async def lists(scratch: Scratch) -> dict[str, Times]:
    """Read a page of 20 of a tenant's tasks in one status, the newest first, with their count."""
    return {"page": await _reads(scratch, LIST, _STATUSES)}


async def search(scratch: Scratch) -> dict[str, Times]:
    """Find words in a tenant's tasks: a page of 20, the best first, with their count."""
    return {"words": await _reads(scratch, _SEARCH, _WORDS)}


async def aggregation(scratch: Scratch) -> dict[str, Times]:
    """Count a tenant's tasks by status and priority."""
    text = scratch.sql(_SUM)
    run = scratch.one.fetch
    return {"counts": await timed(scratch.sizes.reads, lambda _n: run(text, scratch.tenant()))}


async def _reads(scratch: Scratch, sql: str, asked: Sequence[str]) -> Times:
    """Ask for one after the other, each time for a tenant by chance."""
    text, run = scratch.sql(sql), scratch.one.fetch
    return await timed(
        scratch.sizes.reads, lambda n: run(text, scratch.tenant(), asked[n % len(asked)])
    )


async def migration(scratch: Scratch) -> dict[str, Times]:
    """Insert tasks with three messages each, out of one JSON text, with one statement."""
    sizes, tenant = scratch.sizes, scratch.tenant()
    texts = [_dump(sizes.bulk_rows // 4) for _ in range(sizes.bulks)]
    text = scratch.sql(_BULK)
    run = scratch.one.fetch
    return {"bulk": await timed(sizes.bulks, lambda n: run(text, tenant, texts[n]))}


def _dump(tasks: int) -> str:
    rows = [
        {
            "id": uuid4(),
            "title": f"Migrated task {number}",
            "description": "It was in a browser before. " * 4,
            "messages": [
                {"id": uuid4(), "position": position, "text": "What was said about it. " * 4}
                for position in range(3)
            ],
        }
        for number in range(tasks)
    ]
    return msgspec.json.encode(rows).decode()
