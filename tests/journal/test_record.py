"""PostgreSQL's own record texts, taken apart."""

from itertools import islice

import asyncpg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from roost.journal.record import parse_record, restore_fields, split_record

TEXT = st.text(
    st.one_of(
        st.sampled_from("\",()\\ \t\n'{}a"), st.characters(exclude_characters="\0", codec="utf-8")
    )
)
ROWS = st.lists(st.one_of(st.none(), TEXT), min_size=3, max_size=3)


def written(values: list[str | None]) -> str:
    """Write a record as PostgreSQL's record_out does; held against the original below."""

    def field(value: str | None) -> str:
        if value is None:
            return ""
        if value == "" or any(c in '"\\(),' or c in " \t\n\r\v\f" for c in value):
            return '"' + value.replace("\\", "\\\\").replace('"', '""') + '"'
        return value

    return "(" + ",".join(map(field, values)) + ")"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("()", [None]),
        ("(,)", [None, None]),
        ('("",)', ["", None]),
        ('(a,"b c",,"")', ["a", "b c", None, ""]),
        (r'("say ""hi""","c:\\temp","(1,2)")', ['say "hi"', r"c:\temp", "(1,2)"]),
        ('("line\nbreak",é)', ["line\nbreak", "é"]),
    ],
)
def test_fields_are_read(text: str, fields: list[str | None]) -> None:
    assert parse_record(text) == fields


@pytest.mark.parametrize(
    "text",
    ["", "a", "(", "(a", "(a)b", "(a,b", '("a)', '("a"b)', "(a)(b)", '(a"b")', "(a\\b)", "a,b)"],
)
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="record"):
        parse_record(text)


@settings(deadline=None)
@given(ROWS)
def test_what_was_written_is_read(values: list[str | None]) -> None:
    assert parse_record(written(values)) == values


@settings(deadline=None)
@given(ROWS, ROWS, st.sets(st.integers(0, 2)))
def test_fields_are_restored_where_they_stood(
    old: list[str | None], new: list[str | None], positions: set[int]
) -> None:
    stored = [None if at in positions else value for at, value in enumerate(old)]
    expected = [new[at] if at in positions else value for at, value in enumerate(old)]
    assert restore_fields(written(stored), written(new), positions) == written(expected)


@settings(deadline=None)
@given(ROWS)
def test_split_fields_join_to_the_same_text(values: list[str | None]) -> None:
    text = written(values)
    assert "(" + ",".join(split_record(text)) + ")" == text


async def test_postgresql_writes_what_is_read(scratch_database: str) -> None:
    rows: list[list[str | None]] = []

    @settings(deadline=None)
    @given(st.lists(ROWS, min_size=20, max_size=20))
    def collect(batch: list[list[str | None]]) -> None:
        rows.extend(batch)

    collect()
    connection = await asyncpg.connect(scratch_database)
    try:
        batches = iter(rows)
        while batch := list(islice(batches, 500)):
            texts = await connection.fetch(
                "select row(a, b, c)::text from unnest($1::text[], $2::text[], $3::text[])"
                " with ordinality u (a, b, c, n) order by n",
                *([row[at] for row in batch] for at in range(3)),
            )
            assert [text for (text,) in texts] == [written(row) for row in batch]
            assert [parse_record(text) for (text,) in texts] == batch
    finally:
        await connection.close()
