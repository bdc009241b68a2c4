"""Statements as they are shown: their form, and nothing that anybody wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.performance.wording import LONGEST, shown

SECRET = "hunter2"  # noqa: S105 -- what must not be shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"select * from t where a = '{SECRET}' and b in (1, 2)",
         "select * from t where a = $1 and b in ($2, $3)"),
        (f"select 1 /* {SECRET} */ from t -- {SECRET}", "select $1 from t"),
        (f"select 'ä', 2 /* {SECRET} */ from \"tä\"", 'select $1, $2 from "tä"'),
        (f"select '{SECRET}", "SELECT …"),
        (f"insert into t values ('{SECRET}') returning id",
         "insert into t values ($1) returning id"),
        (f"comment on table t is '{SECRET}'", "COMMENT …"),
        (f"prepare transaction '{SECRET}'", "PREPARE …"),
        (f"/* {SECRET} */ select 1", "…"),
        (f"{SECRET}", "…"),
        (f"select 1; create table x as select '{SECRET}'", "SELECT …"),
        (f"select 1; comment on table t is '{SECRET}'", "SELECT …"),
        ("", None),
        (None, None),
        ("   ", "…"),
    ],
)  # fmt: skip
def test_no_literal_and_no_comment_is_shown(text: str | None, expected: str | None) -> None:
    assert shown(text) == expected


def test_a_very_long_statement_is_cut() -> None:
    found = shown(f"select {', '.join(f'column_{n}' for n in range(1_000))} from t")
    assert found is not None
    assert len(found) == LONGEST + 2


@given(st.text(max_size=60), st.integers(0, 200))
def test_a_literal_is_shown_in_no_statement_cut_anywhere(literal: str, cut: int) -> None:
    marked = f"{literal}zqx"
    quoted = marked.replace("'", "''").replace("\x00", "")
    text = f"select * from tasks where title = '{quoted}' and id = 5 order by id"
    assert "zqx" not in (shown(text[:cut]) or "")
    assert "zqx" not in (shown(text) or "")
