"""A migration watched: its progress as events, as it is committed."""

import asyncio
import time
from collections.abc import AsyncGenerator
from typing import Any, Final

from roost import errors
from roost.migration import queries
from roost.migration.answering import ITEM, READ, UNKNOWN, Desk
from roost.migration.model import RUNNING, State
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.event_stream import KEEP_ALIVE, EventStream, event
from roost.web.kit import found
from roost.web.reply import Reply, empty

LOOK: Final = 0.2
"""Seconds between two looks at a migration that somebody watches."""
_ALIVE: Final = 10.0
_ADMITTED: Final = 2.0
"""Seconds after which it is asked again whether the watcher still may."""


def watching(desk: Desk) -> list[Endpoint]:
    """Give the route of a migration's events."""

    async def events(call: Call) -> Reply:
        row = await _look(desk, call)
        last = call.header("last-event-id")
        if State(row["state"]) not in RUNNING and last == str(row["version"]):
            return empty()  # what tells a browser not to come again
        return EventStream(_events(desk, call, row))

    return [
        Endpoint("GET", f"{ITEM}/events", events, Contract(
            "Watch a migration: server-sent events `progress`, and `end` when it waits or has "
            "ended, each with the migration", READ, bare=True, media_type="text/event-stream",
            also=(204,), problems=UNKNOWN)),
    ]  # fmt: skip


async def _look(desk: Desk, call: Call) -> Any:  # noqa: ANN401 -- a record
    row = await desk.kit.read(call, queries.ITEM, migration=call.id())
    return found(row, errors.MIGRATION_NOT_FOUND)


async def _events(desk: Desk, call: Call, row: Any) -> AsyncGenerator[bytes, None]:  # noqa: ANN401 -- a record
    told = None
    sent_at = admitted_at = time.monotonic()
    while True:
        version, moves = str(row["version"]), State(row["state"]) in RUNNING
        now = time.monotonic()
        if version != told or not moves:
            yield event("progress" if moves else "end", row["body"], version)
            told, sent_at = version, now
        elif now - sent_at > _ALIVE:
            yield KEEP_ALIVE
            sent_at = now
        if not moves:
            return
        await asyncio.sleep(LOOK)
        if now - admitted_at > _ADMITTED:
            await call.still_admitted()
            admitted_at = now
        row = await _look(desk, call)
