"""Indexes: each kind of trouble made for real, and a healthy schema left in peace."""

from typing import Any

import asyncpg
import pytest

from tests.performance.conftest import Ask, Connect


def about(items: list[dict[str, Any]], **wanted: object) -> list[dict[str, Any]]:
    return [item for item in items if all(item[key] == value for key, value in wanted.items())]


async def test_roosts_own_schema_has_no_index_to_act_on(ask: Ask) -> None:
    found = await ask("indexes")
    assert found["lookedAt"] > 30
    assert {item["verdict"] for item in found["items"]} == {"insufficientData"}
    assert {item["problem"] for item in found["items"]} == {"unused"}


async def test_two_equal_indexes_are_a_duplicate_and_one_is_kept(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id int primary key, a int, b text);"
        "create index things_a on things (a); create index things_a_again on things (a);"
        "create index things_a_some on things (a) where b is null;"
        "create index things_a_desc on things (a desc);"
        'create index things_b_c on things (b collate "C");'
        "create index things_b on things (b)"
    )
    found = about((await ask("indexes"))["items"], table="things", problem="duplicate")
    assert [(item["index"], item["verdict"]) for item in found] == [("things_a", "act")]
    assert found[0]["evidence"]["keeps"] == "things_a_again"
    await connection.execute(found[0]["sql"])
    assert about((await ask("indexes"))["items"], table="things", problem="duplicate") == []


async def test_an_index_whose_columns_begin_another_is_covered(ask: Ask, connect: Connect) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id int primary key, a int, b int, c text);"
        "create index things_a on things (a); create index things_a_b on things (a, b);"
        "create index things_b on things (b); create index things_hash on things using hash (a)"
    )
    found = about((await ask("indexes"))["items"], table="things", problem="covered")
    assert [(item["index"], item["verdict"]) for item in found] == [("things_a", "act")]


async def test_what_a_constraint_needs_is_never_advised_to_be_dropped(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id int primary key, a int unique, b int, r int4range,"
        " exclude using gist (r with &&));"
        "create unique index things_b on things (b); create index things_a_b on things (a, b);"
        "create index things_id on things (id)"
    )
    items = about((await ask("indexes"))["items"], table="things")
    assert {item["index"]: item["verdict"] for item in items if item["sql"] is None} == {
        "things_a_key": "keep",  # covered by things_a_b
        "things_a_b": "insufficientData",
    }
    (double,) = about(items, problem="duplicate", verdict="act")
    assert double["index"] == "things_id"
    assert double["evidence"]["keeps"] == "things_pkey"


async def test_an_index_that_was_not_finished_is_invalid_and_told_how_to_mend(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute("create table things (a int); insert into things values (1), (1)")
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute("create unique index concurrently things_a on things (a)")
    (found,) = about((await ask("indexes"))["items"], table="things")
    assert (found["problem"], found["verdict"]) == ("invalid", "act")
    assert found["sql"] == "reindex index concurrently things_a;"
    (check,) = about((await ask("health"))["checks"], name="invalidIndexes")
    assert (check["status"], check["items"]) == ("warn", [{"index": "things_a"}])


async def test_an_unused_index_is_not_judged_from_a_short_window(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute("create table things (a int); create index things_a on things (a)")
    (found,) = about((await ask("indexes"))["items"], table="things")
    assert (found["problem"], found["verdict"]) == ("unused", "insufficientData")
    assert found["sql"] is None


async def test_a_foreign_key_without_an_index_is_found_and_the_advice_mends_it(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table owners (a int, b int, primary key (a, b));"
        "create table things (x int, y int, z int, foreign key (x, y) references owners);"
        'create table "Odd names" ("the owner" int unique);'
        'create table parts (o int references "Odd names" ("the owner"));'
        "create index parts_o on parts (o);"
        "create index things_z on things (z, x, y);"
        'create table notes (o int references "Odd names" ("the owner"), open bool);'
        "create index notes_o on notes (o) where o is not null;"
        'create table drafts (o int references "Odd names" ("the owner"), open bool);'
        "create index drafts_o on drafts (o) where open;"
        "insert into owners select n, n from generate_series(1, 20000) n;"
        "insert into things select n, n, n from generate_series(1, 20000) n;"
        "analyze things"
    )
    drafts, found = about((await ask("indexes"))["items"], problem="missing")
    assert drafts["table"] == "drafts"
    assert (found["table"], found["columns"], found["verdict"]) == ("things", ["x", "y"], "watch")
    assert found["evidence"]["rows"] == 20_000
    await connection.execute(found["sql"])
    await connection.execute(drafts["sql"])
    assert about((await ask("indexes"))["items"], problem="missing") == []


async def test_an_index_that_is_new_is_not_called_unused_though_statistics_are_old(
    ask: Ask, connect: Connect
) -> None:
    connection = await connect()
    await connection.execute(
        "create table things (id int primary key, a int); create index things_a on things (a);"
        "insert into performance.index_seen values ('things_a'::regclass, now() - interval '1 h')"
    )
    (found,) = about((await ask("indexes"))["items"], index="things_a")
    assert found["verdict"] == "insufficientData"
    assert found["evidence"]["windowDays"] < 0.1
