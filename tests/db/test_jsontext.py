"""The JSON that is put together by `concat`, held against PostgreSQL's own."""

import asyncio
import json
from typing import Any

import asyncpg
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from roost.db.jsontext import object_text
from roost.db.statements import compiled

SAMPLE = Table(
    "sample",
    MetaData(),
    Column("id", Uuid, nullable=False),
    Column("text", Text, nullable=False),
    Column("maybe_text", Text),
    Column("maybe_id", Uuid),
    Column("number", Integer),
    Column("real", Double),
    Column("flag", Boolean, nullable=False),
    Column("maybe_flag", Boolean),
    Column("words", ARRAY(Text), nullable=False),
    Column("document", JSONB),
)
texts = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=30)
rows = st.fixed_dictionaries(
    {
        "id": st.uuids(),
        "text": texts,
        "maybe_text": st.none() | texts,
        "maybe_id": st.none() | st.uuids(),
        "number": st.none() | st.integers(-(2**31), 2**31 - 1),
        "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "flag": st.booleans(),
        "maybe_flag": st.none() | st.booleans(),
        "words": st.lists(texts, max_size=4),
        "document": st.none() | st.dictionaries(texts, texts | st.integers(), max_size=3),
    }
)


def test_every_value_is_written_as_postgresql_writes_it(scratch_database: str) -> None:
    fields = {column.name: column for column in SAMPLE.c}
    statement = compiled("select sample", select(object_text(fields)))

    async def written(row: dict[str, Any]) -> tuple[str, str]:
        connection = await asyncpg.connect(scratch_database)
        try:
            await connection.execute(
                "create temp table sample (id uuid, text text, maybe_text text, maybe_id uuid,"
                " number int, real float8, flag bool, maybe_flag bool, words text[],"
                " document jsonb)"
            )
            document = None if row["document"] is None else json.dumps(row["document"])
            values = {**row, "document": document}
            await connection.execute(
                "insert into sample values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                *(values[column.name] for column in SAMPLE.c),
            )
            ours = await connection.fetchval(statement.sql)
            theirs = await connection.fetchval("select row_to_json(s)::text from sample s")
            return ours, theirs
        finally:
            await connection.close()

    @settings(max_examples=60, deadline=None)
    @given(row=rows)
    def check(row: dict[str, Any]) -> None:
        ours, theirs = asyncio.run(written(row))
        assert json.loads(ours) == json.loads(theirs)

    check()
