"""Moments: ticks, and times, which mean the last tick made at or before them.

A moment is what its tick's snapshot saw. A change is of the first tick that sees its commit, some
milliseconds later as a rule; so whatever was committed at a time is seen as of a little later.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from sqlalchemy import BigInteger, DateTime, Text, bindparam, cast, func, select, true

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.journal.tables import horizon, tick
from roost.journal.ticks import BEGINNING
from roost.web.query import invalid

AsOf = Annotated[
    str,
    Meta(
        max_length=64,
        description="A time (RFC 3339) or the number of a tick (`Roost-Tick`): as it was then.",
    ),
]
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
_NOTHING: Final = "1:1:"
"""A snapshot that sees no transaction."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A tick, with what tells which changes it sees."""

    tick: int
    at: datetime | None
    snapshot: str
    last_seq: int

    def places(self, name: str = "past") -> dict[str, object]:
        """Give the values of the places that the CTE of `states.past` of that name has."""
        return {f"{name}_snapshot": self.snapshot, f"{name}_last_seq": self.last_seq}

    def shown(self) -> dict[str, object]:
        """Give it as it goes out."""
        return {"tick": self.tick, "at": self.at}


_t: Final = tick.c
_NO_LIMIT: Final = 9223372036854775807


def _find(*, by_time: bool) -> Any:  # noqa: ANN401 -- a statement
    wanted = bindparam("moment", type_=DateTime(timezone=True) if by_time else BigInteger)
    order = (_t.at, _t.id) if by_time else (_t.id,)
    reached = (_t.at if by_time else _t.id) <= wanted
    found = (
        select(tick).where(reached).order_by(*(each.desc() for each in order)).limit(1)
    ).subquery("found")
    newest = select(_t.id, _t.at).order_by(_t.id.desc()).limit(1).subquery("newest")
    known = select(horizon.c.tick, horizon.c.at).subquery("known")
    now = select(func.clock_timestamp(type_=DateTime(timezone=True)).label("at")).subquery("now")
    rows = now.outerjoin(newest, true()).outerjoin(known, true()).outerjoin(found, true())
    columns = (
        now.c.at.label("now"),
        newest.c.id.label("newest"),
        known.c.tick.label("oldest"),
        known.c.at.label("oldest_at"),
        found.c.id.label("tick"),
        found.c.at.label("at"),
        cast(found.c.snapshot, Text).label("snapshot"),
        func.coalesce(found.c.seq, _NO_LIMIT, type_=BigInteger).label("last_seq"),
    )
    return compiled("select journal.moment", select(*columns).select_from(rows))


_HORIZON: Final = compiled("select journal.horizon", select(horizon.c.tick, horizon.c.at))
_BY_TIME: Final = _find(by_time=True)
_BY_TICK: Final = _find(by_time=False)


async def read_moment(database: Database, given: str | int | None, name: str = "asOf") -> Moment:
    """Find a moment, the newest tick for None; `name` is the parameter it was given in.

    VALIDATION_ERROR when it is none, MOMENT_IN_FUTURE, or MOMENT_NOT_KEPT when it is older than
    what the journal has.
    """
    wanted: Any = _read(given, name) if isinstance(given, str) else given
    if wanted is None:
        wanted = _NO_LIMIT
    by_time = isinstance(wanted, datetime)
    row = await database.read(_BY_TIME if by_time else _BY_TICK, Context(), moment=wanted)
    assert row is not None  # noqa: S101 -- it always has one row
    latest = row["now"] if by_time else row["newest"] or BEGINNING
    if given is not None and wanted > latest:
        raise _in_future(name, latest)
    if row["oldest"] is not None and (row["tick"] is None or row["tick"] < row["oldest"]):
        raise not_kept(row["oldest"], row["oldest_at"])
    if row["tick"] is None:
        return Moment(BEGINNING, None, _NOTHING, 0)
    return Moment(row["tick"], row["at"], row["snapshot"], row["last_seq"])


async def require_kept(transaction: Transaction, since: datetime) -> None:
    """Raise MOMENT_NOT_KEPT unless all changes since a time are kept."""
    row = await transaction.row(_HORIZON)
    if row is not None and row["at"] > since:
        raise not_kept(row["tick"], row["at"])


async def then(database: Database, as_of: str | None) -> Moment | None:
    """Find the moment that a read asks for; None when it asks for now."""
    return None if as_of is None else await read_moment(database, as_of)


def _read(text: str, name: str) -> datetime | int:
    if _NUMBER.fullmatch(text):
        return int(text)
    try:
        # A colon, or it would read a number as seconds.
        if ":" not in text:
            raise ValueError  # noqa: TRY301 -- told like a time that can't be read
        moment: datetime = msgspec.convert(text, Annotated[datetime, Meta(tz=True)])
        return moment.astimezone(UTC)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        message = (
            "must be a time (RFC 3339, with a time zone, a + in a query string written as %2B) or"
            " the number of a tick"
        )
        raise invalid(name, message) from error


def _in_future(name: str, latest: datetime | int) -> ProblemError:
    shown = latest.isoformat() if isinstance(latest, datetime) else f"tick {latest}"
    message = f"is later than the newest moment there is, {shown}"
    return ProblemError(
        errors.MOMENT_IN_FUTURE,
        f"{name} {message}",
        errors=[errors.FieldError(name, message, "future")],
    )


def not_kept(oldest: int, at: datetime) -> ProblemError:
    """Say that something is older than what is kept, and what the oldest is."""
    return ProblemError(
        errors.MOMENT_NOT_KEPT,
        f"history is kept from tick {oldest}, made at {at.isoformat()}",
        extra={"oldest": {"tick": oldest, "at": at.astimezone(UTC)}},
    )
