"""Functions of the owner's that are called where the caller's own things lie in wait."""

import asyncpg
import pytest

from tests.isolation.tenants import Tenants
from tests.isolation.test_functions import CLOSED, TOLD

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS = (
    "select purge_workspace('{0}')",
    "select * from purgeable_workspaces()",
    "select sweep_expired()",
    "select erase_user()",
    "select expire_executions()",
    "select * from unfinished_migrations()",
    "select is_email_proved('shadow@example.test')",
    "select erase_user()",
    "select journal.make_tick()",
    "select journal.prepare_partitions(1)",
    "select journal.drop_older(36500)",
    "select relation from journal.touched(0, 0)",
    "select new from journal.followed(0, 1, current_setting('roost.workspace_id')::uuid)",
    "select new from journal.since(0, current_setting('roost.workspace_id')::uuid)",
)


SHADOWS = """
set local search_path = pg_temp, public, journal, pg_catalog;
create temp table workspaces (id uuid, deleted_at timestamptz);
create temp table memberships (workspace_id uuid);
create temp table users (id uuid, email text);
create temp table identities (user_id uuid, email text, email_verified boolean);
create temp table migrations (workspace_id uuid, user_id uuid, id uuid, state text,
    created_at timestamptz);
create temp table executions (workspace_id uuid, id uuid, task_id uuid, status text,
    lease_expires_at timestamptz);
create temp table tasks (workspace_id uuid, id uuid, status text);
create temp table login_attempts (expires_at timestamptz);
create temp table login_links (expires_at timestamptz);
create temp table sessions (revoked_at timestamptz, expires_at timestamptz,
    last_seen_at timestamptz);
create temp table pg_class (oid oid);
create temp table tick (id bigint);
insert into workspaces values ('{0}', '-infinity');
insert into migrations values ('{0}', '{0}', '{0}', 'received', now());
insert into executions values ('{0}', '{0}', '{0}', 'running', '-infinity');
insert into tasks values ('{0}', '{0}', 'in_progress');
insert into login_links values ('-infinity');
insert into users values ('{0}', 'shadow@example.test');
create function pg_temp.shadow() returns text language plpgsql as
    'begin raise exception ''%'', ''shadowed as '' || current_user; end';
create function pg_temp.now() returns timestamptz language plpgsql as
    'begin raise exception ''%'', ''shadowed as '' || current_user; end';
create function pg_temp.set_config(text, text, boolean) returns text language plpgsql as
    'begin raise exception ''%'', ''shadowed as '' || current_user; end';
create function pg_temp.coalesced(text) returns text language plpgsql as
    'begin raise exception ''%'', ''shadowed as '' || current_user; end';
create function pg_temp.lt(timestamptz, timestamptz) returns boolean language plpgsql as
    'begin raise exception ''%'', ''shadowed as '' || current_user; end';
create operator pg_temp.< (leftarg = timestamptz, rightarg = timestamptz, function = pg_temp.lt);
"""


async def test_each_open_one_is_called_in_the_shadows() -> None:
    names = {name.partition("(")[0] for name in TOLD if name not in CLOSED}
    assert all(any(name in call for call in CALLS) for name in names)


@pytest.mark.parametrize("call", CALLS)
async def test_temporary_tables_functions_and_operators_of_the_callers_are_not_used(
    tenants: Tenants, call: str
) -> None:
    before = await tenants.their_rows()
    async with tenants.acting("member") as connection:
        await connection.execute(SHADOWS.format(tenants.theirs["workspaces"]))
        if "make_tick" in call:  # it refuses to run after a write, with or without shadows
            with pytest.raises(asyncpg.InvalidTransactionStateError):
                await connection.fetch(call)
            return
        rows = await connection.fetch(call.format(tenants.theirs["workspaces"]))
        assert tenants.shows(" ".join(str(tuple(row)) for row in rows)) is None
        assert not any(value is True for row in rows for value in row)
    assert await tenants.their_rows() == before
