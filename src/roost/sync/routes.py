"""Roost's own `/v1/shape`: the published tables of the caller's workspace, by the log-in."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID

import msgspec

from roost import errors
from roost.db.faults import DatabaseError
from roost.db.pool import LOST
from roost.errors import ProblemError
from roost.sync import answer
from roost.sync.answer import Answer
from roost.sync.protocol import JSON, encoded
from roost.sync.publication import Published, Reader, missing
from roost.sync.refusal import RefusalError
from roost.sync.request import table_of
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.event_stream import sent_until_gone
from roost.web.reply import Reply

_PATH: Final = "/v1/shape"
_LOOK_AGAIN: Final = 3.0
"""Seconds after which a waiting request's log-in is looked at again."""
_ABOUT: Final = "Follow a table: its rows, then every change, in ElectricSQL's protocol"
_ABOUT_SUBSET: Final = "Read some rows of a table that is followed, in ElectricSQL's protocol"


Respond = Callable[[str, Any, Any, Reader], Awaitable[Answer]]
"""Answers a request (method, scope, receive) of a reader, in the protocol."""


Watching = AbstractContextManager["asyncio.Future[None]"]
"""Gives what is done when somebody may not follow any more."""


Who = tuple[UUID, UUID]
"""A credential, and the workspace that it is used in."""


class SubsetBody(msgspec.Struct):
    """Which rows; `params` are the values of `$1` and so on, by number."""

    where: str | None = None
    params: dict[str, str] | None = None
    order_by: str | None = None
    limit: int | None = None
    offset: int | None = None


class Streaming(Reply):
    """An answer of the protocol: whole, or events until they end."""

    __slots__ = ("events", "watching")

    def __init__(self, given: Answer, watching: Watching | None = None) -> None:
        named = {name for name, _ in given.headers}
        headers = given.headers
        if given.body and "content-type" not in named:
            headers = [*headers, JSON]
        super().__init__(given.body, given.status, encoded(headers), media_type=None)
        self.events = given.events
        self.watching = watching

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        """Send it."""
        if self.events is None or self.watching is None or scope["method"] == "HEAD":
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        with self.watching as refused:
            await sent_until_gone(self.events, receive, send, refused)


@dataclass(slots=True)
class _Watch:
    """`refused` is done when those may not follow any more who have so many streams open."""

    refused: asyncio.Future[None]
    streams: int = 0


@dataclass(slots=True)
class ShapeRoutes:
    """The route, and who may follow what: `published` says which permission each table needs."""

    respond: Respond | None
    published: Mapping[str, Published]
    look_again: float = _LOOK_AGAIN
    _looks: dict[Who, tuple[float, asyncio.Future[None]]] = field(default_factory=dict)
    _watches: dict[Who, "_Watch"] = field(default_factory=dict)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        contract = Contract(
            _ABOUT,
            "sync:read",
            foreign_query=True,
            bare=True,
            tag="Live sync",
            problems=(errors.FORBIDDEN,),
        )
        subset = replace(contract, summary=_ABOUT_SUBSET, described_body=SubsetBody)
        return [
            Endpoint("GET", _PATH, self._serve, contract),
            Endpoint("POST", _PATH, self._serve, subset),
            Endpoint("DELETE", _PATH, self._serve, contract),
        ]

    async def _serve(self, call: Call) -> Reply:
        request = call.request
        assert self.respond is not None  # noqa: S101 -- there is one but where routes are described
        try:
            reader = self._reader(call)
        except RefusalError as error:
            return Streaming(answer.refusal(error))
        answering = self.respond(request.method, request.scope, request.receive, reader)
        given = await self._while_admitted(call, answering)
        if request.method == "POST":
            await call.still_admitted()  # the body may have taken its time
        return Streaming(answer.private(given), self._watching(call))

    def _reader(self, call: Call) -> Reader:
        """Whose rows the request may see. RefusalError, ProblemError."""
        table = table_of(call.request.scope["query_string"])
        published = self.published.get(table[1]) if table[0] == "public" else None
        if published is None:
            raise missing(table)
        principal = call.principal
        if published.permission not in principal.permissions:
            raise ProblemError(
                errors.FORBIDDEN, f"this needs the permission {published.permission!r}"
            )
        user = principal.user_id if published.owner else None
        return Reader(principal.workspace_id, user)

    async def _while_admitted(self, call: Call, answering: Any) -> Answer:  # noqa: ANN401 -- a coroutine
        """Wait for the answer as long as the caller may have it."""
        task: asyncio.Task[Answer] = asyncio.ensure_future(answering)
        try:
            while True:
                done, _ = await asyncio.wait([task], timeout=self.look_again)
                if done:
                    return task.result()
                await self._look(call)
        finally:
            task.cancel()

    @contextmanager
    def _watching(self, call: Call) -> Iterator["asyncio.Future[None]"]:
        """Have one watch over all streams of a credential in a workspace."""
        who = _who(call)
        watch = self._watches.get(who)
        if watch is None:
            watch = self._watches[who] = _Watch(asyncio.ensure_future(self._until_refused(call)))
        watch.streams += 1
        try:
            yield watch.refused
        finally:
            watch.streams -= 1
            if watch.streams == 0:
                watch.refused.cancel()
                del self._watches[who]

    async def _until_refused(self, call: Call) -> None:
        while True:
            await asyncio.sleep(self.look_again)
            try:
                await self._look(call)
            except (ProblemError, DatabaseError, *LOST):
                return

    async def _look(self, call: Call) -> None:
        """Ask whether the caller may still; once for all who wait with the same credential."""
        who, now = _who(call), time.monotonic()
        at, looking = self._looks.get(who, (0.0, None))
        if looking is None or now - at > self.look_again / 2:
            looking = asyncio.ensure_future(call.still_admitted())
            self._looks[who] = now, looking
            looking.add_done_callback(lambda _: self._forget(who, looking))
        await asyncio.shield(looking)

    def _forget(self, who: Who, looking: "asyncio.Future[None] | None") -> None:
        known = self._looks.get(who)
        if known is not None and known[1] is looking:
            del self._looks[who]
        if looking is not None and not looking.cancelled():
            looking.exception()


def _who(call: Call) -> Who:
    return call.principal.credential_id, call.principal.workspace_id
