"""Events: what people did by requests, and which requests failed or were slow.

Kept from other workspaces by the table's own policy; an event of no workspace is everybody's.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from sqlalchemy import (
    BigInteger,
    ColumnClause,
    DateTime,
    Double,
    Integer,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    or_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from roost.db.jsontext import object_text
from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, Context, tenant_read
from roost.telemetry.tally import Noted
from roost.web.structs import Outgoing

Type = Literal["action", "error", "slow"]
Severity = Literal["info", "warning", "error"]
_NAMES: Final[dict[str, ColumnClause[Any]]] = {
    "id": column("id", BigInteger),
    "at": column("at", DateTime(timezone=True)),
    "type": column("type", Text),
    "severity": column("severity", Text),
    "actorId": column("actor_id", Uuid),
    "route": column("route", Text),
    "status": column("status", Integer),
    "durationMs": column("duration_ms", Double),
    "traceId": column("trace_id", Text),
    "requestId": column("request_id", Text),
}
_e: Final = table("event", column("workspace_id", Uuid), *_NAMES.values(), schema="performance")
_STORE: Final = Statement(
    "insert performance.event",
    """
    insert into performance.event (at, type, severity, workspace_id, actor_id, route, status,
                                   duration_ms, trace_id, request_id)
    select * from json_to_recordset($1::json) as e (
        at timestamptz, type text, severity text, workspace_id uuid, actor_id uuid, route text,
        status integer, duration_ms float8, trace_id text, request_id text)
    """,
    ("rows",),
    {},
)
_FORGET: Final = Statement(
    "select performance.forget_events",
    "select performance.forget_events($1) as gone",
    ("days",),
    {},
)


class Event(Outgoing):
    """A request: a change that somebody made, or one that failed (from 500 up) or was slow."""

    id: int
    at: datetime
    type: Type
    severity: Severity
    actor_id: UUID | None
    route: str
    status: int
    duration_ms: float
    trace_id: str
    request_id: str


class Events(Outgoing):
    """Newest first. `nextBefore` is the parameter `before` of the next page."""

    items: list[Event]
    next_before: int | None


class Wanted(msgspec.Struct, frozen=True):
    """Which events; None is any."""

    type: Type | None = None
    severity: Severity | None = None
    actor_id: UUID | None = None
    trace_id: str | None = None
    route: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def _given(name: str, kind: Any) -> Any:  # noqa: ANN401 -- a type of SQLAlchemy's
    return cast(bindparam(name, type_=kind, required=True), kind)


def _is(name: str, member: str) -> Any:  # noqa: ANN401 -- a condition
    wanted = _given(name, _NAMES[member].type)
    return or_(wanted.is_(None), _NAMES[member] == wanted)


def _reading(name: str, *, forward: bool) -> Statement:
    """Make the statement that reads on from `place`: older ones, or newer ones."""
    place, since = _given("place", BigInteger), _given("since", DateTime(timezone=True))
    until = _given("until", DateTime(timezone=True))
    order = _e.c.id if forward else _e.c.id.desc()
    rows = (
        select(object_text(_NAMES).label("body"), _e.c.id)
        .where(
            # As the policy has it, for the index.
            or_(_e.c.workspace_id.is_(None), _e.c.workspace_id == TENANT_ID),
            _e.c.id > place if forward else _e.c.id < place,
            _is("type", "type"),
            _is("severity", "severity"),
            _is("actor", "actorId"),
            _is("trace", "traceId"),
            _is("route", "route"),
            or_(since.is_(None), _e.c.at >= since),
            or_(until.is_(None), _e.c.at < until),
        )
        .order_by(order)
        .limit(_given("most", BigInteger))
        .subquery("these")
    )
    comma: Any = literal_column("','")
    ordered = rows.c.id if forward else rows.c.id.desc()
    joined = func.string_agg(rows.c.body, aggregate_order_by(comma, ordered))
    return tenant_read(name, select(func.concat("[", joined, "]").label("items")))


_OLDER: Final = _reading("select performance.events", forward=False)
_NEWER: Final = _reading("select performance.events_since", forward=True)
_LAST: Final = tenant_read(
    "select performance.last_event",
    select(func.coalesce(func.max(_e.c.id), literal_column("0")).label("id")).where(
        or_(_e.c.workspace_id.is_(None), _e.c.workspace_id == TENANT_ID)
    ),
)
_END: Final = 2**63 - 1
_decode: Final = msgspec.json.Decoder(list[Event]).decode


def _values(wanted: Wanted, place: int, most: int) -> dict[str, object]:
    return {
        "place": place,
        "most": most,
        "type": wanted.type,
        "severity": wanted.severity,
        "actor": wanted.actor_id,
        "trace": wanted.trace_id,
        "route": wanted.route,
        "since": wanted.since,
        "until": wanted.until,
    }


async def events(
    database: Database, workspace_id: UUID, wanted: Wanted, *, before: int | None, most: int
) -> Events:
    """List a workspace's events, newest first, from `before` on."""
    values = _values(wanted, _END if before is None else before, most + 1)
    row: Any = await database.read(_OLDER, Context(workspace_id), **values)
    found = _decode(row["items"])
    page = found[:most]
    return Events(items=page, next_before=page[-1].id if len(found) > most else None)


async def newer(
    database: Database, workspace_id: UUID, wanted: Wanted, after: int, most: int
) -> list[Event]:
    """Give those that came after one, oldest first."""
    row: Any = await database.read(_NEWER, Context(workspace_id), **_values(wanted, after, most))
    return _decode(row["items"])


async def last(database: Database, workspace_id: UUID) -> int:
    """Give the id of the last one; 0 when there is none."""
    row: Any = await database.read(_LAST, Context(workspace_id))
    return int(row["id"])


async def store(database: Database, noted: Sequence[Noted]) -> None:
    """Write down what a worker has noted."""
    rows = msgspec.json.encode([each._asdict() for each in noted]).decode()
    await database.change(_STORE, Context(), rows=rows)


async def forget(transaction: Transaction, days: int) -> None:
    """Forget those older than `days`."""
    await transaction.row(_FORGET, days=days)
