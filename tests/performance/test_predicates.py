"""Reading which columns a statement looks rows up by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.missing import Facts, Statement, distinct, find, judged
from roost.performance.predicates import Lookup, lookups


def lookup(table: str, equal: str = "", ranges: str = "") -> Lookup:
    schema, _, name = table.rpartition(".")
    return Lookup(schema or None, name, frozenset(equal.split()), frozenset(ranges.split()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("select * from tasks t where t.a = $1 and b > $2", [lookup("tasks", "a", "b")]),
        ("select * from t where $1 = a and b in (1, 2) and c = any($2)", [lookup("t", "a b c")]),
        ("select * from t where a between 1 and 2", [lookup("t", "", "a")]),
        ("select * from t where a = 1 or b = 2", []),
        ("select * from t where lower(a) = 'x'", []),
        ("select * from t where a = b", []),
        ("select * from t where a <> 1 and not b = 2", []),
        ("select * from t where a = 1 and (b = 2 or c = 3)", [lookup("t", "a")]),
        ("select * from s.t where a = 1", [lookup("s.t", "a")]),
        ("select * from t, u where a = 1", []),  # nobody can tell whose column it is
        ("select * from t join u on u.id = t.uid where t.x = 1",
         [lookup("t", "uid x"), lookup("u", "id")]),
        ("with c as (select 1 from t where a = 1) select * from c where b = 2",
         [lookup("t", "a")]),
        ("select 1 where exists (select from t where a = $1)", [lookup("t", "a")]),
        ("select * from t where a = 1 union select * from u where b = 1",
         [lookup("t", "a"), lookup("u", "b")]),
        ("update t set b = 1 where a = 1", [lookup("t", "a")]),
        ("delete from t using u where t.a = u.b", [lookup("t", "a"), lookup("u", "b")]),
        ("insert into t select * from u where c = 1", [lookup("u", "c")]),
        ("select b.x from a cross join lateral (select x from t where t.k = a.k::uuid) b",
         [lookup("t", "k")]),
        ("vacuum t", []),
        ("select * from (", []),
        ("", []),
    ],
)  # fmt: skip
def test_the_columns_of_a_lookup_are_found(text: str, expected: list[Lookup]) -> None:
    def order(each: Lookup) -> str:
        return each.table

    assert sorted(lookups(text), key=order) == sorted(expected, key=order)


@given(st.text(max_size=200))
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    assert isinstance(lookups(text), tuple)
    assert isinstance(lookups(f"select * from t where {text}"), tuple)


def facts(**changes: object) -> Facts:
    values: dict[str, object] = {
        "key": "public.t",
        "name": "t",
        "rows": 100_000,
        "sequential_scans": 50,
        "rows_read": 5_000_000,
        "columns": {"a": "a", "b": "b", "C": '"C"'},
        "leading": ["id"],
    }
    return Facts(**(values | changes))  # type: ignore[arg-type]  # its own fields


def seen(text: str, calls: int = 50, ms: float = 20.0, rows: int = 50) -> Statement:
    return Statement(id=text, name=None, text=text, calls=calls, total_ms=calls * ms, rows=rows)


def test_statements_with_the_same_columns_are_one_candidate() -> None:
    found = find(
        {"public.t": facts()},
        [seen("select 1 from t where a = $1"), seen("delete from t where a = $1")],
    )
    assert [(each.columns, len(each.statements)) for each in found] == [(("a",), 2)]
    assert found[0].sql == "create index concurrently on t (a);"
    assert judged(found[0]).verdict == "act"


def test_a_column_that_an_index_begins_with_is_enough() -> None:
    text = "select 1 from t where a = $1 and b = $2"
    assert find({"public.t": facts(leading=["id", "b"])}, [seen(text)]) == []


def test_what_another_candidate_begins_with_is_left_to_it() -> None:
    found = find(
        {"public.t": facts()},
        [seen("select 1 from t where a = $1"), seen("select 1 from t where a = $1 and b > $2")],
    )
    assert [each.columns for each in distinct(found)] == [("a", "b")]


def test_names_are_quoted_as_sql_needs_it() -> None:
    (found,) = find({"public.t": facts()}, [seen('select 1 from t where "C" = $1')])
    assert found.sql == 'create index concurrently on t ("C");'


@pytest.mark.parametrize(
    ("statement", "verdict"),
    [
        (seen("select 1 from t where a = $1", calls=3), "insufficientData"),
        (seen("select 1 from t where a = $1", rows=50 * 60_000), "keep"),
        (seen("select 1 from t where a = $1", rows=50 * 10_000), "watch"),
        (seen("select 1 from t where a = $1", ms=0.1), "watch"),
        (seen("select 1 from t where a = $1"), "act"),
    ],
)
def test_the_verdict_goes_by_what_was_seen(statement: Statement, verdict: str) -> None:
    (found,) = find({"public.t": facts()}, [statement])
    advice = judged(found)
    assert advice.verdict == verdict
    assert (advice.sql is None) == (verdict in {"keep", "insufficientData"})


def test_a_table_that_is_not_known_to_be_large_is_left_alone() -> None:
    assert find({"public.t": facts()}, [seen("select 1 from small where a = $1")]) == []
    assert find({"public.t": facts()}, [seen("select 1 from other.t where a = $1")]) == []
