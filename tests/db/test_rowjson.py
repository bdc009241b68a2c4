"""Rows that PostgreSQL wrote itself, held against those that are put together by `concat`."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, Column, DateTime, Double, MetaData, Table, Text, Uuid, select
from sqlalchemy.dialects.postgresql import JSONB

from roost.db.jsontext import object_text
from roost.db.rowjson import moment, moments_of, renamed
from roost.db.statements import compiled
from tests.db.sample import texts, written

SAMPLE = Table(
    "sample",
    MetaData(),
    Column("id", Uuid, nullable=False),
    Column("maybe_id", Uuid),
    Column("some_text", Text),
    Column("many", BigInteger),
    Column("real", Double),
    Column("made_at", DateTime(timezone=True), nullable=False),
    Column("maybe_at", DateTime(timezone=True)),
    Column("document", JSONB),
    prefixes=["TEMPORARY"],
)
WIRE = {"id": "id", "maybeId": "maybe_id", "text": "some_text", "many": "many", "real": "real",
        "madeAt": "made_at", "maybeAt": "maybe_at", "document": "document"}  # fmt: skip
# Whichever time zone it is in, its year has four digits.
first, last = map(datetime.fromisoformat, ("0001-01-03", "9999-12-29"))
moments = st.datetimes(first, last, timezones=st.just(UTC))
whole = moments.map(lambda at: at.replace(microsecond=at.microsecond // 10_000 * 10_000))
rows = st.fixed_dictionaries(
    {
        "id": st.uuids(),
        "maybe_id": st.none() | st.uuids(),
        "some_text": st.none() | texts,
        "many": st.none() | st.integers(-(2**63), 2**63 - 1),
        "real": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "made_at": moments | whole,
        "maybe_at": st.none() | moments | whole,
        "document": st.none() | st.dictionaries(texts, texts | st.integers() | st.floats(0, 1)),
    }
)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu"])
def test_a_row_is_written_letter_by_letter_as_concat_writes_it(
    scratch_database: str, zone: str
) -> None:
    fields = {name: SAMPLE.c[column] for name, column in WIRE.items()}
    statement = compiled("select sample", select(object_text(fields)))

    @settings(max_examples=40, deadline=None)
    @given(row=rows)
    def check(row: dict[str, Any]) -> None:
        by_concat, by_itself = asyncio.run(written(scratch_database, SAMPLE, statement, row, zone))
        values = msgspec.json.decode(by_itself, type=dict[str, msgspec.Raw])
        assert msgspec.json.encode(renamed(values, WIRE, moments_of(SAMPLE))).decode() == by_concat

    check()


@given(at=moments | whole, minutes=st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_the_same_in_every_time_zone(at: datetime, minutes: int) -> None:
    there = at.astimezone(timezone(timedelta(minutes=minutes)))
    written = msgspec.json.encode(moment(msgspec.Raw(msgspec.json.encode(there.isoformat()))))
    assert written.decode() == f'"{at.isoformat(timespec="microseconds")[:-6]}Z"'


@pytest.mark.parametrize(
    "value",
    [
        b"null",
        b'"infinity"',
        b'"-infinity"',
        b'"0044-03-15T12:00:00+00:00 BC"',
        b'"10000-01-01T00:00:00.123456+00:00"',
        b'"0001-01-01T00:00:00+05:30"',
    ],
)
def test_what_is_at_no_time_of_ours_is_null(value: bytes) -> None:
    assert moment(msgspec.Raw(value)) is None
