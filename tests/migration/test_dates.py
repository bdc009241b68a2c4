"""Dates as browsers hold them."""

from datetime import UTC, datetime
from typing import Any

import pytest

from roost.migration import dates
from tests.migration.parsing import NOW

JUNE = datetime(2025, 6, 9, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("2025-06-09T12:00:00.000Z", None),
        ("2025-06-09T12:00:00.000000000Z", None),
        ("2025-06-09T14:00:00+02:00", None),
        (" 2025-06-09T12:00:00Z ", None),
        ("2025-06-09T12:00:00", dates.NO_ZONE),
        ("2025-06-09 12:00:00", dates.NO_ZONE),
        (1749470400000, dates.NUMBER),
        (1749470400, dates.NUMBER),
        (1749470400.0, dates.NUMBER),
        (1749470400000000, dates.NUMBER),
        ("1749470400000", dates.NUMBER),
        ("1749470400", dates.NUMBER),
    ],
)
def test_a_readable_date_is_the_same_moment_in_utc(value: Any, code: str | None) -> None:
    assert dates.parse(value, NOW) == (JUNE, code)
    moment, _ = dates.parse(value, NOW)
    assert moment is not None
    assert moment.utcoffset() is not None


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, None),
        ("", None),
        ("  ", None),
        ("not-a-date", dates.INVALID),
        ("2024-13-45T99:99:99.999Z", dates.INVALID),
        ("+275760-09-13T00:00:00.000Z", dates.OUT_OF_RANGE),
        ("0001-01-01T00:00:00+14:00", dates.OUT_OF_RANGE),
        (8.64e15 * 1e6, dates.OUT_OF_RANGE),
        (10**30, dates.OUT_OF_RANGE),
        (0, dates.INVALID),
        (7, dates.INVALID),
        (True, dates.INVALID),
        ([], dates.INVALID),
        ({}, dates.INVALID),
        ("\u0661\u0662\u0663", dates.INVALID),
    ],
)
def test_an_unreadable_date_is_none_with_its_reason(value: Any, code: str | None) -> None:
    assert dates.parse(value, NOW) == (None, code)


def test_a_date_to_come_is_kept_with_a_warning() -> None:
    assert dates.parse("2999-01-01T00:00:00Z", NOW)[1] == dates.FUTURE


def test_each_date_stands_in_for_the_other() -> None:
    text = "2025-06-09T12:00:00Z"
    for made, changed in ((text, "junk"), (None, text)):
        span = dates.span(made, changed, NOW)
        assert (span.created_at, span.updated_at, span.assumed) == (JUNE, JUNE, ())
        assert len(span.codes) == 1


def test_without_any_date_the_time_of_the_import_is_assumed_and_said_so() -> None:
    span = dates.span(None, "junk", NOW)
    assert (span.created_at, span.updated_at) == (NOW, NOW)
    assert span.assumed == ("created_at", "updated_at")
    assert span.codes == ((dates.MISSING, "createdAt"), (dates.INVALID, "updatedAt"))


def test_updated_before_created_is_kept_and_reported() -> None:
    span = dates.span("2025-06-09T12:00:00Z", "2025-06-01T12:00:00Z", NOW)
    assert span.created_at > span.updated_at
    assert span.codes == (("UPDATED_BEFORE_CREATED", "updatedAt"),)
