"""What can be inferred without reading: by taken names, by the time an answer takes, by sizes."""

import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.db.rows import OF_TRIGGERS, TABLES, TENANT_TABLES, key_of, plant, row_of
from tests.isolation.tenants import CREDENTIALS, Tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")

GLOBAL_UNIQUES = {
    # What is unique among all tenants, and so refuses what another has: no one else's secret or
    # random id can be met by chance, which leaves the slug, the e-mail address and the subject.
    "access_tokens_token_hash_key",
    "identities_pkey",
    "identities_provider_subject_key",
    "identities_subject_hash_key",
    "invitations_token_hash_key",
    "login_attempts_pkey",
    "login_attempts_state_hash_key",
    "login_links_pkey",
    "login_links_token_hash_key",
    "provider_tokens_pkey",
    "sessions_pkey",
    "sessions_token_hash_key",
    "users_email_key",
    "users_pkey",
    "workspaces_pkey",
    "workspaces_slug_key",
}
UNIQUES = """
select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as table
from pg_index i join pg_class c on c.oid = i.indrelid
where c.relnamespace = 'public'::regnamespace and i.indisunique
    and c.relname <> 'alembic_version' and not exists (
        select from pg_attribute a where a.attrelid = i.indrelid
            and a.attname = 'workspace_id' and a.attnum = i.indkey[0])
"""


async def test_only_known_keys_are_unique_among_all_tenants(tenants: Tenants) -> None:
    found = {row["name"] for row in await tenants.all_seeing.fetch(UNIQUES)}
    assert found == GLOBAL_UNIQUES


@pytest.mark.parametrize("table", [name for name in TENANT_TABLES if name not in OF_TRIGGERS])
async def test_a_row_with_all_the_values_of_another_tenants_is_not_refused_for_them(
    tenants: Tenants, table: str
) -> None:
    """But for a hash that is unique by name: nobody has another's secret to hash."""
    row = row_of(table, {**tenants.mine, table: tenants.theirs[table]})
    for column in ("token_hash",):
        if column in row:
            row[column] = uuid4().bytes
    if table in {"memberships", "migration_dumps"}:
        return  # one of each is there already, in one's own workspace
    if table in {"messages", "migration_items"}:
        row["position"] = 7
    if table == "steps":
        row["number"] = 7
    async with tenants.acting("member") as connection:
        assert await plant(connection, table, row) == "INSERT 0 1"


def _buffers(node: dict[str, Any]) -> int:
    return int(node["Shared Hit Blocks"]) + int(node["Shared Read Blocks"])


def _shape(node: dict[str, Any]) -> Any:
    names = ("Node Type", "Index Name", "Relation Name", "Actual Rows", "Actual Loops")
    return [node.get(name) for name in names], [_shape(part) for part in node.get("Plans", [])]


async def _work(tenants: Tenants, sql: str, key: UUID) -> tuple[int, Any]:
    """Give the buffers that a statement touches as the member, and the shape of its plan."""
    async with tenants.acting("member") as connection:
        explain = "explain (analyze, buffers, timing off, summary off, format json) "
        await connection.fetch(explain + sql.format(key))  # what is cold is warm the second time
        plan = json.loads((await connection.fetch(explain + sql.format(key)))[0][0])[0]["Plan"]
    return _buffers(plan), _shape(plan)


BY_GLOBAL_KEY = {
    "users",
    "workspaces",
    "identities",
    "sessions",
    "login_links",
    "login_attempts",
} | {"provider_tokens"}
"""Found by a key of all tenants, then refused by the policy: a page more than for no row at all."""


@pytest.mark.parametrize("table", [name for name in TABLES if name not in BY_GLOBAL_KEY])
async def test_a_look_up_of_another_tenants_row_does_the_work_of_one_that_finds_nothing(
    tenants: Tenants, table: str
) -> None:
    for sql in ("select * from {0} where {1} = '{{}}'", "delete from {0} where {1} = '{{}}'"):
        if sql.startswith("delete") and table in {"audit_events", "steps", *OF_TRIGGERS}:
            continue  # a right that the role does not have
        text = sql.format(table, key_of(table))
        theirs = await _work(tenants, text, tenants.theirs[table])
        nobodys = await _work(tenants, text, uuid4())
        assert theirs == nobodys


async def test_the_tables_that_are_found_by_a_key_of_all_tenants_are_these(
    tenants: Tenants,
) -> None:
    found = await tenants.all_seeing.fetch(
        "select c.relname from pg_class c where c.relnamespace = 'public'::regnamespace"
        " and c.relkind = 'r' and c.relname <> 'alembic_version' and not exists ("
        "   select from pg_index i join pg_attribute a on a.attrelid = i.indrelid"
        "       and a.attname = 'workspace_id' and a.attnum = i.indkey[0]"
        "   where i.indrelid = c.oid and i.indisprimary)"
    )
    assert {row["relname"] for row in found} == BY_GLOBAL_KEY


async def test_a_wrong_credential_does_the_work_of_any_wrong_one(tenants: Tenants) -> None:
    """A secret is found by its hash, and nobody knows the hash of another's."""
    for table, (column, _) in CREDENTIALS.items():
        text = f"select * from {table} where {column} = decode('{{}}', 'hex')"
        first = await _work(tenants, text.replace("{}", uuid4().hex), uuid4())
        second = await _work(tenants, text.replace("{}", uuid4().hex), uuid4())
        assert first == second


LIMITS = {
    # what a role can't be kept from knowing of all tenants together -> where it is told
    "how many rows a table has": "select relname, reltuples, relpages from pg_class",
    "how many were read and written": "select * from pg_stat_user_tables",
    "how its indexes are used": "select * from pg_stat_user_indexes",
    "what statements its role runs, without values": "select query, calls from pg_stat_statements",
    "that others are connected": "select datname, usename, backend_start from pg_stat_activity",
    "that rows and tables are locked": "select locktype, relation, mode from pg_locks",
    "when something has changed": "select * from journal.tick",
    "names of tables and columns": "select * from journal.layout",
    "how many rows the planner expects": "explain select * from tasks",
}


@pytest.mark.parametrize("what", LIMITS)
async def test_what_is_told_of_all_tenants_together_names_none(tenants: Tenants, what: str) -> None:
    assert await tenants.app.fetchval("select journal.make_tick()")
    for actor in ("nobody", "member"):
        async with tenants.acting(actor) as connection:
            rows = await connection.fetch(LIMITS[what])
        assert rows, what
        assert tenants.shows(" ".join(str(tuple(row)) for row in rows)) is None


SETTINGS = ("workspace_id", "user_id", "credential", "actor_id", "cause")
SETS = ", ".join(f"set_config('roost.{name}', '{{0}}', true)" for name in SETTINGS)


async def _set_now(connection: Any) -> list[str]:
    names = ", ".join(f"current_setting('roost.{name}', true)" for name in SETTINGS)
    return [value for value in await connection.fetchrow(f"select {names}") if value]


async def test_settings_do_not_outlive_their_statement_or_transaction(tenants: Tenants) -> None:
    connection, key = tenants.app, str(tenants.mine["workspaces"])
    sets = "select " + SETS.format(key)
    count = "select count(*) from tasks"
    await connection.fetchrow(sets)
    assert await _set_now(connection) == []
    async with connection.transaction():
        await connection.fetchrow(sets)
        assert await connection.fetchval(count) == 1
    assert await _set_now(connection) == []
    for broken in ("select 1 / 0", "select * from nowhere", "insert into audit_events values (1)"):
        with pytest.raises(asyncpg.PostgresError):
            await connection.fetchrow(f"{sets}, ({broken})" if broken[:8] == "select 1" else broken)
        with pytest.raises(asyncpg.PostgresError):
            await _break(connection, sets, broken)
        assert await _set_now(connection) == []
        assert await connection.fetchval(count) == 0
    # Several statements in one message are one transaction.
    await connection.execute(f"{sets}; {count}")
    assert await _set_now(connection) == []
    assert await connection.fetchval(count) == 0


async def _break(connection: Any, sets: str, broken: str) -> None:
    async with connection.transaction():
        await connection.fetchrow(sets)
        await connection.fetchrow(broken)


async def test_a_setting_made_in_a_savepoint_ends_with_it(tenants: Tenants) -> None:
    connection = tenants.app
    async with connection.transaction():
        inner = connection.transaction()
        await inner.start()
        await connection.fetchrow("select " + SETS.format(tenants.mine["workspaces"]))
        assert await connection.fetchval("select count(*) from tasks") == 1
        await inner.rollback()
        assert await _set_now(connection) == []
        assert await connection.fetchval("select count(*) from tasks") == 0


async def test_a_setting_that_is_no_id_shows_nothing(tenants: Tenants) -> None:
    for value in ("", "x", "null", "' or true --", "{}", "00000000-0000-0000-0000-000000000000"):
        try:
            async with tenants.app.transaction():
                await tenants.app.fetchrow(
                    "select set_config('roost.workspace_id', $1, true)", value
                )
                assert await tenants.app.fetch("select * from tasks") == []
        except asyncpg.InvalidTextRepresentationError:
            assert value not in {"", "00000000-0000-0000-0000-000000000000"}
