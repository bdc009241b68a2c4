"""Schema revisions: what the code says is what the database has, and one process at a time."""

import asyncio
import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from roost.db import rendering, schema
from roost.db.faults import SchemaError
from roost.db.metadata import metadata
from roost.db.roles import OWNER_ROLE
from roost.db.schema import LOCK, known_revisions, require_known, schema_state, upgrade
from roost.schema_tools import SCHEMA_TOOLS
from tests.db.rows import TENANT_TABLES
from tests.db.waiting import until
from tests.support.schema import as_role
from tests.support.waiting import until_others_wait

BOOKKEEPING = "alembic_version"
NOT_OURS = {BOOKKEEPING, "pg_stat_statements", "pg_stat_statements_info"}


@asynccontextmanager
async def engine_connection(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(
        "postgresql+asyncpg://", poolclass=NullPool, async_creator=lambda: asyncpg.connect(url)
    )
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


def differences(connection: Connection) -> list[Any]:
    """Let Alembic compare the tables in the code with the database's."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    # It can't compare defaults, computed columns and some indexes; the listings below do.
    return [
        found
        for found in compare_metadata(context, metadata)
        if not (found[0] == "remove_table" and found[1].name == BOOKKEEPING)
    ]


LISTINGS = {
    "columns": """
        select table_name, column_name, udt_name, is_nullable, column_default,
               generation_expression, character_maximum_length, collation_name
        from information_schema.columns where table_schema = $1""",
    "indexes": """
        select tablename, indexname, replace(indexdef, $1 || '.', '')
        from pg_indexes where schemaname = $1""",
    "constraints": """
        select c.conrelid::regclass::text, c.conname, c.contype::text,
               replace(pg_get_constraintdef(c.oid), $1 || '.', '')
        from pg_constraint c where c.connamespace = $1::regnamespace and c.contype <> 'n'""",
}


async def listing(connection: Any, what: str, schema: str) -> set[tuple[Any, ...]]:
    """List columns, indexes or constraints, but for Alembic's own table."""
    rows = await connection.fetch(LISTINGS[what], schema)
    found = {tuple(row) for row in rows}
    prefix = f"{schema}."
    plain = {(str(row[0]).removeprefix(prefix), *row[1:]) for row in found}
    return {row for row in plain if row[0] not in NOT_OURS}


async def test_alembic_finds_no_difference(fresh_roost_database: str) -> None:
    async with engine_connection(as_role(fresh_roost_database, OWNER_ROLE)) as connection:
        assert await connection.run_sync(differences) == []


async def test_alembic_finds_a_difference_where_there_is_one(fresh_roost_database: str) -> None:
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    await owner.execute("alter table tasks alter column branch type varchar(10)")
    await owner.execute("alter table tasks add column extra int")
    await owner.close()
    async with engine_connection(as_role(fresh_roost_database, OWNER_ROLE)) as connection:
        assert len(await connection.run_sync(differences)) == 2


async def test_tables_made_from_the_code_equal_the_revised_ones(
    fresh_roost_database: str, scratch_database: str
) -> None:
    # Both ways: nothing more in the code, and nothing more in the revisions.
    async with engine_connection(scratch_database) as connection:
        await connection.run_sync(metadata.create_all)
        await connection.commit()
    revised = await asyncpg.connect(fresh_roost_database)
    made = await asyncpg.connect(scratch_database)
    for what in LISTINGS:
        ours = await listing(made, what, "public")
        theirs = await listing(revised, what, "public")
        assert ours - theirs == set(), f"{what} only in the code"
        assert theirs - ours == set(), f"{what} only in the revisions"
        assert {row[0] for row in ours} >= set(TENANT_TABLES), what
    await revised.close()
    await made.close()


async def test_of_two_upgrades_at_once_one_does_the_work(scratch_database: str) -> None:
    owner = await made_empty(scratch_database)
    done = await asyncio.gather(*(upgrade(owner, SCHEMA_TOOLS) for _ in range(3)))
    assert sorted(chain.from_iterable(done)) == known_revisions()
    assert await upgrade(owner, SCHEMA_TOOLS) == []


async def test_what_another_upgrade_has_made_is_seen_in_a_transaction_that_waited_for_it(
    scratch_database: str,
) -> None:
    late = await asyncpg.connect(scratch_database, statement_cache_size=0)
    other = await asyncpg.connect(scratch_database)
    assert (await schema_state(late)).current is None
    async with late.transaction():
        async with other.transaction():
            await other.execute(f"select pg_advisory_xact_lock({LOCK})")
            # No table is locked by this wait, so nothing has the connection look at them anew.
            waiting = asyncio.create_task(late.execute(f"select pg_advisory_xact_lock({LOCK})"))
            await until_others_wait(other)
            await other.execute(
                f"create table {BOOKKEEPING} (version_num text);"
                f" insert into {BOOKKEEPING} values ('0001')"
            )
        await waiting
        assert (await schema_state(late)).current == "0001"
    await late.close()
    await other.close()


async def test_an_upgrade_of_a_current_database_changes_nothing(fresh_roost_database: str) -> None:
    connection = await asyncpg.connect(fresh_roost_database)
    before = [await listing(connection, what, "public") for what in LISTINGS]
    ended = await connection.fetchval("select xmin::text from alembic_version")
    assert await upgrade(as_role(fresh_roost_database, OWNER_ROLE), SCHEMA_TOOLS) == []
    assert await connection.fetchval("select xmin::text from alembic_version") == ended
    assert [await listing(connection, what, "public") for what in LISTINGS] == before
    await connection.close()


async def test_an_upgrade_waits_for_another_that_is_under_way(scratch_database: str) -> None:
    owner = await made_empty(scratch_database)
    other = await asyncpg.connect(owner)
    await other.execute(f"select pg_advisory_lock({LOCK})")
    waiting = asyncio.create_task(upgrade(owner, SCHEMA_TOOLS))
    waits = "select count(*) from pg_locks where locktype = 'advisory' and not granted"
    await until(lambda: other.fetchval(waits))
    assert not waiting.done()
    await other.execute(f"select pg_advisory_unlock({LOCK})")
    assert await waiting == known_revisions()
    await other.close()


async def upgrade_before(
    revision: str, owner: str, monkeypatch: pytest.MonkeyPatch, home: Path
) -> str:
    """Upgrade as a Roost from before a revision; gives the revision it stops at."""
    older = [each for each in known_revisions() if each < revision]
    shutil.copytree(schema.REVISIONS, home / "revisions")
    for script in (home / "revisions" / "versions").glob("r*"):
        if script.name >= f"r{revision}":
            script.unlink()
    with monkeypatch.context() as patch:
        for module in (schema, rendering):
            patch.setattr(module, "REVISIONS", home / "revisions")
        assert await upgrade(owner, SCHEMA_TOOLS) == older
    return older[-1]


async def test_a_lock_of_somebody_else_ends_the_upgrade_and_nothing_is_changed(
    scratch_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner = await made_empty(scratch_database)
    before_last = await upgrade_before("0006", owner, monkeypatch, tmp_path)
    connection = await asyncpg.connect(owner)
    holder = await asyncpg.connect(owner)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("lock table users in share mode")
    before = [await listing(connection, what, "public") for what in LISTINGS]
    with pytest.raises(SchemaError, match=r"could not lock .* nothing was changed"):
        await upgrade(owner, SCHEMA_TOOLS, lock_timeout=0.2)
    assert [await listing(connection, what, "public") for what in LISTINGS] == before
    assert (await schema_state(connection)).current == before_last
    await transaction.rollback()
    newer = [each for each in known_revisions() if each >= "0006"]
    assert await upgrade(owner, SCHEMA_TOOLS) == newer
    await holder.close()
    await connection.close()


async def test_rows_from_before_a_revision_are_kept_and_completed(
    scratch_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner = await made_empty(scratch_database)
    await upgrade_before("0006", owner, monkeypatch, tmp_path)
    connection = await asyncpg.connect(owner)
    user, workspace = uuid4(), uuid4()
    await connection.execute("insert into users (id, email) values ($1, 'a@example.test')", user)
    await connection.execute(
        "insert into identities (id, user_id, provider, subject) values ($1, $1, 'github', '7')",
        user,
    )
    await connection.execute(
        "insert into workspaces (id, slug, name, created_by) values ($1, 'w', 'W', $2)",
        workspace,
        user,
    )
    await connection.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, 'owner')",
        workspace,
        user,
    )
    await connection.execute(
        "insert into access_tokens (workspace_id, id, user_id, name, token_hash, hint, scopes) "
        "values ($1, $2, $2, 't', '\\x01', 'abcd', '{*}')",
        workspace,
        user,
    )
    await upgrade(owner, SCHEMA_TOOLS)
    stored = await connection.fetchval("select subject_hash from identities")
    assert stored == sha256(b"github\n7").digest()
    assert await connection.fetchval("select count(*) from access_tokens") == 1
    assert await connection.fetchval("select kind from users") == "person"
    await connection.close()


KEYS_ROWS = """
insert into migrations (workspace_id, id, user_id, state, config)
    values ($1, $1, $1, 'completed', '{}');
insert into migration_keys (workspace_id, id, migration_id, key, kind, sha256, size, item_count)
    values ($1, gen_random_uuid(), $1, $2, 'unknown', '', 0, 0);
insert into documents (workspace_id, id, user_id, kind, key, content)
    values ($1, gen_random_uuid(), $1, 'unknown', $2, '');
insert into kept_secrets (workspace_id, id, user_id, name, ciphertext)
    values ($1, gen_random_uuid(), $1, $2, '\\x00');
"""


async def insert_keys(connection: Any, name: UUID, key: str) -> None:
    for statement in KEYS_ROWS.strip().split(";")[:-1]:
        await connection.execute(statement, *([name, key] if "$2" in statement else [name]))


async def test_keys_from_before_their_hashes_are_kept_and_longer_ones_are_taken(
    scratch_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    owner = await made_empty(scratch_database)
    await upgrade_before("0008", owner, monkeypatch, tmp_path)
    connection = await asyncpg.connect(scratch_database)
    odd, long = "C:\\new\\101 \u00e9", secrets.token_hex(5_000)
    await insert_keys(connection, uuid4(), odd)
    with pytest.raises(asyncpg.ProgramLimitExceededError):
        await insert_keys(connection, uuid4(), long)
    await upgrade(owner, SCHEMA_TOOLS)
    assert await connection.fetchval("select key from migration_keys") == odd
    workspace = uuid4()
    await insert_keys(connection, workspace, long)
    for table in ("migration_keys", "kept_secrets"):
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(
                f"insert into {table} select (jsonb_populate_record(t, "
                "jsonb_build_object('id', gen_random_uuid()))).* "
                f"from {table} t where workspace_id = $1",
                workspace,
            )
    await connection.close()


async def test_a_revision_that_fails_changes_nothing_and_says_why(scratch_database: str) -> None:
    owner = await made_empty(scratch_database)
    connection = await asyncpg.connect(owner)
    await connection.execute("create table public.environments (mine int)")
    with pytest.raises(SchemaError, match=r"0002 failed.*environments.*already exists"):
        await upgrade(owner, SCHEMA_TOOLS)
    assert (await schema_state(connection)).current == "0001"
    await connection.close()


async def test_a_newer_revision_is_refused(fresh_roost_database: str) -> None:
    owner = as_role(fresh_roost_database, OWNER_ROLE)
    connection = await asyncpg.connect(owner)
    await connection.execute("update alembic_version set version_num = '9999'")
    with pytest.raises(SchemaError, match=r"9999.*does not know.*install the newer Roost"):
        await upgrade(owner, SCHEMA_TOOLS)
    state = await schema_state(connection)
    assert not state.known
    with pytest.raises(SchemaError):
        require_known(state)
    await connection.close()


async def made_empty(superuser_url: str) -> str:
    """Hand an empty database to the owner's role; gives the owner's URL."""
    connection = await asyncpg.connect(superuser_url)
    name = await connection.fetchval("select quote_ident(current_database())")
    await connection.execute(f"alter database {name} owner to {OWNER_ROLE}")
    await connection.execute(f"alter schema public owner to {OWNER_ROLE}")
    await connection.close()
    return as_role(superuser_url, OWNER_ROLE)


@pytest.fixture(autouse=True)
def _roles(template: str) -> None:
    """See that the server has both roles: it has them once it has the template."""
    del template
