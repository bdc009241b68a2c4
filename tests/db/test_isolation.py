"""Tenants who try to reach each other's rows by SQL, as the pool's role would send it."""

import random
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from roost.db.metadata import metadata
from roost.db.roles import APP_ROLE
from roost.db.tenancy import SET_CONTEXT, Context
from tests.db.rows import TENANT_TABLES, fill, plant, row_of
from tests.support.schema import as_role

REFUSED = (asyncpg.InsufficientPrivilegeError, asyncpg.UniqueViolationError)
CHILDREN = [
    (table.name, column.name)
    for table in metadata.sorted_tables
    if table.name in TENANT_TABLES
    for key in table.foreign_key_constraints
    if "workspace_id" in key.columns and len(key.columns) > 1
    for column in key.columns
    if column.name != "workspace_id"
]


@dataclass
class Tenants:
    """Two tenants, and ways in: the pool's role, and the superuser who sees all."""

    app: Any
    all_seeing: Any
    mine: dict[str, UUID]
    theirs: dict[str, UUID]

    async def enter(self) -> None:
        """Act as the first tenant until the transaction ends."""
        values = Context(self.mine["workspaces"], self.mine["users"]).values()
        await self.app.fetchrow(SET_CONTEXT.sql, *SET_CONTEXT.arguments(values))

    async def try_it(self, sql: str, *arguments: object) -> str:
        """Run a statement as the first tenant; gives its status."""
        async with self.app.transaction():
            await self.enter()
            return str(await self.app.execute(sql, *arguments))

    async def plant(self, table: str, row: dict[str, object]) -> None:
        """Insert a row as the first tenant."""
        async with self.app.transaction():
            await self.enter()
            await plant(self.app, table, row)

    async def their_rows(self) -> dict[str, list[str]]:
        """Everything the second tenant has."""
        return {
            table: [
                row[0]
                for row in await self.all_seeing.fetch(
                    f'select t::text from "{table}" t where workspace_id = $1',
                    self.theirs["workspaces"],
                )
            ]
            for table in TENANT_TABLES
        }


@pytest.fixture
async def tenants(roost_database: str) -> AsyncIterator[Tenants]:
    app = await asyncpg.connect(as_role(roost_database, APP_ROLE))
    all_seeing = await asyncpg.connect(roost_database)
    yield Tenants(app, all_seeing, await fill(roost_database), await fill(roost_database))
    await app.close()
    await all_seeing.close()


def probes(table: str, tenants: Tenants, rng: random.Random) -> list[tuple[str, list[object]]]:
    """Make statements that would touch the other tenant's row if anything let them."""
    theirs, row = tenants.theirs["workspaces"], tenants.theirs[table]
    mine = tenants.mine["workspaces"]
    found: list[tuple[str, list[object]]] = [
        (f'select * from "{table}" where id = $1', [row]),
        (f'select * from "{table}" where workspace_id = $1', [theirs]),
        (f'select * from "{table}" where workspace_id <> $1', [mine]),
        (
            f'select t.* from "{table}" t join workspaces w on true where t.workspace_id <> $1',
            [mine],
        ),
        (f'update "{table}" set id = id where id = $1 returning id', [row]),
        (f'update "{table}" set id = id where workspace_id = $1 returning id', [theirs]),
        (f'update "{table}" set workspace_id = $2 where id = $1 returning id', [row, mine]),
        (f'delete from "{table}" where id = $1 returning id', [row]),
        (f'delete from "{table}" where workspace_id = $1 returning id', [theirs]),
        (f'select * from "{table}" where id = $1 for update', [row]),
    ]
    rng.shuffle(found)
    return found


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_another_tenants_rows_are_neither_seen_nor_changed(
    tenants: Tenants, table: str
) -> None:
    before = await tenants.their_rows()
    assert all(before.values())
    for sql, arguments in probes(table, tenants, random.Random(table)):
        try:
            async with tenants.app.transaction():
                await tenants.enter()
                assert await tenants.app.fetch(sql, *arguments) == [], sql
        except asyncpg.InsufficientPrivilegeError:
            # A right that the role has for no row at all; but every table can be read.
            assert not sql.startswith("select") or sql.endswith("for update"), sql
    assert await tenants.their_rows() == before


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_no_row_can_be_put_into_or_moved_to_another_tenant(
    tenants: Tenants, table: str
) -> None:
    before = await tenants.their_rows()
    planted = row_of(table, {**tenants.theirs, table: uuid4()})
    with pytest.raises(REFUSED):
        await tenants.plant(table, planted)
    move = f'update "{table}" set workspace_id = $1 where id = $2'
    with pytest.raises(REFUSED):
        await tenants.try_it(move, tenants.theirs["workspaces"], tenants.mine[table])
    assert await tenants.their_rows() == before


def test_there_are_references_between_tenant_tables() -> None:
    assert {("messages", "task_id"), ("tasks", "environment_id")} <= set(CHILDREN)


@pytest.mark.parametrize(("table", "column"), sorted(CHILDREN))
async def test_a_reference_cannot_reach_another_tenants_row(
    tenants: Tenants, table: str, column: str
) -> None:
    target = row_of(table, tenants.theirs, "x")[column]
    change = f'update "{table}" set "{column}" = $1 where id = $2'
    with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.InsufficientPrivilegeError)):
        await tenants.try_it(change, target, tenants.mine[table])
    row = row_of(table, {**tenants.mine, table: uuid4()}) | {column: target}
    with pytest.raises((asyncpg.ForeignKeyViolationError, asyncpg.InsufficientPrivilegeError)):
        await tenants.plant(table, row)


async def test_the_journal_shows_a_tenant_only_its_own_changes(tenants: Tenants) -> None:
    async with tenants.app.transaction():
        await tenants.enter()
        seen = await tenants.app.fetch("select distinct workspace_id from journal.journal")
    assert [row[0] for row in seen] == [tenants.mine["workspaces"]]


async def test_deleting_a_task_takes_only_its_own_messages(tenants: Tenants) -> None:
    before = await tenants.their_rows()
    async with tenants.app.transaction():
        await tenants.enter()
        assert await tenants.app.execute("delete from tasks") == "DELETE 1"
        assert await tenants.app.fetchval("select count(*) from messages") == 0
    assert await tenants.their_rows() == before
