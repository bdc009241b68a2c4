"""Errors of the server's own: how often each was met, and in which trace last."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.performance.reading import Question
from roost.telemetry.faults import Faults
from roost.web.structs import Outgoing

_STORE: Final = Statement(
    "insert performance.fault",
    """
    with new as materialized (
        select * from json_to_recordset($1::json) as f (
            fingerprint text, kind text, place text, route text, status integer, count integer,
            at timestamptz, trace_id text)),
    known as (
        insert into performance.fault as k
        select fingerprint, kind, place, route, status, at, at, count, trace_id from new
        on conflict (fingerprint) do update
        set last_seen = greatest(k.last_seen, excluded.last_seen),
            total = k.total + excluded.total, trace_id = excluded.trace_id)
    insert into performance.fault_hour as h
    select fingerprint, date_trunc('hour', at), count from new
    on conflict (fingerprint, at) do update set number = h.number + excluded.number
    """,
    ("rows",),
    {},
)


class ErrorGroup(Outgoing):
    """One error, however often: `count` is of the range, by whole hours, `total` of all time.

    `place` is the innermost of Roost's own code, and who called it.
    """

    fingerprint: str
    kind: str
    place: str
    route: str
    status: int
    count: int
    total: int
    first_seen: datetime
    last_seen: datetime
    is_new: bool
    trace_id: str


_LIST: Final = Question(
    "faults",
    ErrorGroup,
    """
    select f.fingerprint, f.kind, f.place, f.route, f.status, h.number as count, f.total,
           f.first_seen as "firstSeen", f.last_seen as "lastSeen",
           f.first_seen > now() - make_interval(secs => $1) as "isNew", f.trace_id as "traceId"
    from performance.fault f
    join (select fingerprint, sum(number)::bigint as number from performance.fault_hour
          where at > now() - make_interval(secs => $1) - interval '1 hour'
          group by fingerprint) h on h.fingerprint = f.fingerprint
    where f.last_seen > now() - make_interval(secs => $1)
    order by h.number desc, f.last_seen desc limit $2
    """,
    ("seconds", "most"),
)


async def faults(database: Database, seconds: float, most: int) -> list[ErrorGroup]:
    """List those that were met in the last `seconds`, the most frequent first."""
    return await _LIST.ask(database, seconds=seconds, most=most)


async def store(database: Database, met: Sequence[Faults]) -> None:
    """Write down what a worker has met."""
    rows = [
        {**each.fault._asdict(), "count": each.number, "at": each.at, "trace_id": each.trace_id}
        for each in met
    ]
    await database.change(_STORE, Context(), rows=msgspec.json.encode(rows).decode())
