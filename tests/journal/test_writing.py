"""Every way of writing a row ends up in the journal, once, as it was."""

import uuid

import asyncpg
import pytest

from roost.journal.entry import load_layouts
from tests.journal.database import APP, Journaled

WORKSPACE = uuid.UUID(int=7)


async def test_insert_update_delete_and_truncate_are_journaled(database: Journaled) -> None:
    await database.table("id int primary key, name text")
    await database.owner.execute("insert into t values (1, 'a'), (2, '')")
    await database.owner.execute("update t set name = 'b' where id = 1")
    await database.owner.execute("delete from t where id = 2")
    await database.owner.execute("truncate t")
    assert await database.changes() == [
        ("I", "1", None, "(1,a)"),
        ("I", "2", None, '(2,"")'),
        ("U", "1", "(1,a)", "(1,b)"),
        ("D", "2", '(2,"")', None),
        ("T", None, None, None),
    ]


async def test_actor_cause_workspace_and_transaction_are_noted(database: Journaled) -> None:
    await database.table("id int primary key, workspace_id uuid")
    actor = uuid.uuid4()
    async with database.owner.transaction():
        await database.owner.execute(
            "select set_config('roost.actor_id', $1, true), set_config('roost.cause', 'r-1', true)",
            str(actor),
        )
        await database.owner.execute("insert into t values (1, $1), (2, $1)", WORKSPACE)
        xid = await database.owner.fetchval("select pg_current_xact_id()::text")
    await database.owner.execute("insert into t values (3, null)")
    first, second, third = await database.new_entries()
    assert (first.actor_id, first.cause, first.workspace_id) == (actor, "r-1", WORKSPACE)
    assert first.xid == second.xid == int(xid)
    assert (third.actor_id, third.cause, third.workspace_id) == (None, None, None)
    assert third.xid > first.xid
    assert first.seq < second.seq < third.seq
    assert first.at <= second.at <= third.at


@pytest.mark.parametrize(
    ("assignment", "journaled"),
    [
        ("a = a, b = b", False),
        ("a = 1.00", True),
        ("b = 'ABC'", True),
        ("b = null", True),
        ("c = '{\"x\" : 1}'", True),
        ("c = '{\"x\":1}'", False),
    ],
)
async def test_only_an_update_that_changes_no_image_is_skipped(
    database: Journaled, assignment: str, *, journaled: bool
) -> None:
    await database.table("id int primary key, a numeric, b text, c json")
    await database.owner.execute("insert into t values (1, 1.0, 'abc', '{\"x\":1}')")
    await database.new_entries()
    await database.owner.execute(f"update t set {assignment}")
    assert [e.op for e in await database.new_entries()] == (["U"] if journaled else [])


async def test_a_changed_key_or_workspace_is_a_delete_and_an_insert(database: Journaled) -> None:
    other = uuid.UUID(int=8)
    await database.table("id int primary key, workspace_id uuid")
    await database.owner.execute("insert into t values (1, $1)", WORKSPACE)
    await database.owner.execute("update t set id = 2")
    await database.owner.execute("update t set workspace_id = $1", other)
    entries = await database.new_entries()
    assert [(e.op, e.row_id, e.workspace_id) for e in entries] == [
        ("I", "1", WORKSPACE),
        ("D", "1", WORKSPACE),
        ("I", "2", WORKSPACE),
        ("D", "2", WORKSPACE),
        ("I", "2", other),
    ]


async def test_upserts_journal_what_they_did(database: Journaled) -> None:
    await database.table("id int primary key, n int")
    for _ in range(2):
        await database.owner.execute(
            "insert into t values (1, 1) on conflict (id) do update set n = t.n + 1"
        )
    await database.owner.execute("insert into t values (1, 9) on conflict do nothing")
    await database.owner.execute(
        "merge into t using (values (1), (2)) v (id) on v.id = t.id"
        " when matched then delete when not matched then insert values (v.id, 5)"
    )
    assert await database.changes() == [
        ("I", "1", None, "(1,1)"),
        ("U", "1", "(1,1)", "(1,2)"),
        ("D", "1", "(1,2)", None),
        ("I", "2", None, "(2,5)"),
    ]


async def test_what_is_rolled_back_is_not_journaled(database: Journaled) -> None:
    await database.table("id int primary key, n int")
    async with database.owner.transaction():
        await database.owner.execute("insert into t values (1, 1)")
        savepoint = database.owner.transaction()
        await savepoint.start()
        await database.owner.execute("update t set n = 2")
        await savepoint.rollback()
        async with database.owner.transaction():
            await database.owner.execute("update t set n = 3")
    with pytest.raises(asyncpg.DivisionByZeroError):
        await database.owner.execute("insert into t values (2, 1); select 1/0")
    entries = await database.new_entries()
    assert [(e.op, e.old, e.new) for e in entries] == [
        ("I", None, "(1,1)"),
        ("U", "(1,1)", "(1,3)"),
    ]
    assert len({e.xid for e in entries}) == 1


async def test_copy_is_journaled(database: Journaled) -> None:
    await database.table("id int primary key, name text")
    await database.owner.copy_records_to_table("t", records=[(n, f"n{n}") for n in range(500)])
    entries = await database.new_entries()
    assert [e.new for e in entries] == [f"({n},n{n})" for n in range(500)]


async def test_foreign_key_cascades_are_journaled_after_their_cause(database: Journaled) -> None:
    await database.table("id int primary key", "parent")
    await database.table(
        "id int primary key, parent int references parent on delete cascade on update cascade,"
        "other int references parent on delete set null",
        "child",
    )
    await database.owner.execute("insert into parent values (1), (2)")
    await database.owner.execute("insert into child values (10, 1, 2)")
    await database.new_entries()
    await database.owner.execute("update parent set id = 3 where id = 1")
    await database.owner.execute("delete from parent where id = 2")
    await database.owner.execute("delete from parent where id = 3")
    assert await database.changes() == [
        ("D", "1", "(1)", None),
        ("I", "3", None, "(3)"),
        ("U", "10", "(10,1,2)", "(10,3,2)"),
        ("D", "2", "(2)", None),
        ("U", "10", "(10,3,2)", "(10,3,)"),
        ("D", "3", "(3)", None),
        ("D", "10", "(10,3,)", None),
    ]


async def test_generated_columns_are_in_the_images(database: Journaled) -> None:
    await database.table("id int primary key, n int, twice int generated always as (n * 2) stored")
    await database.owner.execute("insert into t values (1, 4)")
    await database.owner.execute("update t set n = 5")
    assert await database.changes() == [
        ("I", "1", None, "(1,4,8)"),
        ("U", "1", "(1,4,8)", "(1,5,10)"),
    ]


async def test_a_virtual_column_is_marked_as_not_stored(database: Journaled) -> None:
    if database.owner.get_server_version().major < 18:
        pytest.skip("virtual columns came with PostgreSQL 18")
    await database.table("id int primary key, n int, twice int generated always as (n * 2) virtual")
    await database.owner.execute("insert into t values (1, 4)")
    (entry,) = await database.new_entries()
    layouts = await load_layouts(database.owner, [entry.layout])
    assert entry.new is not None
    assert layouts[entry.layout].values(entry.new) == {"id": "1", "n": "4"}


async def test_replicated_writes_are_journaled(database: Journaled) -> None:
    await database.table("id int primary key")
    superuser = await database.connect()
    await superuser.execute("set session_replication_role = replica")
    await superuser.execute("insert into t values (1)")
    await superuser.execute("truncate t")
    assert [e.op for e in await database.new_entries()] == ["I", "T"]


async def test_a_role_without_rights_on_the_journal_writes_it_by_writing(
    database: Journaled,
) -> None:
    await database.table("id int primary key")
    app = await database.connect(APP)
    await app.execute("insert into t values (1)")
    assert [e.op for e in await database.new_entries()] == ["I"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await app.execute("insert into journal.journal (relation, layout, op) values (1, 1, 'I')")


async def test_user_triggers_that_change_the_row_before_are_seen(database: Journaled) -> None:
    await database.table("id int primary key, n int")
    await database.owner.execute(
        "create function double() returns trigger language plpgsql as"
        " 'begin new.n := new.n * 2; return new; end';"
        "create trigger a before insert or update on t for each row execute function double()"
    )
    await database.owner.execute("insert into t values (1, 2)")
    await database.owner.execute("update t set n = 5")
    assert [c[3] for c in await database.changes()] == ["(1,4)", "(1,10)"]


async def test_a_trigger_that_updates_its_own_row_is_journaled_in_order(
    database: Journaled,
) -> None:
    await database.table("id int primary key, n int")
    await database.owner.execute(
        "create function again() returns trigger language plpgsql as"
        " 'begin update t set n = n + 1 where id = new.id and n < 3; return null; end';"
        "create trigger a after insert or update on t for each row execute function again()"
    )
    await database.owner.execute("insert into t values (1, 1)")
    assert await database.changes() == [
        ("I", "1", None, "(1,1)"),
        ("U", "1", "(1,1)", "(1,2)"),
        ("U", "1", "(1,2)", "(1,3)"),
    ]
