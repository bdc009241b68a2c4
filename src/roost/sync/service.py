"""Serving shapes: which part of a log a request is answered with, and when."""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager

from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.journal.listener import Listener
from roost.sync import answer
from roost.sync.answer import Answer
from roost.sync.hub import OVER, Hub
from roost.sync.messages import joined, up_to_date
from roost.sync.offsets import BEFORE_ALL, NOW, SNAPSHOT_END, Offset, end_of, end_of_tick
from roost.sync.options import SyncOptions
from roost.sync.publication import ANYBODY, Publication, Reader, Relations
from roost.sync.refusal import RefusalError, must_refetch, plain, unavailable
from roost.sync.request import ShapeRequest
from roost.sync.shape import Shape
from roost.sync.shapes import Shapes
from roost.sync.source import Source
from roost.sync.store import Store
from roost.sync.subset import read_subset
from roost.telemetry import expect_waiting
from roost.web import etag

_CHECKPOINT = 1 << 10
"""Ticks after which a client that has heard nothing is moved on, so that its place is kept."""


class Sync:
    """All that serves shapes in one worker."""

    def __init__(
        self,
        database: Database,
        listener: Listener,
        publication: Publication,
        options: SyncOptions | None = None,
    ) -> None:
        """Serve from where the listener is, which must have been started."""
        self.options = options or SyncOptions()
        source = Source(database, self.options.statement_timeout, self.options.max_cost)
        relations = Relations(source, publication, self.options.look_every or 60.0)
        self._store = Store(database)
        self._source = source
        self.shapes = Shapes(source, relations, self._store, self.options)
        self.hub = Hub(listener, self.shapes, self._store, self.options)
        self._ticker = listener.ticker

    async def run(self) -> None:
        """Follow the listener until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.hub.run())
            group.create_task(self.hub.watch_tables())
            group.create_task(self.hub.keep_clean())

    async def answer(
        self, request: ShapeRequest, reader: Reader = ANYBODY, if_none_match: str | None = None
    ) -> Answer:
        """Answer a request. RefusalError when there is nothing to answer with."""
        await self._settled()
        with self._listening():
            return await self._answer(request, reader, if_none_match)

    async def _settled(self) -> None:
        """Wait until no shape is followed that was there before the database was put back."""
        try:
            async with asyncio.timeout(self.options.long_poll):
                await self.hub.settled.wait()
        except TimeoutError:
            message = "The database was put back, and can't be written to yet."
            raise unavailable(message) from None

    @contextmanager
    def _listening(self) -> Iterator[None]:
        """Ticks are made soon while somebody waits for them."""
        self._ticker.live += 1
        try:
            yield
        finally:
            self._ticker.live -= 1

    async def _answer(
        self, request: ShapeRequest, reader: Reader, if_none_match: str | None
    ) -> Answer:
        if request.subset is not None:
            return await self._subset(request, reader)
        if request.offset in (BEFORE_ALL, NOW):
            _, shape = await self.shapes.resolve(request, reader)
            if request.offset == NOW:
                return await self._now(shape)
            return self._first(shape, if_none_match)
        shape = await self._followed(request, reader)
        if request.live:
            return await self._live(shape, request)
        part = request.offset.op + 1
        if request.offset.is_virtual and request.offset != SNAPSHOT_END:
            body = await self._part(shape, part)
            if body is not None:
                return self._given(shape, request, (Offset(0, part), body, False), if_none_match)
        return await self._catch_up(shape, request, if_none_match)

    async def _followed(self, request: ShapeRequest, reader: Reader) -> Shape:
        """The shape of the request's handle; RefusalError to begin again with another's."""
        handle, newest = request.handle or "", self.hub.applied
        try:
            definition = await self.shapes.define(request, reader)
            shape = await self.shapes.named(handle, definition, request.offset, newest)
            if shape is None and await self._store.find(handle) is not None:
                # Another worker may know tables that have just changed as they are now.
                self.shapes.forget(definition)
                definition = await self.shapes.define(request, reader)
                shape = await self.shapes.named(handle, definition, request.offset, newest)
            if shape is not None:
                return shape
            _, other = await self.shapes.resolve(request, reader)
        except RefusalError:
            # A table that has just gone: whoever follows it is not told that they are wrong.
            if await self._was_known(request):
                raise must_refetch() from None
            raise
        raise must_refetch(other.handle)

    async def _was_known(self, request: ShapeRequest) -> bool:
        return request.handle is not None and await self._store.was_known(request.handle)

    def _first(self, shape: Shape, if_none_match: str | None) -> Answer:
        offset = Offset(0, 0)
        tag = answer.etag_of(shape, BEFORE_ALL, offset)
        headers = [
            *answer.head(shape, offset, has_data=True),
            answer.schema(shape),
            answer.caching(self.options, first=True, live=False, sse=False),
            ("etag", tag),
        ]
        if if_none_match is not None and etag.matches(if_none_match, tag):
            return Answer(304, headers)
        return Answer(200, headers, shape.first or b"")

    async def _part(self, shape: Shape, number: int) -> bytes | None:
        """A later part of the snapshot; None when there is none of that number."""
        if shape.stored.chunks == 1 or number < 1:
            return None
        try:
            async with asyncio.timeout(self.options.long_poll):
                return await self._written_part(shape, number)
        except TimeoutError:
            message = "The first rows are still being read."
            raise unavailable(message) from None

    async def _written_part(self, shape: Shape, number: int) -> bytes | None:
        chunks = shape.stored.chunks
        while True:
            body = await self._store.chunk(shape.handle, number)
            if body is not None:
                return body
            # Only a look after the last part was written tells that this one is not there.
            if chunks is not None:
                if number < chunks:
                    self.shapes.end(shape)
                    raise must_refetch()
                return None
            stored = await self._store.find(shape.handle)
            if stored is None or shape.is_retired:
                raise must_refetch()
            chunks = stored.chunks
            if chunks is None:
                await asyncio.sleep(0.02)

    def _given(
        self,
        shape: Shape,
        request: ShapeRequest,
        part: tuple[Offset, bytes, bool],
        if_none_match: str | None,
    ) -> Answer:
        """A part of what is there: the place after it, its body, and whether it is all."""
        offset, body, is_all = part
        tag = answer.etag_of(shape, request.offset, offset)
        headers = [
            *answer.head(shape, offset, has_data=True),
            answer.schema(shape),
            answer.caching(self.options, first=False, live=False, sse=False),
            ("etag", tag),
        ]
        if is_all:
            headers.append(("electric-up-to-date", ""))
        if if_none_match is not None and etag.matches(if_none_match, tag):
            return Answer(304, headers)
        return Answer(200, headers, body)

    async def _catch_up(
        self, shape: Shape, request: ShapeRequest, if_none_match: str | None
    ) -> Answer:
        tick = await self._reached(request.offset)
        messages, offset, is_all = await self._log(shape, request.offset, tick)
        if is_all:
            messages.append(up_to_date(end_of(tick)))
        body = joined(messages)
        return self._given(shape, request, (offset, body, is_all), if_none_match)

    async def _log(
        self, shape: Shape, after: Offset, tick: int
    ) -> tuple[list[bytes], Offset, bool]:
        """Messages after a place, the place after them, and whether that is all up to `tick`."""
        await self.hub.advance(shape, tick)
        if shape.is_retired:
            raise must_refetch()
        try:
            entries, is_all = await shape.after(after, self.options.chunk_bytes)
        except OVER:
            self.shapes.end(shape)
            raise must_refetch() from None
        messages = [entry.body for entry in entries]
        if not is_all:
            return messages, entries[-1].offset, False
        if entries:
            return messages, end_of_tick(entries[-1].offset.tick), True
        return messages, self._rested(shape, after, tick), True

    @staticmethod
    def _rested(shape: Shape, after: Offset, tick: int) -> Offset:
        """Where a client is who has heard nothing: where it was, but not for ever."""
        mark = tick - tick % _CHECKPOINT
        if mark > max(after.tick, shape.stored.tick):
            return end_of_tick(mark)
        return SNAPSHOT_END if after.is_virtual else after

    async def _reached(self, offset: Offset) -> int:
        """The newest tick, not older than what the client has from another worker."""
        if offset.tick > self.hub.applied:
            try:
                async with asyncio.timeout(self.options.long_poll / 2):
                    if offset.tick > await self._ticker.covering():
                        # There is no such tick: it was given out before the database was put back.
                        raise must_refetch()
                    await self.hub.reached(offset.tick)
            except TimeoutError:
                message = "The server does not know of the newest changes yet."
                raise unavailable(message) from None
        return self.hub.applied

    async def _now(self, shape: Shape) -> Answer:
        tick = self.hub.applied
        offset = end_of_tick(max(tick, shape.stored.tick))
        headers = [
            *answer.head(shape, offset, has_data=False),
            answer.schema(shape),
            answer.caching(self.options, first=False, live=False, sse=False),
            ("etag", answer.etag_of(shape, NOW, offset, unique=True)),
            ("electric-up-to-date", ""),
        ]
        return Answer(200, headers, joined([up_to_date(end_of(tick))]))

    async def _live(self, shape: Shape, request: ShapeRequest) -> Answer:
        expect_waiting()
        if request.sse:
            return self._stream(shape, request)
        shape.waiting += 1
        try:
            messages, offset, is_all, tick = await self._news(
                shape, request.offset, self.options.long_poll
            )
        finally:
            shape.waiting -= 1
        has_data = bool(messages)
        headers = [
            *answer.head(shape, offset, has_data=has_data),
            ("electric-cursor", str(answer.next_cursor(request.cursor, self.options.long_poll))),
            answer.caching(self.options, first=False, live=True, sse=False),
            ("etag", answer.etag_of(shape, request.offset, offset, unique=not has_data)),
        ]
        if is_all:
            messages.append(up_to_date(end_of(tick)))
            headers.append(("electric-up-to-date", ""))
        return Answer(200, headers, joined(messages))

    async def _news(
        self, shape: Shape, after: Offset, seconds: float
    ) -> tuple[list[bytes], Offset, bool, int]:
        """Wait until there is something after a place, at most so long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        tick = await self._reached(after)
        while True:
            messages, offset, is_all = await self._log(shape, after, tick)
            remaining = deadline - loop.time()
            if messages or remaining <= 0:
                return messages, offset, is_all, tick
            await shape.news(remaining)
            tick = self.hub.applied

    def _stream(self, shape: Shape, request: ShapeRequest) -> Answer:
        headers = [
            *answer.head(shape, request.offset, has_data=True),
            ("electric-cursor", str(answer.next_cursor(request.cursor, self.options.long_poll))),
            answer.caching(self.options, first=False, live=True, sse=True),
            ("content-type", "text/event-stream"),
            ("connection", "keep-alive"),
            ("x-accel-buffering", "no"),
        ]
        return Answer(200, headers, events=self._events(shape, request))

    async def _events(self, shape: Shape, request: ShapeRequest) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.options.sse
        offset = request.offset
        shape.waiting += 1
        try:
            with self._listening():
                while (remaining := deadline - loop.time()) > 0:
                    wait = min(remaining, self.options.keep_alive)
                    messages, offset, is_all, tick = await self._news(shape, offset, wait)
                    if not messages:
                        yield b": keep-alive\n\n"
                        continue
                    if is_all:
                        messages.append(up_to_date(end_of(tick)))
                    yield b"".join(b"data: " + each + b"\n\n" for each in messages)
        except (RefusalError, DatabaseError, *LOST):
            return  # who follows comes again, and is told then
        finally:
            shape.waiting -= 1

    async def _subset(self, request: ShapeRequest, reader: Reader) -> Answer:
        if request.handle is None or request.offset in (BEFORE_ALL, NOW):
            _, shape = await self.shapes.resolve(request, reader)
        else:
            shape = await self._followed(request, reader)
        assert request.subset is not None  # noqa: S101 -- the caller has looked
        body = await read_subset(shape, request.subset, self._source, self.hub.applied)
        headers = [
            *answer.head(
                shape, end_of_tick(max(self.hub.applied, shape.stored.tick)), has_data=True
            ),
            answer.schema(shape),
            ("electric-snapshot", "true"),
            ("cache-control", "no-cache"),
        ]
        return Answer(200, headers, body)

    async def delete(
        self, handle: str | None, request: ShapeRequest | None, reader: Reader = ANYBODY
    ) -> Answer:
        """Drop shapes, by handle or by definition; a handle of another definition is none."""
        if not self.options.allow_delete:
            raise plain(405, "DELETE not allowed")
        identity = None
        if request is not None:
            identity = (await self.shapes.define(request, reader)).identity
        if not await self.shapes.retire(handle, identity, reader.workspace_id):
            raise plain(404, "No existing shape found")
        return Answer(202, [("cache-control", "no-cache")])
