"""Events over HTTP: listed, and streamed as they come."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from roost.db.pool import Database
from roost.performance.events import Event, Events, Severity, Type, Wanted, events, last, newer
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.event_stream import KEEP_ALIVE, EventStream, event
from roost.web.query import invalid
from roost.web.reply import Reply, encoded

READ: Final = "performance:read"
TAG: Final = "performance"
LOOK: Final = 1.0
"""Seconds between two looks for somebody who follows."""
_ALIVE: Final = 10.0
_AT_ONCE: Final = 500
_ROOT: Final = f"{API}/performance/events"
_ID: Final = re.compile(r"[0-9]{1,18}")


TraceId = Annotated[
    str,
    msgspec.Meta(
        pattern="^[0-9a-f]{32}$", extra={"refused": "must be 32 lower-case hexadecimal digits"}
    ),
]


class FollowQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Which events to follow."""

    type: Type | None = None
    severity: Severity | None = None
    actor_id: UUID | None = None
    trace_id: TraceId | None = None
    route: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class EventsQuery(FollowQuery, frozen=True, rename="camel", kw_only=True):
    """Which events to list; `since` is in it, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    before: Annotated[int, msgspec.Meta(ge=1, le=2**53)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 100


@dataclass(frozen=True, slots=True)
class EventRoutes:
    """The routes of events."""

    database: Database

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ROOT, self.list, Contract(
                "List what was done, failed or was slow", READ, query=EventsQuery,
                returns=Events, tag=TAG)),
            Endpoint("GET", f"{_ROOT}/stream", self.stream, Contract(
                "Follow events: server-sent events named by their type", READ,
                query=FollowQuery, bare=True, media_type="text/event-stream", tag=TAG)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer what there was."""
        query: EventsQuery = call.query
        wanted = _wanted(query, query.since, query.until)
        found = await events(
            self.database,
            call.principal.workspace_id,
            wanted,
            before=query.before,
            most=query.limit,
        )
        return encoded(found)

    async def stream(self, call: Call) -> Reply:
        """Answer with what comes, from the last that the reader has had."""
        had = call.header("last-event-id")
        if had is not None and not _ID.fullmatch(had):
            raise invalid("Last-Event-ID", "must be the id of an event")
        if had is None:
            after = await last(self.database, call.principal.workspace_id)
        else:
            after = int(had)
        return EventStream(self._followed(call, after))

    async def _followed(self, call: Call, after: int) -> AsyncGenerator[bytes, None]:
        wanted, sent_at = _wanted(call.query, None, None), time.monotonic()
        while True:
            workspace_id = call.principal.workspace_id
            found = await newer(self.database, workspace_id, wanted, after, _AT_ONCE)
            for each in found:
                yield _written(each)
            now = time.monotonic()
            if found:
                after, sent_at = found[-1].id, now
            elif now - sent_at > _ALIVE:
                yield KEEP_ALIVE
                sent_at = now
            await asyncio.sleep(LOOK)
            await call.still_admitted()


def _wanted(query: FollowQuery, since: datetime | None, until: datetime | None) -> Wanted:
    return Wanted(
        query.type, query.severity, query.actor_id, query.trace_id, query.route, since, until
    )


def _written(each: Event) -> bytes:
    return event(each.type, msgspec.json.encode(each).decode(), str(each.id))
