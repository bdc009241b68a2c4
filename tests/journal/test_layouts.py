"""Images can be read by the names their columns had when they were written."""

from roost.journal.entry import load_layouts
from tests.journal.database import Journaled


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
    assert [await database.values(entry) for entry in entries] == [
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
    assert [len(await database.values(entry)) for entry in entries] == [2, 3, 3, 4, 4, 5, 5]


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
    assert await database.values(entry) == {"id": "3", "a": None}


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
    assert await database.values(entry) == {"id": "2", "a": None}


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


async def test_a_dropped_and_remade_table_is_journaled_again(database: Journaled) -> None:
    await database.table("id int primary key, a int")
    await database.owner.execute("insert into t values (1, 1)")
    await database.owner.execute("drop table t")
    await database.table("id int primary key")
    await database.owner.execute("insert into t values (2)")
    first, second = await database.new_entries()
    assert first.relation == second.relation
    assert await database.values(first) == {"id": "1", "a": "1"}
    assert await database.values(second) == {"id": "2"}


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
    await database.owner.execute(
        "create table t (id int primary key, a text) partition by range (id)"
    )
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
    assert [await database.values(e) for e in entries if e.new] == [
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
