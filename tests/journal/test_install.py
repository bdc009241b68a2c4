"""The schema installs anywhere, again and again, and lets nobody see more than they may."""

import uuid

import asyncpg
import pytest
from sqlalchemy import select
from sqlalchemy.dialects import postgresql

from roost.journal import tables
from roost.journal.install import VERSION, grant_sql, install_sql, uninstall_sql
from tests.journal.database import APP, OWNER, Journaled

MINE = uuid.UUID(int=1)
THEIRS = uuid.UUID(int=2)


@pytest.fixture
async def two_workspaces(database: Journaled) -> Journaled:
    """One change in each of two workspaces, one in none."""
    await database.table("id int primary key, workspace_id uuid")
    await database.owner.execute("insert into t values (1, $1), (2, $2), (3, null)", MINE, THEIRS)
    return database


async def test_installing_again_keeps_everything(two_workspaces: Journaled) -> None:
    database = two_workspaces
    await database.owner.execute(install_sql())
    await database.owner.execute("insert into t values (4, null)")
    assert [e.row_id for e in await database.new_entries()] == ["1", "2", "3", "4"]
    versions = await database.owner.fetch("select version from journal.installed")
    assert [row["version"] for row in versions] == [VERSION]


async def test_a_newer_schema_is_refused(database: Journaled) -> None:
    await database.owner.execute("insert into journal.installed (version) values ($1)", VERSION + 1)
    with pytest.raises(asyncpg.RaiseError, match="newer than this Roost"):
        await database.owner.execute(install_sql())


async def test_installation_is_one_statement(scratch_database: str) -> None:
    connection = await asyncpg.connect(scratch_database)
    try:
        # The extended protocol takes one only.
        await connection.fetch(install_sql())
        await connection.fetch(uninstall_sql())
    finally:
        await connection.close()


async def test_uninstalling_leaves_tables_that_can_be_written(database: Journaled) -> None:
    await database.table("id int primary key")
    await database.owner.execute(uninstall_sql())
    await database.owner.execute("insert into t values (1); truncate t")
    left = await database.owner.fetchval(
        "select count(*) from pg_trigger where tgname like '!journal%'"
    )
    assert left == 0


async def test_a_workspace_sees_its_own_changes_only(two_workspaces: Journaled) -> None:
    app = await two_workspaces.connect(APP)
    assert await app.fetch("select * from journal.journal") == []
    async with app.transaction():
        await app.execute("select set_config('roost.workspace_id', $1, true)", str(MINE))
        rows = await app.fetch("select row_id from journal.journal")
    assert [row["row_id"] for row in rows] == ["1"]
    # Once set, the setting is '' ever after.
    assert await app.fetch("select * from journal.journal") == []


@pytest.mark.parametrize(
    "statement",
    [
        "insert into journal.journal (relation, layout, op) values (1, 1, 'I')",
        "update journal.journal set cause = 'x'",
        "delete from journal.journal",
        "truncate journal.journal",
        "select * from journal.journal_default",
        "insert into journal.tick (snapshot) values (pg_current_snapshot())",
        "delete from journal.tick",
        "insert into journal.layout (relation, oid, columns) values (1, 1, '[]')",
        "update journal.relation set exclude = '{}'",
        "select * from journal.window(0, 0)",
        "select journal.is_pending(null, pg_current_snapshot())",
        "select journal.layout_now('t'::regclass, 1)",
        "select journal.attach('t')",
        "select journal.grant_window_to(current_user)",
        "create table journal.x ()",
        "alter table t disable trigger all",
    ],
)
async def test_the_pools_role_can_do_nothing_else(
    two_workspaces: Journaled, statement: str
) -> None:
    app = await two_workspaces.connect(APP)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute(statement)


async def test_the_pools_role_makes_ticks_and_partitions(two_workspaces: Journaled) -> None:
    app = await two_workspaces.connect(APP)
    tick = await app.fetchval("select journal.make_tick()")
    assert await app.fetchval("select max(id) from journal.tick") == tick == 1
    assert await app.fetchval("select journal.prepare_partitions(5)") == 2
    assert await app.fetchval("select count(*) from journal.layout") == 1


async def test_the_window_is_granted_apart(two_workspaces: Journaled) -> None:
    await two_workspaces.owner.execute(grant_sql(APP, window=True))
    app = await two_workspaces.connect(APP)
    await app.fetchval("select journal.make_tick()")
    rows = await app.fetch("select row_id from journal.window(0, 1)")
    assert [row["row_id"] for row in rows] == ["1", "2", "3"]
    assert await app.fetch("select * from journal.journal") == []


async def test_nothing_in_the_schema_is_open_to_everybody(two_workspaces: Journaled) -> None:
    open_functions = await two_workspaces.owner.fetch(
        "select p.oid::regprocedure from pg_proc p, aclexplode(coalesce(p.proacl,"
        " acldefault('f', p.proowner))) a"
        " where p.pronamespace = 'journal'::regnamespace and a.grantee = 0"
    )
    assert open_functions == []
    unpinned = await two_workspaces.owner.fetch(
        "select p.oid::regprocedure from pg_proc p where p.pronamespace = 'journal'::regnamespace"
        " and p.prosecdef and not coalesce("
        " p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)"
    )
    assert unpinned == []


async def test_row_level_security_is_forced_on_the_owner_too(database: Journaled) -> None:
    row = await database.owner.fetchrow(
        "select relrowsecurity, relforcerowsecurity, relowner::regrole::text as owner"
        " from pg_class where oid = 'journal.journal'::regclass"
    )
    assert row is not None
    assert tuple(row) == (True, True, OWNER)


async def test_wide_images_are_not_compressed_by_pglz(database: Journaled) -> None:
    has_lz4 = "lz4" in await database.owner.fetchval(
        "select enumvals from pg_settings where name = 'default_toast_compression'"
    )
    rows = await database.owner.fetch(
        "select attrelid::regclass::text as name, attstorage::text, attcompression::text"
        " from pg_attribute where attname in ('old', 'new')"
        " and attrelid::regclass::text like 'journal.journal%'"
    )
    assert len(rows) >= 2 * 5
    for row in rows:
        if has_lz4:
            assert row["attcompression"] == "l", row
        else:
            assert row["attstorage"] == "e", row


async def test_the_typed_tables_are_the_installed_ones(database: Journaled) -> None:
    for table in tables.metadata.tables.values():
        rows = await database.owner.fetch(
            "select attname, format_type(atttypid, atttypmod) as type, attnotnull"
            " from pg_attribute where attrelid = $1::text::regclass and attnum > 0",
            table.fullname,
        )
        installed = {row["attname"]: (row["type"], row["attnotnull"]) for row in rows}
        dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
        typed = {
            column.name: (column.type.compile(dialect).lower(), not column.nullable)
            for column in table.c
        }
        aliases = {
            "timestamp with time zone": "timestamp with time zone",
            '"char"': "char(1)",
        }
        assert typed == {
            name: (aliases.get(kind, kind), required)
            for name, (kind, required) in installed.items()
        }, table.name


def test_the_typed_tables_can_be_queried() -> None:
    query = select(tables.journal.c.new).where(tables.journal.c.row_id == "1")
    assert "FROM journal.journal" in str(query)
