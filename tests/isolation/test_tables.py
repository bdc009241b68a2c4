"""Every table × command × caller, as the catalogue has them: each reaches its own tenant only."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from roost.db.roles import APP_ROLE
from tests.db.rows import TABLES, TENANT_TABLES, key_of, plant, row_of
from tests.isolation.tenants import ACTORS, CREDENTIALS, MINE, Tenants, two_tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")
Counted = Callable[[str, int], None]
REFUSALS = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.ForeignKeyViolationError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)
WITHOUT_TENANTS = {
    "public.alembic_version",
    "journal.tick",
    "journal.horizon",
    "journal.layout",
    "journal.relation",
}
"""What the pool's role may read in any context: revisions, ticks, names of tables and columns."""
PERSONAL = {"provider_tokens", "login_links", "login_attempts"}
"""What is its user's alone, or of who presents its secret; other members do not see it."""
NOT_THE_OWNERS = {
    "documents",
    "environment_secrets",
    "environments",
    "kept_secrets",
    "messages",
    "migration_backups",
    "migration_dumps",
    "migration_items",
    "migration_keys",
    "steps",
    "tasks",
}
"""Where not even the owner of the tables sees a row without its tenant."""


@dataclass
class Cells:
    """The outcomes of a part of the matrix; what was not right is told at the end, all of it."""

    tried: int = 0
    wrong: list[str] = field(default_factory=list)

    def expect(self, what: str, *, right: bool, got: object = "") -> None:
        """Count a cell."""
        self.tried += 1
        if not right:
            self.wrong.append(f"{what}: {got}")


async def test_every_table_of_the_catalogue_is_in_the_matrix(tenants: Tenants) -> None:
    found = {row["name"] for row in await tenants.tables() if not row["name"][8:].startswith("_")}
    known = {f"public.{table}" for table in TABLES} | {"public.alembic_version"}
    missing = {name for name in found if name.startswith("public.")} ^ known
    assert not missing, f"declare in a room's tables.py (or drop): {missing}"
    for row in await tenants.tables():
        is_tenants = row["forced"] or row["name"] in WITHOUT_TENANTS or not row["readable"]
        assert is_tenants, f"{row['name']} can be read by the pool's role without a policy"
    before = await tenants.their_rows()
    assert all(len(rows) == 1 for table, rows in before.items() if table != "journal"), before
    assert len(before["journal"]) >= len(TENANT_TABLES)


def _sees_their_row(actor: str, table: str, command: str) -> bool:
    if actor == "holder" and table in CREDENTIALS:
        return command in CREDENTIALS[table][1]
    return actor == "owner role" and table not in NOT_THE_OWNERS


def _sees_my_row(actor: str, table: str) -> bool:
    if actor == "owner role":
        return table not in NOT_THE_OWNERS
    if actor == "nobody":
        return False
    return table != "login_attempts" and not (actor == "colleague" and table in PERSONAL)


@pytest.mark.parametrize("actor", ACTORS)
async def test_select_shows_ones_own_rows_and_nobody_elses(
    tenants: Tenants, actor: str, counted: Counted
) -> None:
    cells = Cells()
    for table in TABLES:
        key = key_of(table)
        async with tenants.acting(actor, table if actor == "holder" else "") as connection:
            rows = await connection.fetch(f'select "{key}" as key, t::text as all from "{table}" t')
        shown = {row["key"] for row in rows}
        text = " ".join(row["all"] for row in rows)
        theirs = _sees_their_row(actor, table, "select")
        cells.expect(
            f"{actor} selects the other's {table}",
            right=(tenants.theirs[table] in shown) == theirs
            and (theirs or tenants.shows(text) is None),
            got=rows,
        )
        cells.expect(
            f"{actor} selects their own {table}",
            right=(tenants.mine[table] in shown) == _sees_my_row(actor, table),
            got=rows,
        )
    assert not cells.wrong, "\n".join(cells.wrong)
    counted("cells of table × command × caller", len(TABLES))


async def _columns(tenants: Tenants, table: str, role: str = APP_ROLE) -> list[str]:
    rows = await tenants.all_seeing.fetch(
        "select attname from pg_attribute where attrelid = $2::text::regclass and attnum > 0"
        " and not attisdropped and attgenerated = ''"
        " and has_column_privilege($1, attrelid, attnum, 'update') order by attnum",
        role,
        f'"{table}"',
    )
    return [row["attname"] for row in rows]


async def _outcome(connection: Any, sql: str, *arguments: object) -> int | str:
    """Give how many rows a statement touched, or `refused`."""
    try:
        async with connection.transaction():
            return int((await connection.execute(sql, *arguments)).rpartition(" ")[2])
    except REFUSALS:
        return "refused"


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("command", ["update", "delete"])
async def test_update_and_delete_touch_nobody_elses_rows(
    tenants: Tenants, actor: str, command: str, counted: Counted
) -> None:
    cells, before = Cells(), await tenants.their_rows()
    for table in TABLES:
        key, allowed = key_of(table), await _columns(tenants, table)
        if command == "delete":
            statements = [f'delete from "{table}"']
        else:
            statements = [f'update "{table}" set "{name}" = "{name}"' for name in allowed]
            statements.append(f'update "{table}" set "{key}" = "{key}"')
        by_credential = actor == "holder" and _sees_their_row(actor, table, command)
        for statement in statements:
            async with tenants.acting(actor, table if actor == "holder" else "") as connection:
                got = await _outcome(
                    connection, f'{statement} where "{key}" = $1', tenants.theirs[table]
                )
                if actor == "owner role" or by_credential:
                    continue
                cells.expect(f"{actor}: {statement}", right=got in {0, "refused"}, got=got)
                # Without any condition only what is their own can be touched: three rows at most.
                got = await _outcome(connection, statement)
                limit = 0 if actor == "nobody" else 2
                right = got == "refused" or int(got) <= limit
                cells.expect(f"{actor}: {statement} (all)", right=right, got=got)
    assert not cells.wrong, "\n".join(cells.wrong)
    assert await tenants.their_rows() == before
    counted("cells of table × command × caller", len(TABLES))
    counted("statements that would change another tenant's rows", cells.tried)


@pytest.mark.parametrize("actor", [name for name in ACTORS if name != "owner role"])
async def test_insert_puts_no_row_in_for_another_tenant(
    tenants: Tenants, actor: str, counted: Counted
) -> None:
    cells, before = Cells(), await tenants.their_rows()
    for table in TABLES:
        planted = row_of(table, {**tenants.theirs, table: uuid4()})
        async with tenants.acting(actor, table if actor == "holder" else "") as connection:
            try:
                got = await plant(connection, table, planted)
            except (*REFUSALS, asyncpg.UniqueViolationError):
                got = "refused"
        cells.expect(f"{actor} inserts {table}", right=got == "refused", got=got)
    assert not cells.wrong, "\n".join(cells.wrong)
    assert await tenants.their_rows() == before
    counted("cells of table × command × caller", cells.tried)


async def test_a_policy_that_is_too_wide_would_be_noticed(fresh_roost_database: str) -> None:
    async with two_tenants(fresh_roost_database) as tenants:
        for table in TABLES:
            await tenants.all_seeing.execute(f"create policy wide on {table} using (true)")
            for actor in ("nobody", "member", "colleague"):
                async with tenants.acting(actor) as connection:
                    rows = await connection.fetch(f"select t::text from {table} t")
                assert tenants.shows(" ".join(row[0] for row in rows)), table


FOREIGN_KEYS = """
select c.conrelid::regclass::text as child, c.confrelid::regclass::text as parent,
    c.conname as name, a.attname as column
from pg_constraint c
join pg_attribute a on a.attrelid = c.conrelid and a.attnum = any (c.conkey)
    and a.attname <> 'workspace_id'
where c.contype = 'f' and c.connamespace = 'public'::regnamespace
order by 1, 3
"""


async def test_no_row_of_ones_own_refers_to_another_tenants(
    tenants: Tenants, counted: Counted
) -> None:
    cells, keys = Cells(), await tenants.all_seeing.fetch(FOREIGN_KEYS)
    assert len(keys) > 10
    for actor in ("member", "colleague"):
        for key in keys:
            table, column = key["child"], key["column"]
            row = row_of(table, {**tenants.mine, table: uuid4()}, MINE)
            row[column] = row_of(table, tenants.theirs, MINE)[column]
            what = f"{actor}'s {table}.{column} refers to the other's row"
            context = tenants.context(actor)
            async with tenants.acting(actor) as connection:
                if table in CREDENTIALS:  # as who may insert it by its credential
                    secret = row[CREDENTIALS[table][0]]
                    assert isinstance(secret, bytes)
                    setting = "select set_config('roost.credential', $1, true)"
                    await connection.fetchval(setting, secret.hex())
                if "user_id" in row and column != "user_id":
                    row["user_id"] = context.user_id
                try:
                    got = await plant(connection, table, row)
                except (*REFUSALS, asyncpg.UniqueViolationError) as error:
                    got = type(error).__name__
            cells.expect(
                what,
                right=got in {"InsufficientPrivilegeError", "ForeignKeyViolationError"},
                got=got,
            )
    assert not cells.wrong, "\n".join(cells.wrong)
    counted("references tried across tenants", cells.tried)


WRITES = ("insert into {0} default values", "update {0} set {1} = default", "delete from {0}")


async def test_the_journal_and_the_revisions_are_read_only_and_the_journal_by_tenant(
    tenants: Tenants, counted: Counted
) -> None:
    cells = Cells()
    for row in await tenants.tables():
        name = row["name"]
        if name.startswith("public.") and name != "public.alembic_version":
            continue
        column = await tenants.all_seeing.fetchval(
            "select attname from pg_attribute where attrelid = $1::text::regclass and attnum = 1",
            name,
        )
        for actor in ("nobody", "member", "colleague"):
            for write in WRITES:
                async with tenants.acting(actor) as connection:
                    got = await _outcome(connection, write.format(name, column))
                cells.expect(f"{actor}: {write} {name}", right=got == "refused", got=got)
            try:
                async with tenants.acting(actor) as connection:
                    rows = await connection.fetch(f"select t::text as all from {name} t")
            except asyncpg.InsufficientPrivilegeError:
                cells.expect(f"{actor} selects {name}", right=not row["readable"])
                continue
            text = " ".join(found["all"] for found in rows)
            is_open = name in WITHOUT_TENANTS or actor != "nobody" or not rows
            cells.expect(
                f"{actor} selects {name}", right=is_open and tenants.shows(text) is None, got=text
            )
    assert not cells.wrong, "\n".join(cells.wrong)
    counted("cells of table × command × caller", cells.tried)
