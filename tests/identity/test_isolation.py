"""What the pool's role sees and does, in SQL of any kind: its own tenant, or nothing."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from roost.db.pool import Transaction
from roost.db.roles import APP_ROLE
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.identity import administration
from roost.identity.access import credentials
from tests.identity.conftest import Somebody, World

TABLES = (
    "users",
    "identities",
    "workspaces",
    "memberships",
    "access_tokens",
    "sessions",
    "login_links",
)


async def _rows(world: World, context: Context, sql: str, *values: Any) -> list[Any]:
    """Run plain SQL as the pool's role."""
    places = tuple(str(number) for number in range(len(values)))
    statement = Statement("test", sql, places, {})

    async def work(transaction: Transaction) -> list[Any]:
        return await transaction.rows(statement, **dict(zip(places, values, strict=True)))

    return await world.database.write(context, work)


async def _rows_or_refusal(world: World, context: Context, sql: str, *values: Any) -> list[Any]:
    """Run plain SQL; a right that the role has for no row at all changes none."""
    try:
        return await _rows(world, context, sql, *values)
    except asyncpg.InsufficientPrivilegeError as error:
        assert "permission denied for table" in str(error)  # noqa: PT017 -- it may as well not raise
        return []


async def _populate(world: World, someone: Somebody) -> None:
    await administration.create_login_link(world.owner, someone.id)
    await world.owner.execute(
        "insert into sessions (id, user_id, token_hash, expires_at) "
        "values ($1, $2, $3, now() + interval '1 day')",
        uuid4(),
        someone.id,
        credentials.digest(someone.email),
    )
    await world.owner.execute(
        "insert into identities (id, user_id, provider, subject, subject_hash) "
        "values ($1, $2, 'x', $3, $4)",
        uuid4(),
        someone.id,
        someone.email,
        credentials.subject_digest("x", someone.email),
    )


@pytest.fixture
async def peopled(world: World, ann: Somebody, bob: Somebody) -> World:
    """Both tenants have a row in every table."""
    for someone in (ann, bob):
        await _populate(world, someone)
    for table in TABLES:
        assert await world.owner.fetchval(f"select count(*) from {table}") == 2, table
    return world


@pytest.mark.parametrize("table", TABLES)
async def test_without_settings_no_row_is_visible_or_changed(peopled: World, table: str) -> None:
    assert await _rows(peopled, Context(), f"select * from {table}") == []
    assert await _rows_or_refusal(peopled, Context(), f"delete from {table} returning 1") == []
    async with peopled.database.connection() as connection:
        assert await connection.fetchval(f"select count(*) from {table}") == 0


@pytest.mark.parametrize("table", TABLES)
async def test_of_two_tenants_each_sees_its_own_rows(
    peopled: World, ann: Somebody, bob: Somebody, table: str
) -> None:
    for me, other in ((ann, bob), (bob, ann)):
        context = Context(me.workspace_id, me.id)
        rows = await _rows(peopled, context, f"select to_jsonb(t)::text from {table} t")
        assert len(rows) == 1, table
        assert str(other.id) not in rows[0][0]
        assert str(other.workspace_id) not in rows[0][0]


@pytest.mark.parametrize("table", TABLES)
async def test_another_tenants_rows_are_not_changed_or_deleted(
    peopled: World, ann: Somebody, bob: Somebody, table: str
) -> None:
    before = await peopled.owner.fetch(f"select t::text from {table} t order by 1")
    key = {"users": "id", "workspaces": "id"}.get(table, "user_id")
    value = bob.workspace_id if table == "workspaces" else bob.id
    context = Context(ann.workspace_id, ann.id)
    columns = await peopled.owner.fetchval(
        "select string_agg(format('%1$I = %1$I', column_name), ', ')"
        " from information_schema.column_privileges"
        " where grantee = $1 and privilege_type = 'UPDATE' and table_name = $2",
        APP_ROLE,
        table,
    )
    for sql in (
        f"update {table} set {columns} where {key} = $1 returning 1",
        f"update {table} set created_at = now() where {key} = $1 returning 1",
        f"delete from {table} where {key} = $1 returning 1",
    ):
        assert await _rows_or_refusal(peopled, context, sql, value) == []
    assert await peopled.owner.fetch(f"select t::text from {table} t order by 1") == before


_INSERTS = {
    "memberships": "(workspace_id, id, user_id, role) select w, n, u, 'owner'",
    "workspaces": "(id, slug, name, created_by) select n, 'x', 'x', u",
    "access_tokens": "(workspace_id, id, user_id, name, token_hash, hint, scopes) "
    "select w, n, u, 'x', '\\x01', 'x', '{*}'",
    "sessions": "(id, user_id, token_hash, expires_at) select n, u, '\\x02', now()",
    "login_links": "(id, user_id, token_hash, expires_at) select n, u, '\\x03', now()",
    "identities": "(id, user_id, provider, subject, subject_hash) select n, u, 'x', 'new', '\\x04'",
}


@pytest.mark.parametrize("table", _INSERTS)
async def test_no_row_is_inserted_for_another_tenant(
    peopled: World, ann: Somebody, bob: Somebody, table: str
) -> None:
    given = "(select $1::uuid as w, $2::uuid as n, $3::uuid as u) given"
    sql = f"insert into {table} {_INSERTS[table]} from {given}"
    values = (bob.workspace_id, uuid4(), bob.id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await _rows(peopled, Context(ann.workspace_id, ann.id), sql, *values)


async def test_a_row_is_not_moved_to_another_tenant(
    peopled: World, ann: Somebody, bob: Somebody
) -> None:
    for table in ("access_tokens", "memberships"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied"):
            await _rows(
                peopled,
                Context(ann.workspace_id, ann.id),
                f"update {table} set workspace_id = $1",
                bob.workspace_id,
            )


async def test_a_credential_shows_its_own_row_and_no_other(
    peopled: World, ann: Somebody, bob: Somebody
) -> None:
    for someone in (ann, bob):
        context = Context(credential=credentials.digest(someone.token).hex())
        rows = await _rows(peopled, context, "select user_id from access_tokens")
        assert [row[0] for row in rows] == [someone.id]
        for table in ("users", "workspaces", "memberships", "sessions", "login_links"):
            assert await _rows(peopled, context, f"select 1 from {table}") == []


async def test_nothing_outlives_its_transaction(peopled: World, ann: Somebody) -> None:
    context = Context(ann.workspace_id, ann.id, "ab", "test")
    assert await _rows(peopled, context, "select 1 from users")
    names = ("workspace_id", "user_id", "credential", "actor_id", "cause")
    async with peopled.database.connection() as connection:
        for name in names:
            setting = await connection.fetchval(f"select current_setting('roost.{name}', true)")
            assert not setting, name


async def test_the_pools_role_can_neither_lift_the_policies_nor_the_tables(world: World) -> None:
    for sql in (
        "alter table users no force row level security",
        "alter table users disable row level security",
        "drop policy tenant_select on users",
        "set role roost_owner",
        "truncate users",
        "create table public.x ()",
        "alter role roost_app bypassrls",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _rows(world, Context(), sql)


async def test_every_table_is_isolated_by_force(world: World) -> None:
    rows = await world.owner.fetch(
        "select c.relname, c.relrowsecurity and c.relforcerowsecurity as forced, "
        "  (select count(*) from pg_policy p where p.polrelid = c.oid) as policies "
        "from pg_class c where c.relname = any($1::text[]) and c.relkind = 'r'",
        list(TABLES),
    )
    assert len(rows) == len(TABLES)
    assert all(row["forced"] and row["policies"] for row in rows)


@pytest.mark.usefixtures("ann")
async def test_an_unknown_tenant_shows_nothing(world: World) -> None:
    context = Context(UUID(int=0), UUID(int=0))
    for table in TABLES:
        assert await _rows(world, context, f"select 1 from {table}") == []
