"""The database doctor over HTTP: read by administrators."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.errors import ProblemError
from roost.performance.analysis import ReportHead, StoredReport, all_stored, analyze, stored
from roost.performance.connections import Connections, connections
from roost.performance.extensions import Extension, extensions
from roost.performance.faults import ErrorGroup, faults
from roost.performance.health import Health, health
from roost.performance.indexes import MIN_WINDOW_DAYS, Indexes, indexes
from roost.performance.locks import Locks, locks
from roost.performance.overview import Overview, overview
from roost.performance.queries import Queries, Sort, queries
from roost.performance.query_detail import QueryDetail, query
from roost.performance.ranges import SECONDS, Range
from roost.performance.relations import TableFacts, tables
from roost.performance.slow import SLOW_MS, SlowQueries, slow_queries
from roost.performance.trends import Trends, trends
from roost.telemetry.metrics import Snapshot
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply, encoded

READ: Final = "performance:read"
WRITE: Final = "performance:write"
TAG: Final = "performance"
_ROOT: Final = f"{API}/performance"
_ID: Final = re.compile(r"-?[0-9]{1,19}")
_BIGGEST: Final = 2**63
Most = Annotated[int, msgspec.Meta(ge=1, le=100)]


class RangeQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How far back to look."""

    range: Range = "1h"


class QueriesQuery(RangeQuery, frozen=True, rename="camel", kw_only=True):
    """Which statements, and how many; `search` is part of a name or a text."""

    sort: Sort = "totalTime"
    limit: Most = 20
    search: Annotated[str, msgspec.Meta(max_length=200)] | None = None


class ErrorsQuery(RangeQuery, frozen=True, rename="camel", kw_only=True):
    """How far back, and how many."""

    limit: Most = 50


class ReportsQuery(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """How many reports."""

    limit: Most = 20


class SlowQuery(RangeQuery, frozen=True, rename="camel", kw_only=True):
    """Which slow statements: `watch` are all that are worth a look, `slow` those past the limit."""

    level: Literal["slow", "watch"] = "watch"
    limit: Most = 50


@dataclass(frozen=True, slots=True)
class PerformanceRoutes:
    """The routes of this room."""

    kit: Kit
    doctor: Database | None = None
    """Connections of the doctor's own; without them it asks with the pool's."""
    totals: Callable[[], Snapshot] = dict
    """What the workers of this server have measured."""
    slow_ms: float = SLOW_MS
    index_window_days: float = MIN_WINDOW_DAYS

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ROOT, self.overview, Contract(
                "Show how Roost and its database do", READ, query=RangeQuery, returns=Overview,
                tag=TAG)),
            Endpoint("GET", f"{_ROOT}/queries", self.queries, Contract(
                "List the heaviest statements", READ, query=QueriesQuery, returns=Queries,
                tag=TAG)),
            Endpoint("GET", f"{_ROOT}/queries/{{id:str}}", self.query, Contract(
                "Show one statement, its callers and its plan", READ, query=RangeQuery,
                returns=QueryDetail, problems=(errors.QUERY_NOT_FOUND,), tag=TAG)),
            Endpoint("GET", f"{_ROOT}/slow-queries", self.slow, Contract(
                "List slow statements", READ, query=SlowQuery, returns=SlowQueries, tag=TAG)),
            Endpoint("GET", f"{_ROOT}/errors", self.errors, Contract(
                "List the server's own errors, each with its count", READ, query=ErrorsQuery,
                returns=list[ErrorGroup], tag=TAG)),
            Endpoint("GET", f"{_ROOT}/trends", self.trends, Contract(
                "Show which statements get slower", READ, query=RangeQuery, returns=Trends,
                tag=TAG)),
            Endpoint("POST", f"{_ROOT}/analyze", self.analyze, Contract(
                "Make a full report of the database", WRITE, returns=StoredReport, status=201,
                tag=TAG)),
            Endpoint("GET", f"{_ROOT}/analyze", self.reports, Contract(
                "List the reports that were made", READ, query=ReportsQuery,
                returns=list[ReportHead], tag=TAG)),
            Endpoint("GET", f"{_ROOT}/analyze/{{id:str}}", self.report, Contract(
                "Show a report", READ, returns=StoredReport,
                problems=(errors.REPORT_NOT_FOUND,), tag=TAG)),
            self._read("health", "Check the database's health", Health, health),
            self._read("indexes", "Find indexes that are useless, broken or missing", Indexes,
                       self._indexes),
            self._read("tables", "List the largest tables", list[TableFacts], tables),
            self._read("locks", "Show who waits for whom", Locks, locks),
            self._read("connections", "Show who is connected", Connections, self._connections),
            self._read("extensions", "List extensions", list[Extension], extensions),
        ]  # fmt: skip

    @property
    def _database(self) -> Database:
        return self.doctor or self.kit.database

    async def overview(self, call: Call) -> Reply:
        """Answer how everything does."""
        within: Range = call.query.range
        return encoded(await overview(self._database, self.kit.database, self.totals(), within))

    async def queries(self, call: Call) -> Reply:
        """Answer which statements cost most."""
        wanted: QueriesQuery = call.query
        found = await queries(
            self._database,
            wanted.range,
            sort=wanted.sort,
            most=wanted.limit,
            search=wanted.search,
        )
        return encoded(found)

    async def query(self, call: Call) -> Reply:
        """Answer what one statement does."""
        text = call.request.path_params["id"]
        number = int(text) if _ID.fullmatch(text) else _BIGGEST
        if not -_BIGGEST <= number < _BIGGEST:
            raise ProblemError(errors.QUERY_NOT_FOUND)
        found = await query(self._database, self.kit.database, number, call.query.range)
        if found is None:
            raise ProblemError(errors.QUERY_NOT_FOUND)
        return encoded(found)

    async def slow(self, call: Call) -> Reply:
        """Answer which statements took long."""
        wanted: SlowQuery = call.query
        found = await slow_queries(
            self._database,
            SECONDS[wanted.range],
            level=wanted.level,
            slow_ms=self.slow_ms,
            most=wanted.limit,
        )
        return encoded(found)

    async def errors(self, call: Call) -> Reply:
        """Answer which errors were met."""
        wanted: ErrorsQuery = call.query
        return encoded(await faults(self._database, SECONDS[wanted.range], wanted.limit))

    async def trends(self, call: Call) -> Reply:
        """Answer which statements get slower."""
        within: Range = call.query.range
        return encoded(await trends(self._database, within, SECONDS[within]))

    async def analyze(self, call: Call) -> Reply:
        """Make a report and answer with it."""

        async def work() -> Reply:
            made = await analyze(
                self._database,
                self.kit.database,
                call.principal.user_id,
                slow_ms=self.slow_ms,
                min_window_days=self.index_window_days,
            )
            return encoded(made, 201)

        return await self.kit.do(call, work)

    async def reports(self, call: Call) -> Reply:
        """Answer which reports there are."""
        return encoded(await all_stored(self._database, call.query.limit))

    async def report(self, call: Call) -> Reply:
        """Answer a report."""
        found = await stored(self._database, call.id())
        if found is None:
            raise ProblemError(errors.REPORT_NOT_FOUND)
        return encoded(found)

    async def _indexes(self, database: Database) -> Indexes:
        return await indexes(database, min_window_days=self.index_window_days)

    async def _connections(self, database: Database) -> Connections:
        return await connections(database, self.kit.database)

    def _read(
        self,
        name: str,
        summary: str,
        returns: Any,  # noqa: ANN401 -- a type
        ask: Callable[[Any], Awaitable[Any]],
    ) -> Endpoint:
        async def answer(_call: Call) -> Reply:
            return encoded(await ask(self._database))

        return Endpoint("GET", f"{_ROOT}/{name}", answer, Contract(
            summary, READ, returns=returns, tag=TAG))  # fmt: skip
