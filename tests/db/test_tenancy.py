"""The statement that carries its tenant, whatever plan PostgreSQL makes of it."""

import itertools
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest
from sqlalchemy import Integer, bindparam, func, select

from roost.db.pool import Database
from roost.db.roles import APP_ROLE
from roost.db.statements import Statement, compiled
from roost.db.tenancy import SET_CONTEXT, TENANT_ID, Context, tenant_cte, tenant_read
from roost.tasks.queries import TASKS
from roost.tasks.tables import messages, tasks
from roost.web.lists import page_statement
from roost.web.paging import SortKey
from tests.db.rows import TENANT_TABLES, fill
from tests.support.schema import as_role, pool_config

SWITCHES = (
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_seqscan",
    "enable_indexscan",
    "enable_bitmapscan",
    "enable_material",
    "enable_memoize",
)
COMBINATIONS = tuple(itertools.product(("on", "off"), repeat=len(SWITCHES)))
SAMPLE = tuple(random.Random(7).sample(COMBINATIONS, 32))
MODES = ("force_generic_plan", "force_custom_plan")
TASKS_OF_EACH = 40
SET_TENANT = "select current_setting('roost.workspace_id', true)"

PAGE = page_statement(TASKS, (), (SortKey("createdAt", descending=True),), by_cursor=False)
CONVERSATIONS = tenant_read(
    "select tasks.conversations",
    select(tasks.c.title, func.count(messages.c.id).label("messages"))
    .join(
        messages,
        (messages.c.workspace_id == tasks.c.workspace_id) & (messages.c.task_id == tasks.c.id),
    )
    .where(tasks.c.workspace_id == TENANT_ID)
    .group_by(tasks.c.title)
    .order_by(tasks.c.title)
    .limit(bindparam("limit", type_=Integer)),
)


@pytest.fixture
async def tenants(roost_database: str) -> tuple[UUID, UUID]:
    """Two workspaces with as many tasks, two messages on each."""
    made = uuid4(), uuid4()
    connection = await asyncpg.connect(roost_database)
    for number, workspace in enumerate(made):
        await connection.execute(
            "insert into tasks (workspace_id, id, title, created_at) select $1, gen_random_uuid(),"
            " format('%s of %s', n, $2::text), now() + n * interval '1 second'"
            " from generate_series(1, $3::int) n",
            workspace,
            str(number),
            TASKS_OF_EACH,
        )
        await connection.execute(
            "insert into messages (workspace_id, id, task_id, position, role)"
            " select t.workspace_id, gen_random_uuid(), t.id, n, 'user'"
            " from tasks t, generate_series(1, 2) n where t.workspace_id = $1",
            workspace,
        )
    await connection.close()
    return made


@pytest.fixture
async def app_connection(roost_database: str) -> AsyncIterator[Any]:
    """A connection of the pool's role that plans each statement anew."""
    connection = await asyncpg.connect(as_role(roost_database, APP_ROLE), statement_cache_size=0)
    yield connection
    await connection.close()


async def run(connection: Any, statement: Statement, workspace: UUID | None, limit: int) -> Any:
    prepared = await connection.prepare(statement.sql)
    values = {**Context(workspace).values(), "limit": limit, "offset": 0}
    rows = await prepared.fetch(*statement.arguments(values))
    assert not await connection.fetchval(SET_TENANT)
    return rows


async def check(
    connection: Any, tenants: tuple[UUID, UUID], combinations: Sequence[tuple[str, ...]]
) -> None:
    for mode, states in itertools.product(MODES, combinations):
        settings = dict(zip(SWITCHES, states, strict=True)) | {"plan_cache_mode": mode}
        await connection.execute(";".join(f"set {k} = {v}" for k, v in settings.items()))
        for number, workspace in enumerate(tenants):
            [row] = await run(connection, PAGE, workspace, 10)
            page = msgspec.json.decode(row["items"])
            expected = [f"{n} of {number}" for n in range(TASKS_OF_EACH, TASKS_OF_EACH - 10, -1)]
            assert [task["title"] for task in page] == expected, settings
            assert row["total"] == TASKS_OF_EACH, settings
            rows = await run(connection, CONVERSATIONS, workspace, 100)
            assert len(rows) == TASKS_OF_EACH, settings
            assert {row["messages"] for row in rows} == {2}, settings
            assert all(row["title"].endswith(f"of {number}") for row in rows), settings


async def test_a_read_gives_its_tenants_rows_under_many_planner_settings(
    app_connection: Any, tenants: tuple[UUID, UUID]
) -> None:
    await check(app_connection, tenants, SAMPLE)


@pytest.mark.long
async def test_a_read_gives_its_tenants_rows_under_every_planner_setting(
    app_connection: Any, tenants: tuple[UUID, UUID]
) -> None:
    await check(app_connection, tenants, COMBINATIONS)


async def test_a_read_without_a_tenant_sees_nothing(
    app_connection: Any, tenants: tuple[UUID, UUID]
) -> None:
    del tenants
    for statement in (PAGE, CONVERSATIONS):
        with pytest.raises(asyncpg.InvalidTextRepresentationError):  # "" is no tenant's id
            await run(app_connection, statement, None, 10)


async def test_a_plan_that_runs_before_the_tenant_is_set_sees_nothing(
    app_connection: Any, tenants: tuple[UUID, UUID]
) -> None:
    # The plain join is what the builder does not make: PostgreSQL may scan first.
    tenant = tenant_cte()
    joined = compiled(
        "select tasks.joined",
        select(tasks.c.title).select_from(
            tasks.join(
                tenant, tasks.c.workspace_id == func.cast(tenant.c.workspace_id, tasks.c.id.type)
            )
        ),
    )
    await app_connection.execute("set enable_nestloop = off; set enable_mergejoin = off")
    for workspace in tenants:
        rows = await run(app_connection, joined, workspace, 100)
        assert len(rows) in {0, TASKS_OF_EACH}  # late is nothing, never another tenant's


async def test_without_a_tenant_no_row_of_any_table_is_visible(
    app_connection: Any, roost_database: str
) -> None:
    made = await fill(roost_database)
    for table in TENANT_TABLES:
        assert await app_connection.fetchval(f'select count(*) from "{table}"') == 0, table
    async with app_connection.transaction():
        values = Context(made["workspaces"]).values()
        await app_connection.fetchrow(SET_CONTEXT.sql, *SET_CONTEXT.arguments(values))
        for table in TENANT_TABLES:
            assert await app_connection.fetchval(f'select count(*) from "{table}"') == 1, table
    for table in TENANT_TABLES:
        assert await app_connection.fetchval(f'select count(*) from "{table}"') == 0, table


async def test_an_empty_or_malformed_tenant_shows_no_row(
    app_connection: Any, tenants: tuple[UUID, UUID]
) -> None:
    del tenants
    for value in ("", " ", "not a uuid", "00000000-0000-0000-0000-000000000000"):
        async with app_connection.transaction():
            await app_connection.execute("select set_config('roost.workspace_id', $1, true)", value)
            try:
                async with app_connection.transaction():
                    assert await app_connection.fetchval("select count(*) from tasks") == 0
            except asyncpg.InvalidTextRepresentationError:
                continue  # louder than no row


def test_a_body_that_does_not_use_its_tenant_is_refused() -> None:
    with pytest.raises(ValueError, match="does not use its tenant"):
        tenant_read("select tasks.all", select(tasks.c.title)).sql  # noqa: B018 -- compiles it


async def test_nothing_of_a_write_stays_with_its_connection(
    roost_database: str, tenants: tuple[UUID, UUID]
) -> None:
    config = pool_config(roost_database, max_connections=1)
    database = await Database.connect(config)
    names = ("workspace_id", "user_id", "actor_id", "credential", "cause")
    left = ", ".join(f"coalesce(current_setting('roost.{name}', true), '')" for name in names)

    async def work(transaction: Any) -> str:
        inside = await transaction.connection.fetchval(SET_TENANT)
        return str(inside)

    async def fail(transaction: Any) -> None:
        await transaction.connection.execute("select 1 / 0")

    context = Context(tenants[0], uuid4(), "ab", "a cause")
    assert await database.write(context, work) == str(tenants[0])
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.write(context, fail)
    async with database.connection() as connection:
        assert await connection.fetchval(f"select concat({left})") == ""
    await database.close()
