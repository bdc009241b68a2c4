"""Every way to write or alter a table, over one server: a follower ends as the table is."""

import asyncio
from typing import Any

import asyncpg
import httpx
import pytest

from tests.sync.follower import Follower
from tests.sync.tables import TABLE, catch_up, check, followed, place

pytestmark = pytest.mark.asyncio(loop_scope="module")

WRITES = {
    "savepoints": [
        (
            "begin; update t set v = 'a' where id = 1; savepoint s;"
            " update t set v = 'b' where id = 1;"
            " insert into t values (20); rollback to s; update t set n = 7 where id = 1;"
            " savepoint u; delete from t where id = 2; release u; commit"
        ),
        (
            "do $$ begin insert into t values (21); begin insert into t values (22);"
            " raise 'no'; exception when others then insert into t values (23); end; end $$"
        ),
        "begin; delete from t; rollback",
    ],
    "upserts": [
        "insert into t values (1, 'x'), (30, 'y') on conflict (id) do update set v = 'again'",
        "insert into t values (1, 'z'), (31, 'y') on conflict do nothing",
    ],
    "merge": [
        (
            "merge into t using (values (1, 'm'), (2, null), (40, 'new')) as s (id, v)"
            " on t.id = s.id"
            " when matched and s.v is null then delete when matched then update set v = s.v"
            " when not matched then insert (id, v) values (s.id, s.v)"
        )
    ],
    "update from": ["update t set v = o.v from t as o where o.id = t.id + 1"],
    "writing with": [
        (
            "with gone as (delete from t where id < 4 returning *)"
            " insert into t select id + 100, v, n from gone"
        )
    ],
    "keys that change places": [
        "update t set id = id + 1000",
        (
            "begin; update t set id = 0 where id = 1001; update t set id = 1001 where id = 1002;"
            " update t set id = 1002 where id = 0; commit"
        ),
        "begin; delete from t where id = 1003; insert into t values (1003, 'back'); commit",
        "begin; insert into t values (2000); delete from t where id = 2000; commit",
    ],
    "replica role": [
        (
            "set session_replication_role = replica; insert into t values (50); delete from t"
            " where id = 1; update t set v = 'r' where id = 2;"
            " set session_replication_role = origin"
        )
    ],
}


@pytest.mark.parametrize("kind", WRITES)
async def test_whatever_the_statement_the_follower_ends_as_the_table_is(
    connection: Any, client: httpx.AsyncClient, kind: str
) -> None:
    follower = await followed(connection, client)
    for sql in WRITES[kind]:
        await connection.execute(sql)
    await check(connection, follower)
    assert follower.refetches == 0


async def test_copied_rows_and_cascades_come(connection: Any, client: httpx.AsyncClient) -> None:
    follower = await followed(connection, client)
    await connection.execute(
        "create table c (id int primary key, t int references t on delete cascade"
        " on update set null); insert into c select id, id from t"
    )
    child = Follower(client, {"table": await place(connection, "c")})
    await catch_up(connection, child)
    copied = [(n, f"copy,\t'{n}\"", n) for n in range(100, 150)]
    await connection.copy_records_to_table("t", records=copied)
    await connection.execute("delete from t where id in (1, 2); update t set id = 77 where id = 3")
    await check(connection, follower)
    await check(connection, child, "c")
    assert follower.refetches == child.refetches == 0


async def test_what_triggers_write_at_the_commit_comes_with_it(
    connection: Any, client: httpx.AsyncClient
) -> None:
    follower = await followed(connection, client)
    await connection.execute(
        "create function late() returns trigger language plpgsql as $$ begin"
        " update t set n = n + 1 where id <> new.id and id < 4; return null; end $$;"
        "create constraint trigger late after insert on t deferrable initially deferred"
        " for each row execute function late()"
    )
    await connection.execute("insert into t values (60), (61)")
    await check(connection, follower)


async def test_odd_names_are_followed(connection: Any, client: httpx.AsyncClient) -> None:
    name = '"Grüße ""quoted"" \'x\' ."'
    await connection.execute(
        f'create table {name} ("Ключ" int primary key, "a ""b""" text, "select" text);'
        f"insert into {name} values (1, 'ä', 'b')"
    )
    follower = Follower(client, {"table": await place(connection, name)})
    await catch_up(connection, follower)
    await connection.execute(
        f"insert into {name} values (2, e'\\U0001F426', '');"
        f'update {name} set "a ""b""" = null where "Ключ" = 1'
    )
    await catch_up(connection, follower)
    found = sorted(tuple(row.items()) for row in follower.rows.values())
    assert found == [
        (("Ключ", "1"), ('a "b"', None), ("select", "b")),
        (("Ключ", "2"), ('a "b"', "\U0001f426"), ("select", "")),
    ]


DDL = {
    "a column is added": "alter table t add w int default 5",
    "a column is dropped": "alter table t drop v",
    "a column is renamed": "alter table t rename v to w",
    "a column gets another type": "alter table t alter n type text using n || '!'",
    "values are rewritten in place": "alter table t alter v type text using upper(v)",
    "the table is emptied": "truncate t",
    "the table is made again": "drop table t;" + TABLE + "insert into t values (1, 'new')",
    "a column is dropped and made again": "alter table t drop v; alter table t add v text",
    "the key is dropped": "alter table t drop constraint t_pkey",
    "all in one transaction": "begin; insert into t values (70); alter table t add w int;"
    " update t set w = 1; alter table t drop n; insert into t values (71); commit",
}


@pytest.mark.parametrize("change", DDL)
async def test_a_client_is_told_to_begin_again_when(
    connection: Any, client: httpx.AsyncClient, change: str
) -> None:
    follower = await followed(connection, client)
    waiting = asyncio.create_task(follower.ask(live=True))
    await asyncio.sleep(0)
    await connection.execute(DDL[change])
    async with asyncio.timeout(60):
        await waiting
        while not follower.refetches:
            await follower.ask()
    await check(connection, follower)
    await connection.execute("insert into t (id) values (90)")
    await check(connection, follower)
    assert follower.refetches == 1


async def test_a_transaction_older_than_others_comes_when_it_commits(
    connection: Any, client: httpx.AsyncClient, database: str, schema: str
) -> None:
    follower = await followed(connection, client)
    old = await asyncpg.connect(database, server_settings={"search_path": schema})
    await old.execute("begin; insert into t values (80, 'old')")
    await connection.execute("insert into t values (81, 'young')")
    await check(connection, follower)
    second = Follower(client, {"table": f"{schema}.t", "where": "id > 5"})
    await catch_up(connection, second)
    await old.execute("update t set v = 'older' where id = 80; commit")
    await old.close()
    await check(connection, follower)
    await catch_up(connection, second)
    assert {row["id"] for row in second.rows.values()} == {"6", "7", "8", "9", "80", "81"}
    assert follower.refetches == second.refetches == 0


async def test_shapes_begun_among_writers_get_each_row_once(
    connection: Any, client: httpx.AsyncClient, database: str, schema: str
) -> None:
    first = await followed(connection, client)

    async def write(start: int) -> None:
        own = await asyncpg.connect(database, server_settings={"search_path": schema})
        for number in range(start, start + 300):
            await own.execute(
                f"begin; insert into t values ({number}); savepoint s;"
                f"update t set n = n + 1 where id in ({number}, {number - 3});"
                f"delete from t where id = {number - 7}; commit"
            )
        await own.close()

    writers = [asyncio.create_task(write(start)) for start in (1000, 1000000)]
    shapes = [Follower(client, {"table": f"{schema}.t", "where": f"id > {-n}"}) for n in range(12)]
    for shape in shapes:
        await shape.catch_up()
    await asyncio.gather(*writers)
    for shape in (first, *shapes):
        await check(connection, shape)
        assert shape.refetches == 0
    assert sum(shape.changes for shape in shapes)
