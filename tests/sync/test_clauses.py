"""Clauses: what is allowed means what it means to PostgreSQL."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from roost.journal.install import install_sql
from roost.sync.catalog import find_relation
from roost.sync.clause.printing import ClauseError, Scope, TableName
from roost.sync.clause.reading import Clause, read_where
from roost.sync.definition import accepted

COLUMNS = frozenset({"id", "n", "v", "b", "d", "at", "a", "j", "Odd name"})
OTHER = Scope(("public", "other"), frozenset({"id", "n"}))
SCOPE = Scope(("public", "plain"), COLUMNS)
TABLES = """
create table plain (id int primary key, n numeric, v text, b bool, d date, at timestamptz,
    a int[], j jsonb, "Odd name" text, hidden text);
create table other (id int primary key, n numeric, hidden text);
insert into plain
select g, nullif(g % 7, 3) - 2.5, (array['', 'a', 'A%', 'b_c', 'it''s', 'x\\y', null,
    'é'])[g % 8 + 1], nullif(g % 3, 0) = 1, date '2024-02-28' + g % 5,
    timestamptz '2024-02-28 22:00Z' + g * interval '1h',
    case when g % 4 > 0 then array[g, null, g % 3] end,
    jsonb_build_object('k', g % 4, 'l', array[g % 2]),
    repeat('"', g % 3), 'hidden'
from generate_series(1, 48) g;
insert into other select g, g % 5 - 2, 'hidden' from generate_series(1, 9) g;
create function leak(text) returns bool language sql as 'select true';
"""


def find_table(table: TableName) -> Scope | None:
    return OTHER if table == OTHER.table else None


def read(text: str, values: Mapping[str, str] | None = None) -> Clause:
    return read_where(text, SCOPE, values or {}, find_table)


class WrongError(Exception):
    """PostgreSQL does not take the clause."""


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    await connection.execute(install_sql())
    await connection.execute(TABLES)
    await connection.execute("set timezone = 'UTC'")
    yield connection
    await connection.close()


NUMBERS = st.sampled_from(
    [
        "id",
        "n",
        "plain.n",
        "public.plain.id",
        "0",
        "1",
        "-1",
        "2.5",
        "-1e1",
        "null",
        "-2147483648",
        "length(v)",
        "a[1]",
        "a[2]",
        "array_length(a, 1)",
        "cardinality(a)",
        "(j->>'k')::int",
        "-5 ^ 2",
        "extract(day from d)",
        "date_part('hour', at)",
        "'7'::int",
        "cast(v as text)::int4 * 0",
    ]
)
TEXTS = st.sampled_from(
    [
        "v",
        '"Odd name"',
        "'a'",
        "''",
        "'it''s'",
        r"'x\y'",
        r"E'x\\y'",
        "'A%'",
        "U&'\\00e9'",
        "null",
        "'now'",
        "'snow'",
        "$$a$$",
        "upper(v)",
        "v || 'c'",
        "left(v, 1)",
        "trim(both 'a' from v)",
        "substring(v from 1 for 2)",
        "coalesce(v, 'a')",
        "nullif(v, '')",
        "n::text",
        "j->>'k'",
        "j #>> '{l,0}'",
        "replace(v, 'a', 'b')",
        "v::varchar(1)",
        "case when b then v else 'c' end",
        "concat(v, n, b)",
        "position('c' in v)::text",
        "reverse(v)",
        "v::char(3)",
    ]
)
MOMENTS = st.sampled_from(
    [
        "at",
        "'2024-02-29'::timestamptz",
        "d + interval '1 day'",
        "d",
        "date '2024-02-29'",
        "at at time zone 'Europe/Paris'",
        "date_trunc('day', at)",
        "at - interval '3h'",
        "null::date",
        "interval '1' day + d",
        "make_date(2024, 3, 1)",
        "'2024-02-29 10:00'::timestamp(0)",
    ]
)
ARRAYS = st.sampled_from(["a", "'{1,2}'::int[]", "array[1, id]", "a[2:3]", "a || 5", "null::int[]"])
SIGNS = st.sampled_from(
    [
        "=",
        "<>",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "is distinct from",
        "is not distinct from",
        "operator(pg_catalog.=)",
    ]
)
SUMS = st.sampled_from(["+", "-", "*", "%"])


def joined(*parts: SearchStrategy[str] | str) -> SearchStrategy[str]:
    each = [st.just(part) if isinstance(part, str) else part for part in parts]
    return st.tuples(*each).map(" ".join)


def sums() -> SearchStrategy[str]:
    return st.recursive(
        NUMBERS,
        lambda inner: (
            joined(inner, SUMS, inner)
            | joined("- (", inner, ")")
            | joined("abs(", inner, ")")
            | joined("least(", inner, ",", inner, ")")
        ),
        max_leaves=4,
    )


def checks() -> SearchStrategy[str]:
    return st.one_of(
        joined(sums(), SIGNS, sums()),
        joined(TEXTS, SIGNS, TEXTS),
        joined(MOMENTS, SIGNS, MOMENTS),
        joined(TEXTS, st.sampled_from(["like", "not like", "ilike", "~", "~~"]), TEXTS),
        joined(TEXTS, "like 'a!%' escape '!'"),
        joined(
            NUMBERS,
            st.sampled_from(["between", "not between", "between symmetric"]),
            NUMBERS,
            "and",
            NUMBERS,
        ),
        joined(NUMBERS, st.sampled_from(["in", "not in"]), "(", NUMBERS, ",", NUMBERS, ")"),
        joined("id", st.sampled_from(["= any", "<> all", "> any"]), "(", ARRAYS, ")"),
        joined(ARRAYS, st.sampled_from(["@>", "<@", "&&", "="]), ARRAYS),
        joined(
            st.one_of(NUMBERS, TEXTS, MOMENTS, ARRAYS), st.sampled_from(["is null", "is not null"])
        ),
        joined("b", st.sampled_from(["", "is true", "is not true", "is unknown", "is not false"])),
        joined("(id, n) = (", NUMBERS, ",", NUMBERS, ")"),
        joined(
            NUMBERS,
            st.sampled_from(["in", "not in"]),
            "(select id from other",
            st.sampled_from(["", "where n > 0", "where id < plain.id", "where n in (1, 2)"]),
            ")",
        ),
        joined(
            "j", st.sampled_from(["@>", "?", "->'k' ="]), st.sampled_from(["'{}'", "'1'", "'k'"])
        ),
        joined("case", NUMBERS, "when", NUMBERS, "then b else true end"),
        joined("(id, n) in (select id, n from public.other)"),
    )


def conditions() -> SearchStrategy[str]:
    return st.recursive(
        checks(),
        lambda inner: (
            joined(inner, st.sampled_from(["and", "or"]), inner)
            | joined("not", inner)
            | joined("(", inner, ")")
            | joined("(", inner, ") is true")
        ),
        max_leaves=5,
    )


def examples(strategy: SearchStrategy[Any], count: int) -> list[Any]:
    found: list[Any] = []

    @settings(max_examples=count, database=None, suppress_health_check=list(HealthCheck))
    @given(strategy)
    def collect(example: Any) -> None:
        found.append(example)

    collect()
    return list(dict.fromkeys(found))


async def rows_by(connection: Any, where: str, *values: object) -> list[int] | str:
    try:
        found = await connection.fetch(f"select id from plain where {where} order by id", *values)
    except asyncpg.PostgresError as error:
        return type(error).__name__
    return [row["id"] for row in found]


async def rows_of(connection: Any, clause: Clause) -> list[int] | str:
    relation = await find_relation(connection, *SCOPE.table)
    assert relation is not None
    try:
        condition = await accepted(connection, relation, clause, WrongError)
    except WrongError as error:
        cause = error.__cause__ or error.__context__
        return type(cause).__name__ if cause else "DatatypeMismatchError"
    where = f"{condition.sql('$1')} and $1::text[] is not null"
    return await rows_by(connection, where, condition.values)


async def test_what_is_allowed_means_what_it_means_to_postgresql(connection: Any) -> None:
    agreed = 0
    wrong: list[tuple[str, str]] = []
    for text in examples(conditions(), 400):
        expected = await rows_by(connection, text)
        try:
            clause = read(text)
        except ClauseError as error:
            # Only what PostgreSQL does not take either.
            wrong += [] if expected == "PostgresSyntaxError" else [(text, error.message)]
            continue
        found = await rows_of(connection, clause)
        if isinstance(expected, list) and isinstance(found, str):
            assert "now" in text.lower(), (text, clause, found)
        elif isinstance(expected, list):
            assert found == expected, (text, clause)
            agreed += 1
        else:
            assert isinstance(found, str), (text, clause)
    assert not wrong
    assert agreed > 150


MOVING = [
    "now",
    "NOW",
    " now ",
    "today",
    "tomorrow",
    "yesterday",
    "_today_",
    "today12:00",
    "12:00today",
    "today 12:00",
    "now+0",
]


@pytest.mark.parametrize(
    "text",
    [
        "at > 'now'::text::timestamptz",
        "at > cast(('no' || 'w') as timestamptz)",
        "at > concat('no', 'w')::timestamptz",
        "at > coalesce('now'::text, b::text)::timestamptz",
        "d = (case when true then 'today' end)::date",
        "d = any(array['to' || 'day']::date[])",
        "at > ('{\"a\": \"now\"}'::jsonb ->> 'a')::timestamptz",
        "at > lower('NOW')::timestamp",
    ],
)
async def test_a_moment_that_moves_is_not_put_together(text: str) -> None:
    with pytest.raises(ClauseError, match="moment"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "at > '2024-01-01'::date::timestamptz",
        "d = any(array['2024-01-01', '2024-01-02']::date[])",
        "(at - interval '1 day')::date = d",
        "date_trunc('day', at)::date = d",
    ],
)
async def test_a_moment_of_a_constant_or_column_is_taken(connection: Any, text: str) -> None:
    assert isinstance(await rows_of(connection, read(text)), list)


@pytest.mark.parametrize("word", MOVING)
async def test_a_moment_that_moves_is_refused_however_it_is_given(
    connection: Any, word: str
) -> None:
    tried = [
        read(f"at > '{word}'"),
        read(f"at > '{word}'::timestamptz"),
        read(f"d = date '{word}'"),
        read(f"at in ('2024-01-01', '{word}')"),
        read(f"d = any(array['{word}']::date[])"),
        read(f"d = any('{{{word}}}'::date[])"),
        read(f"at between '{word}' and '2024-01-01'"),
        read("at > $1", {"1": word}),
        read("at > $1::timestamptz", {"1": word}),
        read("d = any($1::date[])", {"1": f'{{"{word}"}}'}),
        read(f"at > E'{word}'"),
        read(f"at > $x${word}$x$"),
    ]
    relation = await find_relation(connection, *SCOPE.table)
    assert relation is not None
    for clause in tried:
        with pytest.raises(WrongError):
            await accepted(connection, relation, clause, WrongError)


async def test_a_clause_that_would_cost_too_much_is_refused_unrun(connection: Any) -> None:
    await connection.execute(
        "insert into other select g, g, '' from generate_series(10, 20000) g; analyze other"
    )
    relation = await find_relation(connection, *SCOPE.table)
    assert relation is not None
    costly = read(
        "(plain.n in (select n from other where other.id <> plain.id)) is not true or v = $1",
        {"1": "x"},
    )
    for clause in (costly, read("id = 1 or id = 2")):
        assert (await accepted(connection, relation, clause, WrongError)).clause == clause
        assert (
            await accepted(connection, relation, clause, WrongError, 10_000_000)
        ).clause == clause
    with pytest.raises(WrongError, match="the condition is too costly"):
        await accepted(connection, relation, costly, WrongError, 1000)
    await accepted(connection, relation, clause, WrongError, 1000)


async def test_a_text_with_such_a_word_is_compared_as_a_text(connection: Any) -> None:
    await connection.execute("update plain set v = 'know today' where id = 7")
    assert await rows_of(connection, read("v = 'know today'")) == [7]
    assert await rows_of(connection, read("v = $1", {"1": "know today"})) == [7]


async def test_parameters_are_bound_and_never_part_of_the_statement(connection: Any) -> None:
    texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
    odd = ["' or true --", "\\' or true --", "$1", "1); drop table plain; --", '"', "{0}", "%s"]
    for value in [*odd, *examples(texts, 60)]:
        await connection.execute("update plain set v = $1 where id = 5", value)
        clause = read("v = $1 and id = $2", {"1": value, "2": "5"})
        assert clause.text == read("v = $1 and id = $2", {"1": "a", "2": "b"}).text
        assert await rows_of(connection, clause) == [5]
        quoted = value.replace("'", "''")
        assert await rows_of(connection, read(f"v = '{quoted}' and id = 5")) == [5]
