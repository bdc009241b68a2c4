"""Every function that runs with its owner's rights: what it may tell and do, tried one by one."""

import re
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from roost.db.roles import APP_ROLE
from tests.db.rows import fill, plant, row_of
from tests.isolation.tenants import THEIRS, Tenants

pytestmark = pytest.mark.asyncio(loop_scope="module")


TOLD = {
    # what each may tell or do, whoever calls it
    "erase_user()": "slugs of the caller's own workspaces that are in the way",
    "refuse_erased()": "that a user was erased, to who writes a row of theirs",
    "show_member()": "nothing: it writes what members see of who joins",
    "show_user()": "nothing: it writes what members see of who changes",
    "journal.redact(regclass,name,text[],name[],uuid[])": "how many entries of all tenants lost "
    "their words, to an erasure",
    "journal.keys_of(regclass,name,text[])": "keys of all tenants' rows, likewise",
    "purge_workspace(uuid)": "whether a workspace was past its time, and is gone",
    "purgeable_workspaces()": "ids of workspaces deleted long ago or left by all",
    "sweep_expired()": "how many ended log-ins and kept answers of all tenants were removed",
    "expire_executions(uuid,integer)": "how many overdue runs of all tenants have become stale",
    "is_email_proved(text)": "whether some user has proved to have that address: one bit",
    "unfinished_migrations()": "ids of migrations under way, and whose they are",
    "performance.prepare_partitions()": "nothing",
    "performance.forget_events(integer)": "how many events of all workspaces were forgotten",
    "performance.drop_minutes()": "how many days of the doctor's minutes were dropped",
    "performance.make_scratch(uuid)": "the name of the schema that a benchmark works in",
    "performance.analyze_scratch(text)": "nothing",
    "performance.drop_scratch(text)": "whether a schema of a benchmark was there, and is gone",
    "journal.make_tick()": "that something changed somewhere since the last tick",
    "journal.prepare_partitions(integer)": "how many partitions were made",
    "journal.drop_older(integer)": "how many old months of all tenants' changes were dropped",
    "journal.touched(bigint,bigint)": "in which workspaces which tables changed between two ticks",
    "journal.followed(bigint,bigint,uuid,integer[])": "the changes of the caller's own workspace",
    "journal.since(bigint,uuid)": "the changes of the caller's own workspace",
    'journal."window"(bigint,bigint)': "every tenant's changes, to a listener",
    "journal.columns_of(oid,name[],name[])": "names of columns, to triggers",
    "journal.layout_of(oid,integer)": "a layout's id, to triggers",
    "journal.layout_now(oid,integer)": "a layout's id, to triggers",
    "journal.on_truncate()": "nothing; it is a trigger's",
    "journal.on_#()": "nothing; it is a trigger's",
}
LIST = """
select p.oid::regprocedure::text as name, p.proconfig as settings, r.rolname as owner,
    p.prorettype = 'trigger'::regtype as is_trigger,
    exists (select from aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
        where a.grantee = 0) as is_public,
    has_function_privilege($1, p.oid, 'execute') as is_the_pools
from pg_proc p join pg_namespace n on n.oid = p.pronamespace join pg_roles r on r.oid = p.proowner
where p.prosecdef and n.nspname not in ('pg_catalog', 'information_schema')
    and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
order by 1
"""


def general(name: str) -> str:
    """Write the triggers' functions, one a table, as one."""
    return re.sub(r"on_\d+", "on_#", name)


async def definers(tenants: Tenants) -> list[Any]:
    return list(await tenants.all_seeing.fetch(LIST, APP_ROLE))


async def test_every_definer_is_known_with_what_it_tells(tenants: Tenants) -> None:
    found = {general(row["name"]) for row in await definers(tenants)}
    assert found == set(TOLD), "say in TOLD what the function tells, and test that here"


async def test_none_is_everybodys_and_the_pool_may_call_those_it_needs(tenants: Tenants) -> None:
    for row in await definers(tenants):
        assert not row["is_public"], row["name"]
        is_closed = general(row["name"]) in CLOSED
        assert row["is_the_pools"] != is_closed, row["name"]


async def test_each_has_its_search_path_pinned_with_temporary_tables_last(tenants: Tenants) -> None:
    for row in await definers(tenants):
        assert "search_path=pg_catalog, pg_temp" in row["settings"], row["name"]
        assert row["owner"] == "roost_owner"


async def test_every_other_function_of_the_journal_is_closed_or_harmless(tenants: Tenants) -> None:
    rows = await tenants.all_seeing.fetch(
        "select p.oid::regprocedure::text as name from pg_proc p"
        " where p.pronamespace in ('public'::regnamespace, 'journal'::regnamespace)"
        " and not p.prosecdef and has_function_privilege($1, p.oid, 'execute')"
        " and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')",
        APP_ROLE,
    )
    assert {row["name"] for row in rows} == {
        "journal.tick_lock()",
        "principal_changed()",
        # With the rights of its caller, under row-level security like any statement.
        "claim_next_task(uuid,uuid,uuid,text,text,uuid,text[],uuid,integer,text)",
        "hold_execution(uuid,uuid,boolean)",
        # Of images that the caller has, or of entries that row-level security lets them read.
        "journal.fields_of(text)",
        "journal.whole_image(text,text,jsonb,smallint[])",
        "journal.image_as(text,jsonb,jsonb,boolean)",
        "journal.image_after(uuid,integer,text,bigint)",
        "journal.image_before(uuid,integer,text,bigint)",
        "journal.images_at(uuid,integer,text[],pg_snapshot,bigint)",
        "journal.entries_after(uuid,integer,text,bigint,bigint,timestamp with time zone,integer)",
        "journal.entries_until(uuid,integer,text,timestamp with time zone,integer)",
        "journal.finished_between(pg_snapshot,pg_snapshot)",
    }


CLOSED = {
    # those that the pool's role may not call, and how it would
    "refuse_erased()": "select refuse_erased()",
    "show_member()": "select show_member()",
    "show_user()": "select show_user()",
    "journal.redact(regclass,name,text[],name[],uuid[])": (
        "select journal.redact('public.users', 'id', '{x}')"
    ),
    "journal.keys_of(regclass,name,text[])": "select journal.keys_of('public.users', 'id', '{x}')",
    "performance.prepare_partitions()": "select performance.prepare_partitions()",
    "performance.forget_events(integer)": "select performance.forget_events(1)",
    "performance.drop_minutes()": "select performance.drop_minutes()",
    "performance.make_scratch(uuid)": "select performance.make_scratch(gen_random_uuid())",
    "performance.analyze_scratch(text)": "select performance.analyze_scratch('x')",
    "performance.drop_scratch(text)": "select performance.drop_scratch('x')",
    'journal."window"(bigint,bigint)': "select * from journal.window(0, 1)",
    "journal.columns_of(oid,name[],name[])": "select journal.columns_of(1, '{}', '{}')",
    "journal.layout_of(oid,integer)": "select journal.layout_of(1, 1)",
    "journal.layout_now(oid,integer)": "select journal.layout_now(1, 1)",
    "journal.on_truncate()": "select journal.on_truncate()",
    "journal.on_#()": "select journal.on_1()",
}


@pytest.mark.parametrize("name", sorted(CLOSED))
async def test_a_closed_one_refuses_the_pools_role(tenants: Tenants, name: str) -> None:
    for actor in ("nobody", "member"):
        async with tenants.acting(actor) as connection:
            with pytest.raises(
                (asyncpg.InsufficientPrivilegeError, asyncpg.FeatureNotSupportedError)
            ):
                await connection.execute(CLOSED[name])


async def test_a_triggers_function_is_no_ones_to_attach(tenants: Tenants) -> None:
    """Attached to a table of one's own it would write the journal in the owner's name."""
    async with tenants.acting("member") as connection:
        await connection.execute("create temp table own (workspace_id uuid, id uuid)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(
                "create trigger t after insert on own for each row execute function journal.on_1()"
            )


async def test_purge_takes_no_workspace_that_is_not_deleted(tenants: Tenants) -> None:
    before = await tenants.their_rows()
    for target in (tenants.theirs["workspaces"], tenants.mine["workspaces"], uuid4()):
        async with tenants.acting("member", keep=True) as connection:
            assert await connection.fetchval("select purge_workspace($1)", target) is False
            tenant = await connection.fetchval("select current_setting('roost.workspace_id', true)")
            assert tenant == str(tenants.mine["workspaces"])
    async with tenants.acting("member") as connection:
        assert await connection.fetchval("select purge_workspace(null)") in {False, None}
    assert await tenants.their_rows() == before


async def test_purge_takes_all_of_a_workspace_past_its_time_and_nothing_else(
    tenants: Tenants, isolated_database: str
) -> None:
    gone = await fill(isolated_database, "gone")
    before = await tenants.their_rows()
    recent = "update workspaces set deleted_at = now() - $2::text::interval where id = $1"
    await tenants.all_seeing.execute(recent, gone["workspaces"], "29 days")
    async with tenants.acting("member", keep=True) as connection:
        assert await connection.fetch("select * from purgeable_workspaces()") == []
        assert await connection.fetchval("select purge_workspace($1)", gone["workspaces"]) is False
    await tenants.all_seeing.execute(recent, gone["workspaces"], "31 days")
    async with tenants.acting("member", keep=True) as connection:
        found = await connection.fetch("select * from purgeable_workspaces()")
        assert [tuple(row) for row in found] == [(gone["workspaces"],)]
        assert await connection.fetchval("select purge_workspace($1)", gone["workspaces"]) is True
        # The caller is where it was, not in the workspace that is gone.
        tenant = await connection.fetchval("select current_setting('roost.workspace_id', true)")
        assert tenant == str(tenants.mine["workspaces"])
        assert await connection.fetchval("select count(*) from tasks") == 1
    assert await tenants.their_rows() == before
    for table in await tenants.tables():
        if not table["parted"] or table["name"] == "journal.journal":
            rows = await tenants.all_seeing.fetchval(
                f"select count(*) from {table['name']} t where t::text like $1",
                f"%{gone['workspaces']}%",
            )
            assert rows == 0, table["name"]


async def test_purgeable_workspaces_tells_ids_only(tenants: Tenants) -> None:
    async with tenants.acting("nobody") as connection:
        statement = await connection.prepare("select * from purgeable_workspaces()")
        assert [column.name for column in statement.get_attributes()] == ["workspace_id"]
        assert await statement.fetch() == []


async def test_unfinished_migrations_tells_ids_only(tenants: Tenants) -> None:
    async with tenants.acting("nobody") as connection:
        statement = await connection.prepare("select * from unfinished_migrations()")
        names = [column.name for column in statement.get_attributes()]
        assert names == ["workspace_id", "user_id", "id"]
        assert await statement.fetch() == []
    unfinished = row_of("migrations", {**tenants.theirs, "migrations": uuid4()}, THEIRS)
    await plant(tenants.all_seeing, "migrations", unfinished | {"state": "received"})
    async with tenants.acting("member") as connection:
        rows = await connection.fetch("select m::text from unfinished_migrations() m")
        assert len(rows) == 1
        assert THEIRS not in rows[0][0]
        assert await connection.fetch("select * from migrations where state = 'received'") == []
    await tenants.all_seeing.execute("delete from migrations where id = $1", unfinished["id"])


ENDED = {
    # what each sweep takes, and what is just short of it
    "login_attempts": [("expires_at", "61 minutes", True), ("expires_at", "59 minutes", False)],
    "login_links": [("expires_at", "8 days", True), ("expires_at", "6 days", False)],
    "sessions": [
        ("revoked_at", "31 days", True),
        ("revoked_at", "29 days", False),
        ("expires_at", "31 days", True),
        ("expires_at", "29 days", False),
        ("last_seen_at", "38 days", True),
        ("last_seen_at", "36 days", False),
    ],
    "idempotency_keys": [("created_at", "25 hours", True), ("created_at", "23 hours", False)],
}


async def test_sweep_removes_what_is_over_and_no_more(tenants: Tenants) -> None:
    before, expected = await tenants.their_rows(), 0
    del before["journal"]  # it tells of what came and went
    keys: dict[str, set[Any]] = {table: set() for table in ENDED}
    for table, cases in ENDED.items():
        for column, ago, is_over in cases:
            row = row_of(table, {**tenants.theirs, table: uuid4()})
            await plant(tenants.all_seeing, table, row)
            await tenants.all_seeing.execute(
                f"update {table} set {column} = now() - $2::text::interval where id = $1",
                row["id"],
                ago,
            )
            expected += is_over
            if not is_over:
                keys[table].add(row["id"])
    async with tenants.acting("nobody", keep=True) as connection:
        assert await connection.fetchval("select sweep_expired()") == expected
        assert await connection.fetchval("select sweep_expired()") == 0
    for table, kept in keys.items():
        left = await tenants.all_seeing.fetch(f"select id from {table} where id = any($1)", kept)
        assert {row["id"] for row in left} == kept
        await tenants.all_seeing.execute(f"delete from {table} where id = any($1)", kept)
    after = await tenants.their_rows()
    assert {table: after[table] for table in before} == before


PROVED = [
    # a user's identities (address, verified), and whether the user has proved their own
    ([], True),
    ([("held@example.test", True)], True),
    ([("HELD@example.test", True)], True),
    ([("held@example.test", False)], False),
    ([("other@example.test", True)], False),
    ([(None, False)], False),
    ([("held@example.test", False), ("Held@Example.test", True)], True),
]


@pytest.mark.parametrize(("identities", "proved"), PROVED)
async def test_whether_an_address_is_proved_is_all_that_is_told(
    tenants: Tenants,
    identities: list[tuple[str | None, bool]],
    proved: bool,  # noqa: FBT001 -- a column of the table above
) -> None:
    user, ask = uuid4(), "select is_email_proved($1)"
    every = tenants.all_seeing
    await every.execute("insert into users (id, email) values ($1, 'Held@example.test')", user)
    try:
        for email, verified in identities:
            await every.execute(
                "insert into identities (id, user_id, provider, subject, subject_hash, email,"
                " email_verified) values ($1, $2, 'x', $3, $4, $5, $6)",
                uuid4(),
                user,
                str(uuid4()),
                uuid4().bytes,
                email,
                verified,
            )
        async with tenants.acting("nobody") as connection:
            for address in ("held@example.test", "HELD@EXAMPLE.TEST"):
                assert await connection.fetchval(ask, address) is proved
            for other in ("nobody@example.test", "held@example.tes_", "%", "", None):
                assert await connection.fetchval(ask, other) is False
    finally:
        await every.execute("delete from users where id = $1", user)


async def _erase(tenants: Tenants, user: object, actor: object) -> object:
    async with tenants.app.transaction():
        for name, value in (("user_id", user), ("actor_id", actor), ("workspace_id", "")):
            setting = "select set_config('roost.' || $1::text, $2, true)"
            await tenants.app.fetchval(setting, name, str(value))
        return await tenants.app.fetchval("select erase_user()")


async def test_erasure_is_of_who_asks_and_of_nobody_else(
    tenants: Tenants, isolated_database: str
) -> None:
    someone, before = await fill(isolated_database, "someone"), await tenants.their_rows()
    for user, actor in (
        ("", ""),
        (tenants.theirs["users"], tenants.mine["users"]),
        (tenants.theirs["users"], ""),
        ("", tenants.theirs["users"]),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await _erase(tenants, user, actor)
    # Who is the last owner of what others work in is told so, and stays.
    slug = await tenants.all_seeing.fetchval(
        "select slug from workspaces where id = $1", tenants.mine["workspaces"]
    )
    assert await _erase(tenants, tenants.mine["users"], tenants.mine["users"]) == [slug]
    assert await _erase(tenants, someone["users"], someone["users"]) == []
    erased = "select erased_at is not null from users where id = $1"
    assert await tenants.all_seeing.fetchval(erased, someone["users"])
    for tenant in (tenants.mine, tenants.theirs):
        assert not await tenants.all_seeing.fetchval(erased, tenant["users"])
    assert await tenants.their_rows() == before


async def test_a_tick_tells_a_number_and_shows_no_change(tenants: Tenants) -> None:
    tick = await tenants.app.fetchval("select journal.make_tick()")
    assert isinstance(tick, int)
    assert await tenants.app.fetchval("select journal.make_tick()") == tick
    assert await tenants.app.fetch("select * from journal.journal") == []
    rows = await tenants.app.fetch("select t::text from journal.tick t")
    assert tenants.shows(" ".join(row[0] for row in rows)) is None


async def test_partitions_are_made_once_and_open_to_nobody(tenants: Tenants) -> None:
    made = await tenants.app.fetchval("select journal.prepare_partitions(5)")
    assert made == 2
    assert await tenants.app.fetchval("select journal.prepare_partitions(5)") == 0
    with pytest.raises(asyncpg.InvalidParameterValueError):
        await tenants.app.fetchval("select journal.prepare_partitions(10000)")
    for table in await tenants.tables():
        if table["parted"] and table["name"] != "journal.journal":
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await tenants.app.fetch(f"select * from {table['name']}")
