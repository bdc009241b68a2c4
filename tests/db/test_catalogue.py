"""The catalogue walk: no tenant table without its guards, no power in the pool's hands."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import asyncpg
import pytest

from roost.db.roles import APP_ROLE, OWNER_ROLE
from tests.db.rows import TENANT_TABLES
from tests.support.schema import as_role

# What each table with a tenant must have; a row for each that lacks something.
WALK = """
select c.relname, lack
from pg_class c
join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'
join pg_attribute a on a.attrelid = c.oid and a.attname = 'workspace_id' and not a.attisdropped
cross join lateral (
    select 'row-level security' where not c.relrowsecurity
    union all select 'FORCE row-level security' where not c.relforcerowsecurity
    union all select 'a policy on the tenant' where not exists (
        select from pg_policy p where p.polrelid = c.oid and p.polroles = '{0}')
    union all select 'the tenant in the policy ' || p.polname
        from pg_policy p where p.polrelid = c.oid and p.polroles = '{0}'
            and coalesce(pg_get_expr(p.polqual, p.polrelid),
                         pg_get_expr(p.polwithcheck, p.polrelid)) not like '%roost.workspace_id%'
    union all select 'workspace_id first in its primary key' where not exists (
        select from pg_index i where i.indrelid = c.oid and i.indisprimary
            and i.indkey[0] = a.attnum)
    union all select 'workspace_id not null' where not a.attnotnull
    union all select 'the trigger ' || wanted || ' enabled always'
        from unnest(array['!journal', '!journal_truncate']) wanted
        where not exists (select from pg_trigger t
            where t.tgrelid = c.oid and t.tgname = wanted and t.tgenabled = 'A')
    union all select 'tenants apart in ' || k.conname
        from pg_constraint k join pg_class target on target.oid = k.confrelid
        where k.conrelid = c.oid and k.contype = 'f' and exists (
            select from pg_attribute t where t.attrelid = target.oid
                and t.attname = 'workspace_id' and not t.attisdropped)
        and not a.attnum = any (k.conkey)
) lacks(lack)
where c.relkind in ('r', 'p') and not c.relispartition
order by 1, 2
"""
# A policy may be wide for a caller's own rows; a tenant alone must never be enough to see others'.
OTHER_ROLES = """
select c.relname, p.polname from pg_policy p join pg_class c on c.oid = p.polrelid
where p.polroles <> '{0}' and not p.polroles <@ array[to_regrole($1)::oid]
"""


@pytest.fixture
async def owner(fresh_roost_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    yield connection
    await connection.close()


@pytest.fixture
async def app(roost_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(as_role(roost_database, APP_ROLE))
    yield connection
    await connection.close()


async def test_every_tenant_table_has_all_its_guards(owner: Any) -> None:
    assert [tuple(row) for row in await owner.fetch(WALK)] == []


async def test_only_the_owner_has_a_policy_of_its_own(owner: Any) -> None:
    assert [tuple(row) for row in await owner.fetch(OTHER_ROLES, OWNER_ROLE)] == []


async def test_the_walk_sees_every_tenant_table(owner: Any) -> None:
    found = await owner.fetch(
        "select table_name from information_schema.columns"
        " where table_schema = 'public' and column_name = 'workspace_id'"
    )
    tables = {row["table_name"] for row in found}
    assert tables >= {"tasks", "messages", "environments", "migrations", "access_tokens"}
    assert tables == set(TENANT_TABLES)


GOOD = """
create table notes (workspace_id uuid, id uuid, task_id uuid, primary key (workspace_id, id),
    constraint to_task foreign key (workspace_id, task_id) references tasks (workspace_id, id));
alter table notes enable row level security;
alter table notes force row level security;
create policy tenant on notes
    using (workspace_id = nullif(current_setting('roost.workspace_id', true), '')::uuid);
select journal.attach('public.notes');
"""


def _spoilt() -> Iterator[Any]:
    yield pytest.param("select 1", None, id="nothing")
    for what, lack in (
        ("alter table notes disable row level security", "row-level security"),
        ("alter table notes no force row level security", "FORCE row-level security"),
        ("drop policy tenant on notes", "a policy on the tenant"),
        (
            "drop policy tenant on notes; create policy tenant on notes using (true)",
            "the tenant in the policy tenant",
        ),
        (
            "alter table notes drop constraint notes_pkey; alter table notes add primary key (id)",
            "workspace_id first in its primary key",
        ),
        (
            'alter table notes enable trigger "!journal"',
            "the trigger !journal enabled always",
        ),
        (
            'drop trigger "!journal_truncate" on notes',
            "the trigger !journal_truncate enabled always",
        ),
        (
            """
            alter table tasks add constraint lone unique (id);
            alter table notes add constraint loose foreign key (task_id) references tasks (id)
            """,
            "tenants apart in loose",
        ),
    ):
        yield pytest.param(what, lack, id=lack.replace(" ", "-") + str(len(what)))


@pytest.mark.parametrize(("spoil", "lack"), list(_spoilt()))
async def test_a_table_that_lacks_a_guard_fails_the_walk(
    owner: Any, spoil: str, lack: str | None
) -> None:
    await owner.execute(GOOD)
    await owner.execute(spoil)
    found = {(row["relname"], row["lack"]) for row in await owner.fetch(WALK)}
    assert ("notes", lack) in found if lack else found == set()


async def test_the_pools_role_owns_nothing_and_bypasses_nothing(app: Any) -> None:
    row = await app.fetchrow("select * from pg_roles where rolname = current_user")
    assert row["rolname"] == APP_ROLE
    powers = ("rolsuper", "rolcreaterole", "rolcreatedb", "rolreplication", "rolbypassrls")
    assert not any(row[power] for power in powers)
    owned = await app.fetchval(
        "select count(*) from pg_shdepend d join pg_roles r on r.oid = d.refobjid"
        " where r.rolname = current_user and d.deptype = 'o'"
    )
    assert owned == 0
    memberships = await app.fetchval(
        "select count(*) from pg_auth_members m join pg_roles r on r.oid = m.member"
        " where r.rolname = current_user"
    )
    assert memberships == 0


@pytest.mark.parametrize(
    "statement",
    [
        "alter table tasks disable row level security",
        "alter table tasks add column extra int",
        "alter table tasks disable trigger all",
        'alter table tasks disable trigger "!journal"',
        'drop trigger "!journal" on tasks',
        "drop policy tenant on tasks",
        "create policy mine on tasks using (true)",
        "truncate tasks",
        "drop table tasks",
        "create table public.mine (id int)",
        "create schema mine",
        "set session_replication_role = replica",
        "set role roost_owner",
        "set session authorization roost_owner",
        "alter role roost_app bypassrls",
        "insert into journal.journal (relation, layout, op) values (1, 1, 'I')",
        "update journal.journal set actor_id = null",
        "delete from journal.journal",
        "truncate journal.journal",
        "insert into journal.tick (snapshot) values (pg_current_snapshot())",
        "delete from journal.tick",
        "update journal.relation set exclude = '{}'",
        "select * from journal.journal_default",
        "select journal.attach('public.tasks')",
        "select journal.detach('public.tasks')",
        "update alembic_version set version_num = '9999'",
        "copy tasks to program 'true'",
        "select pg_read_file('/etc/passwd')",
    ],
)
async def test_the_pools_role_may_not(app: Any, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


async def test_the_walk_covers_journal_tables_too(app: Any) -> None:
    granted = await app.fetch(
        "select table_name, privilege_type from information_schema.role_table_grants"
        " where grantee = $1 and table_schema = 'journal'",
        APP_ROLE,
    )
    assert {row["privilege_type"] for row in granted} == {"SELECT"}
