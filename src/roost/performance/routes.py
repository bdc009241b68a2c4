"""The database doctor over HTTP: read by administrators."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from roost.db.pool import Database
from roost.performance.connections import Connections, connections
from roost.performance.extensions import Extension, extensions
from roost.performance.health import Health, health
from roost.performance.indexes import Indexes, indexes
from roost.performance.locks import Locks, locks
from roost.performance.relations import TableFacts, tables
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply, item

READ = "performance:read"
TAG = "performance"
_ROOT = f"{API}/performance"


@dataclass(frozen=True, slots=True)
class PerformanceRoutes:
    """The routes of this room."""

    kit: Kit
    doctor: Database | None = None
    """Connections of the doctor's own; without them it asks with the pool's."""

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            self._read("health", "Check the database's health", Health, health),
            self._read("indexes", "Find indexes that are useless, broken or missing", Indexes,
                       indexes),
            self._read("tables", "List the largest tables", list[TableFacts], tables),
            self._read("locks", "Show who waits for whom", Locks, locks),
            self._read("connections", "Show who is connected", Connections, self._connections),
            self._read("extensions", "List extensions", list[Extension], extensions),
        ]  # fmt: skip

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
            database = self.doctor or self.kit.database
            return item(msgspec.json.encode(await ask(database)).decode())

        return Endpoint("GET", f"{_ROOT}/{name}", answer, Contract(
            summary, READ, returns=returns, tag=TAG))  # fmt: skip
