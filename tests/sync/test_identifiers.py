"""Names, with every odd character: read as PostgreSQL reads them, and written so that it does."""

from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roost.sync.clause.printing import literal
from roost.sync.identifiers import IdentifierError, quoted, read_columns, read_table

ODD = "aZ0_ é.\"'\\,;()$%&/*-\t\n\u2028😀"
NAMES = st.text(st.sampled_from(ODD), min_size=1, max_size=12)
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))


@given(NAMES, NAMES)
def test_a_quoted_name_is_read_back_whatever_is_in_it(schema: str, name: str) -> None:
    assert read_table(f"{quoted(schema)}.{quoted(name)}") == (schema, name)
    assert read_columns(f" {quoted(schema)} , {quoted(name)}") == (schema, name)


@given(TEXTS)
def test_any_text_is_read_or_refused_with_a_reason(text: str) -> None:
    for read in (read_table, read_columns):
        with suppress(IdentifierError):
            found = read(text)
            assert all(0 < len(name.encode()) <= 63 for name in found)


@pytest.mark.parametrize("text", ["", " ", ".", "a.", ".a", "a b", "a.b.c", '"a', '""', "a,b",
                                  "1a", "a;", "a--", "a/**/", "a()", "é" * 32, '"' + "x" * 64 + '"',
                                  '"a\x00"', "a\x00"])  # fmt: skip
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(IdentifierError):
        read_table(text)


def test_names_without_quotes_are_lower_cased_and_others_are_not() -> None:
    assert read_table('Public."Tasks"') == ("public", "Tasks")
    assert read_columns('ID, "Id"') == ("id", "Id")


@pytest.fixture
async def connection(scratch_database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(scratch_database)
    yield connection
    await connection.close()


@pytest.mark.parametrize("standard", ["on", "off"])
async def test_the_database_reads_names_and_literals_as_they_were(
    connection: Any, standard: str
) -> None:
    await connection.execute(f"set standard_conforming_strings = {standard}")
    await connection.execute("set escape_string_warning = off")

    async def check(text: str, name: str) -> None:
        [row] = await connection.fetch(f"select {literal(text)} as {quoted(name)}")
        assert dict(row) == {name: text}

    tried: list[tuple[str, str]] = []

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.one_of(TEXTS, st.text(st.sampled_from(ODD))), NAMES)
    def collect(text: str, name: str) -> None:
        tried.append((text, name))

    collect()
    for text, name in [*tried, ("\\' or true --", "a"), ("\\", '"'), ("'\\''", "\\")]:
        await check(text, name)
