"""Tables come under the journal, or are refused with the reason."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, Uuid

from roost.journal.triggers import attach_sql, detach_sql
from tests.journal.database import Journaled


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
    await database.table("id int primary key, parent int references t", "t")
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
    await database.owner.execute(
        'insert into "Odd \'name""" values (gen_random_uuid(), $1, $1)', "x"
    )
    (entry,) = await database.new_entries()
    assert str(entry.workspace_id) == entry.row_id
    assert (await database.values(entry)).keys() == {"id", "big"}
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


@pytest.mark.parametrize(
    ("key", "row_id"),
    [
        ("workspace_id, id", "7"),
        ("id", "7"),
        ("workspace_id", "00000000-0000-0000-0000-000000000001"),
        ("workspace_id, id, n", "(7,8)"),
    ],
)
async def test_the_workspace_is_not_repeated_in_the_key(
    database: Journaled, key: str, row_id: str
) -> None:
    await database.table(f"workspace_id uuid, id int, n int, primary key ({key})")
    await database.owner.execute("insert into t values ($1, 7, 8)", UUID(int=1))
    await database.owner.execute("update t set workspace_id = $1", UUID(int=2))
    entries = await database.new_entries()
    assert [e.op for e in entries] == ["I", "D", "I"]
    assert entries[0].row_id == entries[1].row_id == row_id
    assert [e.workspace_id for e in entries] == [UUID(int=1), UUID(int=1), UUID(int=2)]
