"""What the official client makes of each column type: values, where it has a parser, else text."""

from typing import Any

import pytest

from tests.sync.clients.engine import Engine
from tests.sync.clients.scripting import running


def big(value: str) -> dict[str, str]:
    return {"bigint": value}


def odd(value: str) -> dict[str, str]:
    return {"number": value}


TYPES: list[tuple[str, list[tuple[str, Any]]]] = [
    ("smallint", [("-32768", -32768), ("null", None)]),
    ("integer", [("2147483647", 2147483647)]),
    ("bigint", [("9223372036854775807", big("9223372036854775807")), ("null", None)]),
    ("real", [("1.5", 1.5), ("'NaN'", odd("NaN")), ("'-infinity'", odd("-Infinity"))]),
    ("double precision", [("0.1", 0.1), ("1e300", 1e300), ("'infinity'", odd("Infinity"))]),
    ("numeric(30,10)", [("12345678901234567890.0123456789", "12345678901234567890.0123456789")]),
    ("boolean", [("true", True), ("false", False), ("null", None)]),
    ("text", [("''", ""), ("E'a\\nb\\\\\"'", 'a\nb\\"'), ("'null'", "null"), ("'雪 😀'", "雪 😀")]),
    ("varchar(10)", [("'ab'", "ab")]),
    ("char(4)", [("'ab'", "ab  ")]),
    ("uuid", [("'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")]),
    ("bytea", [("'\\x00ff'", "\\x00ff"), ("''", "\\x")]),
    ("json", [("'{\"a\": [1, null]}'", {"a": [1, None]}), ("'null'", None), ("'\"x\"'", "x")]),
    ("jsonb", [("'{\"b\": 1.50}'", {"b": 1.5}), ("'[]'", [])]),
    ("date", [("'2026-02-28'", "2026-02-28"), ("'infinity'", "infinity")]),
    ("time", [("'23:59:59.123456'", "23:59:59.123456")]),
    ("timestamp", [("'2026-02-28 12:00:00.5'", "2026-02-28 12:00:00.5")]),
    ("timestamptz", [("'2026-02-28 12:00:00+02'", "2026-02-28 10:00:00+00")]),
    ("interval", [("'1 day 02:03:04'", "P1DT2H3M4S")]),
    ("interval[]", [("'{1 day,null}'", ["P1D", None])]),
    ("pause", [("'-90 minutes'", "PT-1H-30M")]),
    ("inet", [("'192.0.2.1/24'", "192.0.2.1/24")]),
    ("macaddr", [("'08:00:2b:01:02:03'", "08:00:2b:01:02:03")]),
    ("point", [("'(1,2.5)'", "(1,2.5)")]),
    ("bit(3)", [("B'101'", "101")]),
    ("int4range", [("'[1,5)'", "[1,5)"), ("'empty'", "empty")]),
    (
        "integer[]",
        [("'{1,null,3}'", [1, None, 3]), ("'{}'", []), ("'{{1,2},{3,4}}'", [[1, 2], [3, 4]])],
    ),
    ("bigint[]", [("'{9007199254740993}'", [big("9007199254740993")])]),
    ("text[]", [("array['a,b', 'c\"d', 'null', null, '']", ["a,b", 'c"d', "null", None, ""])]),
    ("boolean[]", [("'{t,f}'", [True, False])]),
    ("float8[]", [("'{0.5,1}'", [0.5, 1])]),
    ("jsonb[]", [("array['{\"a\":1}'::jsonb]", [{"a": 1}])]),
    ("colour", [("'red'", "red")]),
    ("colour[]", [("'{red,blue}'", ["red", "blue"])]),
    ("small", [("7", "7")]),
    ("pair", [("'(1,\"a b\")'", '(1,"a b")')]),
    ("tsvector", [("'a cat'", "'a' 'cat'")]),
]


@pytest.fixture(scope="module")
def prepared(engine: Engine) -> Engine:
    engine.run(
        "create type colour as enum ('red', 'blue')",
        "create domain pause as interval",
        "create domain small as integer check (value < 10)",
        "create type pair as (a integer, b text)",
    )
    return engine


@pytest.mark.parametrize("change", [False, True], ids=["in the snapshot", "as changes"])
def test_values_of_every_type_are_what_the_client_s_parsers_make_of_them(
    prepared: Engine, *, change: bool
) -> None:
    columns = [f"c{number} {name}" for number, (name, _) in enumerate(TYPES)]
    table = prepared.table(", ".join(["id int primary key", *columns]))
    rows = []
    for number in range(3):
        given = [values[min(number, len(values) - 1)][0] for _, values in TYPES]
        rows.append(f"({number}, {', '.join(given)})")
    insert = f"insert into {table} values {', '.join(rows)}"
    if not change:
        prepared.run(insert)
    with running("follow.mjs", url=prepared.shapes, params={"table": table}) as client:
        if change:
            client.wait_for(lambda line: "up-to-date" in str(line), "the end of an empty table")
            prepared.run(insert)
        found = client.wait_for_rows(lambda rows: len(rows) == 3, "the rows")
    for row in found:
        which = row["id"]
        for number, (name, values) in enumerate(TYPES):
            expected = values[min(which, len(values) - 1)][1]
            assert row[f"c{number}"] == expected, name
