"""The JSON that is put together by `concat`, held against PostgreSQL's own."""

import asyncio
import json
from typing import Any

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
from tests.db.sample import texts, written

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
    prefixes=["TEMPORARY"],
)
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

    @settings(max_examples=60, deadline=None)
    @given(row=rows)
    def check(row: dict[str, Any]) -> None:
        ours, theirs = asyncio.run(written(scratch_database, SAMPLE, statement, row))
        assert json.loads(ours) == json.loads(theirs)

    check()
