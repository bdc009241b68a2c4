"""Tables come under the journal, and stay there when they change."""

import asyncio
import uuid
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid

from roost.journal.entry import Entry, load_layouts
from roost.journal.triggers import attach_sql, detach_sql
from tests.journal.database import Journaled


async def values(database: Journaled, entry: Entry) -> dict[str, str | None]:
    """Read an entry's new image by the names of its layout."""
    layouts = await load_layouts(database.owner, [entry.layout])
    assert entry.new is not None
    return layouts[entry.layout].values(entry.new)


async def triggers(database: Journaled, name: str = "t") -> dict[str, str]:
    rows = await database.owner.fetch(
        "select tgname, tgenabled::text from pg_trigger"
        " where tgrelid = $1::text::regclass and tgname like '!journal%'",
        name,
    )
    return {row["tgname"]: row["tgenabled"] for row in rows}


async def test_attaching_again_changes_nothing_and_locks_nobody_out(database: Journaled) -> None:
    await database.table("id int primary key")
    assert await triggers(database) == {"!journal": "A", "!journal_truncate": "A"}
    writer = await database.connect()
    async with writer.transaction():
        await writer.execute("insert into t values (1)")
        async with asyncio.timeout(5):
            await database.attach("t")
    assert await triggers(database) == {"!journal": "A", "!journal_truncate": "A"}
    assert [e.op for e in await database.new_entries()] == ["I"]


@pytest.mark.parametrize("damage", ["disable trigger", "enable trigger", "enable replica trigger"])
async def test_attaching_again_enables_what_was_disabled(database: Journaled, damage: str) -> None:
    await database.table("id int primary key")
    await database.owner.execute(f'alter table t {damage} "!journal"')
    await database.attach("t")
    assert await triggers(database) == {"!journal": "A", "!journal_truncate": "A"}


async def test_ours_is_the_first_trigger_of_a_table(database: Journaled) -> None:
    await database.table('id int primary key, parent int references t', "t")
    name = await database.owner.fetchval(
        "select tgname from pg_trigger where tgrelid = 't'::regclass"
        ' order by tgname collate "C" limit 1'
    )
    assert name == "!journal"


@pytest.mark.parametrize("how", ["deferrable initially deferred", "deferrable initially immediate"])
async def test_a_deferrable_primary_key_is_refused(database: Journaled, how: str) -> None:
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="t_pkey is deferrable"):
        await database.table(f"id int primary key {how}, other int not null unique")
    await database.attach("t", id_columns=["other"])
    await database.owner.execute("insert into t values (1, 5)")
    assert [e.row_id for e in await database.new_entries()] == ["5"]


@pytest.mark.parametrize(
    ("definition", "options", "message"),
    [
        ("id int primary key", {"id_columns": ["nope"]}, "no unique key"),
        ("id int primary key, a int", {"id_columns": ["a"]}, "no unique key"),
        ("id int primary key, a int", {"workspace_column": "a"}, "has type integer"),
        ("id int primary key", {"workspace_column": "a"}, "does not exist"),
        ("id int primary key, workspace_id text", {}, "has type text"),
        ("id int primary key", {"exclude": ["a"]}, "no column a"),
        ("id int primary key", {"large": ["id"]}, "part of the key"),
        ("id int primary key, workspace_id uuid", {"exclude": ["workspace_id"]}, "workspace"),
        ("id int primary key, a full_text", {"exclude": ["a"]}, "domain public.full_text"),
    ],
)
async def test_what_cannot_be_journaled_is_refused_with_the_reason(
    database: Journaled, definition: str, options: dict[str, Any], message: str
) -> None:
    await database.owner.execute("create domain full_text as text not null")
    with pytest.raises(asyncpg.PostgresError, match=message):
        await database.table(definition, **options)


@pytest.mark.parametrize(
    ("kind", "name"), [("view", "v"), ("temporary table", "v"), ("view", "journal.v")]
)
async def test_only_tables_are_journaled(database: Journaled, kind: str, name: str) -> None:
    await database.owner.execute(f"create {kind} {name} as select 1 as id")
    with pytest.raises(asyncpg.WrongObjectTypeError, match="only ordinary tables"):
        await database.owner.execute(f"select journal.attach('{name}')")


async def test_a_table_without_a_key_is_journaled_by_image(database: Journaled) -> None:
    await database.table("a int")
    await database.owner.execute("insert into t values (1); update t set a = 2; delete from t")
    assert await database.changes() == [
        ("I", None, None, "(1)"),
        ("U", None, "(1)", "(2)"),
        ("D", None, "(2)", None),
    ]


async def test_every_change_of_columns_gets_its_layout(database: Journaled) -> None:
    await database.table("id int primary key, a int, b text")
    # One session all the time: what it has planned must be planned anew.
    write = database.owner.execute
    await write("insert into t values (1, 1, 'x')")
    await write("alter table t add c int default 7")
    await write("update t set a = 2")
    await write("alter table t drop b")
    await write("update t set a = 3")
    await write("alter table t rename a to z")
    await write("update t set z = 4")
    await write("alter table t alter z type text using 'z' || z")
    await write("update t set c = 8")
    async with database.owner.transaction():
        await write("update t set z = 'before'")
        await write("alter table t add d bool")
        await write("update t set d = true")
    entries = await database.new_entries()
    assert [await values(database, entry) for entry in entries] == [
        {"id": "1", "a": "1", "b": "x"},
        {"id": "1", "a": "2", "b": "x", "c": "7"},
        {"id": "1", "a": "3", "c": "7"},
        {"id": "1", "z": "4", "c": "7"},
        {"id": "1", "z": "z4", "c": "8"},
        {"id": "1", "z": "before", "c": "8"},
        {"id": "1", "z": "before", "c": "8", "d": "t"},
    ]


async def test_another_sessions_change_of_columns_is_noticed(database: Journaled) -> None:
    await database.table("id int primary key, a int")
    writer = await database.connect()
    for step in range(3):
        await writer.execute("insert into t (id) values ($1)", step)
        await database.owner.execute(f"alter table t add extra{step} int")
        await writer.execute("update t set a = $1 where id = $1", step)
    await database.attach("t")
    await writer.execute("update t set a = 9 where id = 0")
    entries = await database.new_entries()
    assert [len(await values(database, entry)) for entry in entries] == [2, 3, 3, 4, 4, 5, 5]


async def test_a_layout_that_was_rolled_back_is_not_used(database: Journaled) -> None:
    await database.table("id int primary key")
    await database.owner.execute("alter table t add a int")
    writer = await database.connect()
    transaction = writer.transaction()
    await transaction.start()
    await writer.execute("insert into t values (1)")
    await database.owner.execute("analyze t")
    await writer.execute("insert into t values (2)")
    await transaction.rollback()
    await writer.execute("insert into t values (3)")
    (entry,) = await database.new_entries()
    assert await values(database, entry) == {"id": "3", "a": None}


async def test_a_layout_seen_through_an_old_snapshot_is_not_kept(database: Journaled) -> None:
    await database.table("id int primary key")
    writer = await database.connect()
    transaction = writer.transaction(isolation="repeatable_read")
    await transaction.start()
    await writer.fetch("select * from t")
    await writer.fetch("commit")
    await writer.fetch("begin isolation level repeatable read")
    await writer.fetch("select count(*) from pg_class")
    await database.owner.execute("alter table t add a int")
    await writer.execute("insert into t values (1)")
    await writer.fetch("commit")
    await writer.execute("insert into t values (2)")
    *_, entry = await database.new_entries()
    assert await values(database, entry) == {"id": "2", "a": None}


async def test_a_steady_writer_knows_its_layout_without_a_look_at_the_catalogue(
    database: Journaled,
) -> None:
    await database.table("id int primary key")
    writer = await database.connect()
    await writer.execute("set track_functions = 'all'")
    await writer.execute("insert into t select generate_series(1, 1000)")
    await writer.execute("insert into t select generate_series(1001, 2000)")
    if writer.get_server_version().major >= 15:
        await writer.execute("select pg_stat_force_next_flush()")
    calls = await database.owner.fetchval(
        "select coalesce(sum(calls), 0) from pg_stat_user_functions"
        " where funcname in ('layout_of', 'layout_now')"
    )
    assert calls < 20


async def test_excluded_columns_never_reach_the_journal(database: Journaled) -> None:
    await database.table("id int primary key, secret text, n int", exclude=["secret"])
    await database.owner.execute("insert into t values (1, 'fake-secret-a', 1)")
    await database.owner.execute("update t set n = 2")
    await database.owner.execute("update t set secret = 'fake-secret-b'")
    await database.owner.execute("update t set id = 2")
    await database.owner.execute("delete from t")
    superuser = await database.connect()
    assert await superuser.fetchval("select count(*) from journal.journal") == 6
    leaked = await superuser.fetchval(
        "select count(*) from journal.journal j where j::text like '%fake-secret%'"
    )
    assert leaked == 0
    entries = await database.new_entries()
    # A change of the secret alone is still a change.
    assert [e.op for e in entries] == ["I", "U", "U", "D", "I", "D"]
    assert await values(database, entries[0]) == {"id": "1", "n": "1"}
    (stored,) = await database.owner.fetch("select secret from t limit 1") or [None]
    assert stored is None


async def test_the_row_itself_keeps_what_the_journal_leaves_out(database: Journaled) -> None:
    await database.table(
        "id int primary key, secret text, big text", exclude=["secret"], large=["big"]
    )
    await database.owner.execute("insert into t values (1, 's', 'b')")
    await database.owner.execute("update t set id = 2")
    await database.owner.execute("update t set secret = 's2'")
    assert tuple(await database.owner.fetchrow("select * from t") or ()) == (2, "s2", "b")


@pytest.mark.parametrize("size", [10, 1_000, 100_000])
async def test_large_columns_are_stored_again_only_when_touched(
    database: Journaled, size: int
) -> None:
    await database.table("id int primary key, n int, big text, more text", large=["big", "more"])
    big = "\n\"big\" ".join(uuid.uuid4().hex for _ in range(size // 38 + 1))
    await database.owner.execute("insert into t values (1, 1, $1, 'm')", big)
    await database.owner.execute("update t set n = 2")
    await database.owner.execute("update t set n = n, big = big || ''")
    await database.owner.execute("update t set big = big || '!'")
    await database.owner.execute("update t set big = null, n = 3")
    await database.owner.execute("update t set more = null, n = 4")
    await database.owner.execute("alter table t drop n")
    await database.owner.execute("update t set more = 'x'")
    superuser = await database.connect()
    kept = await superuser.fetch("select kept from journal.journal order by seq")
    assert [row["kept"] for row in kept] == [None, [3, 4], [4], [4], None, None]
    entries = await database.new_entries()
    assert len(entries) == len(kept)
    for before, after in zip(entries, entries[1:-1], strict=False):
        assert after.old == before.new
    layouts = await load_layouts(database.owner, {entry.layout for entry in entries})
    assert [layouts[e.layout].values(e.old or "")["big"] for e in entries[1:4]] == [
        big,
        big,
        big + "!",
    ]


async def test_a_dropped_and_remade_table_is_journaled_again(database: Journaled) -> None:
    await database.table("id int primary key, a int")
    await database.owner.execute("insert into t values (1, 1)")
    await database.owner.execute("drop table t")
    await database.table("id int primary key")
    await database.owner.execute("insert into t values (2)")
    first, second = await database.new_entries()
    assert first.relation == second.relation
    assert await values(database, first) == {"id": "1", "a": "1"}
    assert await values(database, second) == {"id": "2"}


async def test_a_renamed_table_keeps_its_identity(database: Journaled) -> None:
    await database.table("id int primary key")
    await database.owner.execute("insert into t values (1)")
    await database.owner.execute("alter table t rename to u")
    await database.owner.execute("insert into u values (2)")
    await database.table("id int primary key", "t")
    await database.attach("u")
    await database.owner.execute("insert into u values (3); insert into t values (4)")
    relations = [entry.relation for entry in await database.new_entries()]
    assert relations[0] == relations[1] == relations[2] != relations[3]
    names = await database.owner.fetch("select id, name from journal.relation")
    assert dict(map(tuple, names)) == {relations[0]: "u", relations[3]: "t"}


async def test_the_journal_outlives_the_tables_schema(database: Journaled) -> None:
    await database.owner.execute("create schema s")
    await database.table("id int primary key", "s.t")
    await database.owner.execute("insert into s.t values (1)")
    await database.owner.execute("drop schema s cascade")
    assert [e.op for e in await database.new_entries()] == ["I"]


async def test_partitions_are_journaled_by_their_own_columns(database: Journaled) -> None:
    await database.owner.execute("create table t (id int primary key, a text) partition by range (id)")
    await database.owner.execute("create table low (a text, id int not null)")
    await database.owner.execute("alter table t attach partition low for values from (0) to (10)")
    await database.attach("t")
    await database.owner.execute("create table high partition of t for values from (10) to (20)")
    await database.owner.execute("insert into t values (1, 'x'), (11, 'y')")
    await database.owner.execute("insert into low values ('z', 2)")
    await database.owner.execute("update t set id = 12 where id = 1")
    entries = await database.new_entries()
    assert len({entry.relation for entry in entries}) == 1
    assert [(e.op, e.row_id) for e in entries] == [
        ("I", "1"), ("I", "11"), ("I", "2"), ("D", "1"), ("I", "12"),
    ]  # fmt: skip
    assert [await values(database, e) for e in entries if e.new] == [
        {"id": "1", "a": "x"},
        {"id": "11", "a": "y"},
        {"id": "2", "a": "z"},
        {"id": "12", "a": "x"},
    ]
    superuser = await database.connect()
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("insert into t values (13, 'r')")
    assert [e.row_id for e in await database.new_entries()] == ["13"]


async def test_a_truncated_partition_is_told_from_its_table(database: Journaled) -> None:
    await database.owner.execute("create table t (id int primary key) partition by range (id)")
    await database.owner.execute("create table low partition of t for values from (0) to (10)")
    await database.attach("t")
    await database.owner.execute("create table high partition of t for values from (10) to (20)")
    await database.attach("t")
    await database.owner.execute("truncate high")
    await database.owner.execute("truncate t")
    entries = await database.new_entries()
    layouts = await load_layouts(database.owner, {entry.layout for entry in entries})
    oids = await database.owner.fetch("select relname, oid::bigint from pg_class")
    names = {row["oid"]: row["relname"] for row in oids}
    told = [names[layouts[entry.layout].oid] for entry in entries]
    assert told[0] == "high"
    assert sorted(told[1:]) == ["high", "low", "t"]


async def test_detached_tables_are_left_alone(database: Journaled) -> None:
    await database.table("id int primary key")
    table = Table("t", MetaData(), Column("id", Integer, primary_key=True))
    await database.owner.execute(detach_sql(table))
    assert await triggers(database) == {}
    await database.owner.execute("insert into t values (1); truncate t")
    await database.owner.execute(attach_sql(table))
    await database.owner.execute("insert into t values (2)")
    assert [e.row_id for e in await database.new_entries()] == ["2"]


async def test_a_sqlalchemy_table_is_attached_with_its_options(database: Journaled) -> None:
    table = Table(
        "Odd 'name\"",
        MetaData(),
        Column("id", Uuid, primary_key=True),
        Column("it's", Text),
        Column("big", Text),
        schema="public",
    )
    await database.owner.execute(
        'create table "Odd \'name""" (id uuid primary key, "it\'s" text, big text)'
    )
    await database.owner.execute(
        attach_sql(table, exclude=["it's"], large=["big"], workspace_column="id")
    )
    await database.owner.execute('insert into "Odd \'name""" values (gen_random_uuid(), $1, $1)', "x")
    (entry,) = await database.new_entries()
    assert str(entry.workspace_id) == entry.row_id
    assert (await values(database, entry)).keys() == {"id", "big"}
    with pytest.raises(ValueError, match="no column secret"):
        attach_sql(table, exclude=["secret"])


async def test_a_cast_somebody_made_does_not_run_with_the_journals_rights(
    database: Journaled,
) -> None:
    superuser = await database.connect()
    await superuser.execute(
        "create table t (id int primary key); insert into t values (1);"
        "create function evil(t) returns text language plpgsql as"
        " $$ begin raise 'ran as %', current_user; end $$;"
        "create cast (t as text) with function evil(t)"
    )
    await superuser.execute("select journal.attach('t')")
    await superuser.execute("update t set id = 2; insert into t values (3)")
    assert [e.op for e in await database.new_entries()] == ["D", "I", "I"]


async def test_trigger_functions_belong_to_the_journals_owner(database: Journaled) -> None:
    superuser = await database.connect()
    await superuser.execute("create table t (id int primary key); select journal.attach('t')")
    owners = await superuser.fetch(
        "select distinct proowner::regrole::text from pg_proc"
        " where pronamespace = 'journal'::regnamespace"
    )
    assert len(owners) == 1
