"""Benchmarks over HTTP: begun, watched, compared and ended by administrators."""

import asyncio
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.errors import ProblemError
from roost.performance.benchmarks import shelf
from roost.performance.benchmarks.model import LIVE, Order, Run, RunDetail
from roost.performance.benchmarks.service import Benchmarks
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.event_stream import KEEP_ALIVE, EventStream, event
from roost.web.kit import Kit
from roost.web.reply import Reply, empty, item

READ: Final = "performance:read"
WRITE: Final = "performance:write"
TAG: Final = "performance"
LOOK: Final = 0.3
"""Seconds between two looks at a run that somebody watches."""
_ALIVE: Final = 10.0
_ADMITTED: Final = 2.0
_ALL: Final = f"{API}/performance/benchmarks"
_ONE: Final = f"{_ALL}/{{id:str}}"
_UNKNOWN: Final = (errors.BENCHMARK_NOT_FOUND,)


class ListQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How many to list."""

    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20


class CompareQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The run to hold it against, in place of its baseline."""

    compare: UUID | None = None


@dataclass(frozen=True, slots=True)
class BenchmarkRoutes:
    """The routes of benchmarks."""

    kit: Kit
    benchmarks: Benchmarks

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("POST", _ALL, self.begin, Contract(
                "Measure the database: begin a benchmark", WRITE, body=Order, returns=Run,
                status=202, problems=(errors.BENCHMARK_RUNNING,), tag=TAG)),
            Endpoint("GET", _ALL, self.listed, Contract(
                "List benchmarks, the newest first", READ, query=ListQuery, returns=list[Run],
                tag=TAG)),
            Endpoint("GET", _ONE, self.show, Contract(
                "Show a benchmark, held against its baseline", READ, query=CompareQuery,
                returns=RunDetail, problems=_UNKNOWN, tag=TAG)),
            Endpoint("GET", f"{_ONE}/events", self.events, Contract(
                "Watch a benchmark: server-sent events `progress`, and `end` when it has ended, "
                "each with the benchmark", READ, bare=True, media_type="text/event-stream",
                also=(204,), problems=_UNKNOWN, tag=TAG)),
            Endpoint("POST", f"{_ONE}/cancel", self.cancel, Contract(
                "Cancel a benchmark that has not ended", WRITE, returns=Run, status=202,
                problems=_UNKNOWN, tag=TAG)),
            Endpoint("POST", f"{_ONE}/baseline", self.baseline, Contract(
                "Make a benchmark the baseline", WRITE, returns=RunDetail,
                problems=(*_UNKNOWN, errors.CONFLICT), tag=TAG)),
            Endpoint("DELETE", _ONE, self.delete, Contract(
                "Remove a benchmark; one that has not ended is cancelled first", WRITE,
                returns=Run, status=204, also=(202,), problems=_UNKNOWN, tag=TAG)),
        ]  # fmt: skip

    @property
    def _database(self) -> Database:
        return self.benchmarks.database

    async def begin(self, call: Call) -> Reply:
        """Begin one, once for each idempotency key."""

        async def work() -> Reply:
            run_id = await self.benchmarks.begin(call.body)
            reply = _shown(await shelf.seen(self._database, run_id), 202)
            reply.header("location", f"{_ALL}/{run_id}")
            return reply

        return await self.kit.do(call, work)

    async def listed(self, call: Call) -> Reply:
        """Answer which there were."""
        return _shown(await shelf.listed(self._database, call.query.limit))

    async def show(self, call: Call) -> Reply:
        """Answer what one has measured."""
        return _shown(await shelf.detail(self._database, call.id(), call.query.compare))

    async def cancel(self, call: Call) -> Reply:
        """Have one end."""

        async def work() -> Reply:
            return _shown(await shelf.cancel(self._database, call.id()), 202)

        return await self.kit.do(call, work)

    async def baseline(self, call: Call) -> Reply:
        """Make one the baseline."""

        async def work() -> Reply:
            return _shown(await shelf.make_baseline(self._database, call.id()))

        return await self.kit.do(call, work)

    async def delete(self, call: Call) -> Reply:
        """Remove one."""
        run = await shelf.remove(self._database, call.id())
        return empty() if run is None else _shown(run, 202)

    async def events(self, call: Call) -> Reply:
        """Answer how one goes on."""
        run = await shelf.seen(self._database, call.id())
        if run.state not in LIVE and call.header("last-event-id") == _version(run):
            return empty()  # what tells a browser not to come again
        return EventStream(self._events(call, run))

    async def _events(self, call: Call, run: Run) -> AsyncGenerator[bytes, None]:
        told = None
        sent_at = admitted_at = time.monotonic()
        while True:
            version, now = _version(run), time.monotonic()
            if version != told:
                name = "progress" if run.state in LIVE else "end"
                yield event(name, shelf.encoded(run), version)
                told, sent_at = version, now
            elif now - sent_at > _ALIVE:
                yield KEEP_ALIVE
                sent_at = now
            if run.state not in LIVE:
                return
            await asyncio.sleep(LOOK)
            if now - admitted_at > _ADMITTED:
                await call.still_admitted()
                admitted_at = now
            try:
                run = await shelf.seen(self._database, run.id)
            except ProblemError:  # nobody wanted it any more
                return


def _version(run: Run) -> str:
    """Name what is shown of a run, so that the same is not sent twice."""
    return f"{run.state}-{run.progress.done}-{run.progress.current or ''}"


def _shown(found: object, status: int = 200) -> Reply:
    return item(shelf.encoded(found), status)
