"""Intervals, also within composites and ranges: changes are written as the first rows are."""

from typing import Any

import httpx
import pytest

from tests.sync.follower import Follower
from tests.sync.test_traps import caught_up

pytestmark = pytest.mark.asyncio(loop_scope="module")

TABLES = """
create type stay as (length interval, note text, rests interval[]);
create domain trip as stay;
create type span as range (subtype = interval);
create table mine (
    id int primary key, one stay, several stay[], ranged span, ranges span_multirange, far trip
);
create table others (id int primary key);
create table keyed (key stay primary key, v int);
insert into mine select g,
    row(make_interval(days => g, secs => -1.5), 'a "b", c', array[null, interval '1 mon'])::stay,
    array[null, row('1 day', null, '{}')::stay], span('1 day', '2 days 03:00'),
    span_multirange(span('1 day', '2 days')), row('1 year', '', null)::stay
    from generate_series(1, 4) g;
insert into others values (1), (2);
insert into keyed values (row('1 day', 'x', null), 1), (row('2 days', 'x', null), 1);
"""
CHANGES = (
    "update mine set one = row(interval '-1 day 02:00', null, null) where id = 1",
    "update mine set ranged = 'empty', several = several || several where id = 2",
    "insert into mine (id, far) values (9, row('P1D', 'n', null)::stay)",
    "insert into mine (id, one) values (1000, (null, null, null))",
    "delete from mine where id = 3",
    "update others set id = 4 where id = 2",
    "insert into others values (9)",
    "update keyed set v = 2 where (key).length = '1 day'",
    "update keyed set key = row('3 days 04:05', 'y', null) where (key).length = '2 days'",
)


SHAPES = [
    ("mine", "", "full"),
    ("mine", "id < 100", "default"),
    ("mine", "id in (select id from others)", "full"),
    ("mine", "id in (select id from others)", "default"),
    ("keyed", "", "full"),
    ("keyed", "", "default"),
]


@pytest.mark.parametrize("asked", SHAPES, ids=" ".join)
async def test_what_has_an_interval_within_reads_the_same_in_changes_and_in_first_rows(
    connection: Any, client: httpx.AsyncClient, schema: str, asked: tuple[str, str, str]
) -> None:
    await connection.execute(TABLES)
    table, where, replica = asked
    shape = {"table": f"{schema}.{table}", "replica": replica}
    if where:
        shape["where"] = where.replace("from others", f"from {schema}.others")
    follower = Follower(client, shape)
    await caught_up(connection, follower)
    for change in CHANGES:
        await connection.execute(change)
    await caught_up(connection, follower)
    assert follower.changes
    # Another shape: it has a snapshot of its own.
    anew = Follower(client, {**shape, "replica": "default" if replica == "full" else "full"})
    await caught_up(connection, anew)
    assert (anew.changes, follower.rows) == (0, anew.rows)
    await connection.execute("set intervalstyle = 'iso_8601'")
    listed = ", ".join(
        f"case when {name} is distinct from null then format('%s', {name}) end"
        for name in next(iter(anew.rows.values()))
    )
    found = await connection.fetch(f"select {listed} from {table} where {where or 'true'}")
    assert sorted(map(repr, map(tuple, found))) == sorted(
        repr((*row.values(),)) for row in follower.rows.values()
    )


@pytest.mark.parametrize(
    "where",
    [
        "length::text = 'P1D'",
        "array_to_string(rests, ',') = 'P1D'",
        "length::text = 'P1D' and id in (select id from others)",
    ],
)
async def test_a_condition_finds_the_same_text_in_changes_and_in_first_rows(
    connection: Any, client: httpx.AsyncClient, schema: str, where: str
) -> None:
    await connection.execute(
        "create table texts (id int primary key, length interval, rests interval[]);"
        "create table others (id int primary key);"
        "insert into others select generate_series(1, 4);"
        "insert into texts select n, '1 day', '{1 day}' from generate_series(1, 2) n"
    )
    where = where.replace("from others", f"from {schema}.others")
    follower = Follower(client, {"table": f"{schema}.texts", "where": where})
    await caught_up(connection, follower)
    assert {row["id"] for row in follower.rows.values()} == {"1", "2"}
    await connection.execute(
        "insert into texts values (3, '1 day', '{1 day}'), (4, '2 days', '{}')"
    )
    await connection.execute("update texts set length = '2 days', rests = '{}' where id = 2")
    await caught_up(connection, follower)
    assert {row["id"]: row["length"] for row in follower.rows.values()} == {"1": "P1D", "3": "P1D"}
