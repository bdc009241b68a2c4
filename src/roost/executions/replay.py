"""Replays over HTTP: events in the time that a run took, or pages at once.

All that a replay is at is the number of the last step that was sent, which its reader knows. To
pause is to close the stream, and `Last-Event-ID` goes on; there is nothing to keep here.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from roost import errors
from roost.executions.replaying import NOTHING, STEPS, Played, Recorded, play
from roost.executions.states import fold_beside
from roost.executions.step_queries import STATE
from roost.executions.viewing_model import LAST, ReplayQuery
from roost.web.endpoint import Call
from roost.web.event_stream import KEEP_ALIVE, EventStream, event
from roost.web.kit import Kit, found
from roost.web.paging import PageQuery, SortKey, decode_cursor, encode_cursor, page_reply
from roost.web.query import invalid
from roost.web.reply import Reply

LOOK: Final = 1.0
"""Seconds between two looks, in a long wait, whether the reader may still have it."""
ALIVE: Final = 10.0
"""Seconds of silence after which a comment is sent."""
AT_ONCE: Final = 20
"""Steps that are read at once: their states may be large."""
PAGE_BYTES: Final = 8 * 1024 * 1024
"""Bytes after which a page of JSON ends early."""
_LONG: Final = 256 * 1024
"""Bytes from which on states are folded in a thread: others are served meanwhile."""
_ORDER: Final = (SortKey("number", descending=False),)
_NUMBER: Final = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time that a replay goes by: a monotonic clock, and a way to wait; seconds."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


@dataclass(slots=True)
class _Tape:
    """A run's record, read on from `after` to `until`; `state` is the one after `after`."""

    kit: Kit
    call: Call
    after: int
    until: int
    state: bytes | None = None
    status: str = ""
    last: int = 0

    @property
    def end(self) -> int:
        """The number of the last step that there is to play."""
        return min(self.until, self.last)

    async def read(self, most: int) -> list[Played]:
        """Read on; gives no steps at the end. EXECUTION_NOT_FOUND."""
        places = {"after": self.after, "until": self.until, "limit": most}
        read = await self.kit.read(self.call, STEPS, execution=self.call.id(), **places)
        row = found(read, errors.EXECUTION_NOT_FOUND)
        self.status, self.last = row["status"], row["last"]
        recorded = msgspec.json.decode(row["steps"], type=list[Recorded])
        if not recorded:
            return []
        before = self.state if self.state is not None else await self._state()
        if len(row["steps"]) + len(before) < _LONG:
            played, self.state = play(before, recorded)
        else:
            played, self.state = await asyncio.to_thread(play, before, recorded)
        self.after = played[-1].number
        return played

    async def _state(self) -> bytes:
        if not self.after:
            return NOTHING
        read = await self.kit.read(
            self.call, STATE["number"], execution=self.call.id(), number=self.after
        )
        return await fold_beside(found(read, errors.EXECUTION_NOT_FOUND)["pieces"]) or NOTHING


@dataclass(frozen=True, slots=True)
class Replay:
    """One request for a replay."""

    kit: Kit
    call: Call
    clock: Clock

    async def reply(self) -> Reply:
        """Answer it in the form that is asked for."""
        query: ReplayQuery = self.call.query
        if query.to < query.from_:
            raise invalid("to", "must not be less than from")
        if _wants_json(self.call):
            return await self._page(query)
        if query.cursor is not None:
            raise invalid("cursor", "goes with format=json alone", "conflict")
        had = self.call.header("last-event-id")
        after = query.from_ - 1 if had is None else _number(had, "Last-Event-ID")
        tape = _Tape(self.kit, self.call, after, query.to)
        return EventStream(self._events(query, tape, await tape.read(AT_ONCE)))

    async def _events(
        self, query: ReplayQuery, tape: _Tape, played: list[Played]
    ) -> AsyncGenerator[bytes, None]:
        """Send each step in its time after the one before; the first comes at once."""
        before: Played | None = None
        while played:
            for each in played:
                if before is not None:
                    gap = (each.at - before.at).total_seconds() / query.speed
                    async for comment in self._wait(min(gap, query.max_gap)):
                        yield comment
                yield event("step", each.body, str(each.number))
                before = each
            await self.call.still_admitted()
            played = await tape.read(AT_ONCE)
        shown = {"step": tape.after, "lastStep": tape.last, "status": tape.status}
        yield event("end", msgspec.json.encode(shown).decode(), str(tape.after))

    async def _wait(self, seconds: float) -> AsyncGenerator[bytes, None]:
        """Wait, with a comment now and then so that nobody takes the stream for dead."""
        quiet_since = self.clock.now()
        due = quiet_since + seconds
        while (rest := due - self.clock.now()) > 0:
            await self.clock.sleep(min(rest, LOOK))
            await self.call.still_admitted()
            if self.clock.now() - quiet_since >= ALIVE:
                quiet_since = self.clock.now()
                yield KEEP_ALIVE

    async def _page(self, query: ReplayQuery) -> Reply:
        after = query.from_ - 1
        if query.cursor is not None:
            [number] = decode_cursor(_ORDER, query.cursor, 1)
            after = max(after, _number(number or "", "cursor"))
        tape = _Tape(self.kit, self.call, after, query.to)
        bodies: list[str] = []
        size = 0
        while size < PAGE_BYTES and (rest := query.limit - len(bodies)):
            played = await tape.read(min(rest, AT_ONCE))
            bodies += [each.body for each in played]
            size += sum(len(each.body) for each in played)
            if not played or tape.after >= tape.end:
                break
        following = encode_cursor(_ORDER, [str(tape.after)]) if tape.after < tape.end else None
        total = max(tape.end - query.from_ + 1, 0)
        asked = PageQuery(limit=query.limit)
        reply = page_reply(f"[{','.join(bodies)}]", asked, total, following, by_cursor=True)
        return self.kit.conditional(self.call, reply)


def _wants_json(call: Call) -> bool:
    query: ReplayQuery = call.query
    if query.format is not None:
        return query.format == "json"
    accept = call.header("accept") or ""
    return "application/json" in accept and "text/event-stream" not in accept


def _number(text: str, name: str) -> int:
    number = int(text) if _NUMBER.fullmatch(text) else LAST + 1
    if number > LAST:
        raise invalid(name, "must be the number of a step" if name != "cursor" else _UNKNOWN)
    return number


_UNKNOWN: Final = "is not one that Roost gave out"
