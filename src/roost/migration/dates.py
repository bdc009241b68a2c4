"""Dates as they lie in browsers, read tolerantly: a bad date never rejects a row."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NUMERIC: Final = re.compile(r"\s*[+-]?\d{1,18}(?:\.\d{1,9})?\s*", re.ASCII)
_ISO: Final = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]|$)", re.ASCII)
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_FAR_YEAR: Final = re.compile(r"\s*[+-]\d{6}-\d\d-\d\d", re.ASCII)
# Seconds below the first are before 1973: no date. Milliseconds below the second are too, so
# such numbers are seconds. From the third on milliseconds would be after the year 5138.
_DATES_FROM: Final = 10**8
_SECONDS_BELOW: Final = 10**11
_MICROSECONDS_FROM: Final = 10**14
_SLACK: Final = timedelta(days=1)

INVALID: Final = "DATE_INVALID"
OUT_OF_RANGE: Final = "DATE_OUT_OF_RANGE"
NO_ZONE: Final = "DATE_WITHOUT_ZONE"
NUMBER: Final = "DATE_FROM_NUMBER"
FUTURE: Final = "DATE_IN_FUTURE"
MISSING: Final = "DATE_MISSING"


def parse(value: object, now: datetime) -> tuple[datetime | None, str | None]:
    """The moment that `value` means, in UTC, and a warning's code where one is due.

    None with no code: there was nothing (missing, null, blank). None with a code: unreadable.
    A text without a zone is taken as UTC; a number as milliseconds, small ones as seconds.
    """
    if type(value) is str:
        moment, code = _from_text(value)
    elif type(value) is int or type(value) is float:
        moment, code = _from_number(value)
    else:
        return None, None if value is None else INVALID
    if moment is not None and moment > now + _SLACK:
        return moment, FUTURE
    return moment, code


def _from_text(text: str) -> tuple[datetime | None, str | None]:
    if not text or text.isspace():
        return None, None
    if _ISO.match(text):
        return _from_iso(text)
    if _NUMERIC.fullmatch(text):
        return _from_number(float(text) if "." in text else int(text))
    stripped = text.strip()
    if _ISO.match(stripped):
        return _from_iso(stripped)
    return None, OUT_OF_RANGE if _FAR_YEAR.match(text) else INVALID


def _from_iso(text: str) -> tuple[datetime | None, str | None]:
    try:
        moment = datetime.fromisoformat(_FRACTION.sub(r"\1", text) if len(text) > 26 else text)  # noqa: PLR2004
    except ValueError:
        return None, INVALID
    if moment.tzinfo is UTC:
        return moment, None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC), NO_ZONE
    try:
        return moment.astimezone(UTC), None
    except OverflowError:
        return None, OUT_OF_RANGE


def _from_number(number: float) -> tuple[datetime | None, str | None]:
    size = abs(number)
    try:
        if size < _DATES_FROM:
            return None, INVALID
        if size < _SECONDS_BELOW:
            return _EPOCH + timedelta(seconds=number), NUMBER
        if size >= _MICROSECONDS_FROM:
            return _EPOCH + timedelta(microseconds=number), NUMBER
        return _EPOCH + timedelta(milliseconds=number), NUMBER
    except (OverflowError, ValueError):
        return None, OUT_OF_RANGE


class Span(msgspec.Struct, frozen=True, gc=False):
    """When a row was created and last changed, and what had to be guessed."""

    created_at: datetime
    updated_at: datetime
    assumed: tuple[str, ...] = ()
    codes: tuple[tuple[str, str], ...] = ()


def span(created: object, updated: object, now: datetime) -> Span:
    """Both dates of a row: one stands in for the other, `now` for both."""
    made, made_code = parse(created, now)
    changed, changed_code = parse(updated, now)
    if made is not None and changed is not None and not made_code and not changed_code:
        if changed >= made:
            return Span(made, changed)
        return Span(made, changed, (), (("UPDATED_BEFORE_CREATED", "updatedAt"),))
    codes = []
    for name, moment, code in (
        ("createdAt", made, made_code),
        ("updatedAt", changed, changed_code),
    ):
        if code or moment is None:
            codes.append((code or MISSING, name))
    assumed = ("created_at", "updated_at") if made is None and changed is None else ()
    made_at = made or changed or now
    changed_at = changed or made or now
    if changed_at < made_at:
        codes.append(("UPDATED_BEFORE_CREATED", "updatedAt"))
    return Span(made_at, changed_at, assumed, tuple(codes))
