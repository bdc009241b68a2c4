"""Shapes over any PostgreSQL: an application of its own, without Roost's tables or log-in."""

import asyncio
import contextlib
import hmac
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import parse_qs

import asyncpg

from roost.db.dsn import DatabaseConfig
from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.journal.listener import Listener
from roost.journal.ticker import Pace, Ticker
from roost.journal.upkeep import keep_up
from roost.sync.answer import Answer
from roost.sync.catalog import Relation
from roost.sync.clause.printing import TableName
from roost.sync.options import SyncOptions
from roost.sync.protocol import JSON, cross_origin, encoded, preflight, respond
from roost.sync.publication import Published
from roost.sync.refusal import unavailable
from roost.sync.service import Sync
from roost.web import lifespan
from roost.web.event_stream import sent_until_gone

_OWN_SCHEMAS: Final = frozenset({"journal", "sync", "pg_catalog", "information_schema"})
_LOCK_TIMEOUT: Final = "300ms"
_TRIES: Final = 5
_PATH: Final = "/v1/shape"
_EARS: Final = 2
"""Connections for ticks, and for who listens to them."""


class OpenPublication:
    """Every table there is; each is put under the journal when it is first followed."""

    def __init__(self) -> None:
        self.database: Database

    def published(self, table: TableName) -> Published | None:
        """All columns, but of what is not the user's."""
        hidden = table[0] in _OWN_SCHEMAS or table[0].startswith("pg_")
        return None if hidden else Published()

    async def prepare(self, relation: Relation) -> bool:
        """Attach the journal's triggers; they wait for writers in flight, new writers behind them.

        RefusalError (503) when the lock can't be had soon, or not by this role.
        """
        if relation.journaled is not None:
            return False
        attach = (
            f"select journal.attach('{relation.sql.replace(chr(39), chr(39) * 2)}'::regclass, null)"
        )
        for _ in range(_TRIES):
            try:
                async with self.database.connection() as connection, connection.transaction():
                    await connection.execute(f"set local lock_timeout = '{_LOCK_TIMEOUT}'")
                    await connection.execute(attach)
            except asyncpg.LockNotAvailableError:
                await asyncio.sleep(0.05)
                continue
            except asyncpg.InsufficientPrivilegeError as error:
                message = f"{error}. Let the owner of {relation.sql} run: {attach};"
                raise unavailable(message, 60) from None
            except asyncpg.UndefinedTableError:
                return True
            return True
        message = f"{relation.sql} is in use: its triggers could not be made yet"
        raise unavailable(message)


@dataclass(frozen=True, slots=True)
class StandaloneConfig:
    """What `roost sync serve` was told; without `secret` everybody may read."""

    database: DatabaseConfig
    options: SyncOptions = field(default_factory=SyncOptions)
    secret: str | None = None


class Standalone:
    """One worker's ASGI application."""

    def __init__(self, config: StandaloneConfig) -> None:
        self._config = config
        self._stack = contextlib.AsyncExitStack()
        self.sync: Sync
        self._ticker: Ticker

    async def open(self) -> None:
        """Connect and begin to listen."""
        database = await Database.connect(self._config.database)
        self._stack.push_async_callback(database.close)
        # Of their own, for whoever listens must not wait behind those who ask.
        ears = await Database.connect(replace(self._config.database, max_connections=_EARS))
        self._stack.push_async_callback(ears.close)
        pace = Pace(idle=0.02)
        self._ticker = await self._stack.enter_async_context(
            Ticker(ears.connection, pace=pace, lost=(DatabaseError, *LOST))
        )
        publication = OpenPublication()
        publication.database = database
        listener = Listener(ears.connection, self._ticker, lost=(DatabaseError, *LOST))
        await listener.start()
        self.sync = Sync(database, listener, publication, self._config.options)
        upkeep = keep_up(database.connection, lost=(DatabaseError,))
        for work in (listener.run(), self.sync.run(), upkeep):
            task = asyncio.create_task(work)
            self._stack.push_async_callback(_end, task)

    async def close(self) -> None:
        """Close what was opened, last first."""
        await self._stack.aclose()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        """Serve a request, or open and close with the server."""
        if scope["type"] == "lifespan":
            await lifespan.last(self, receive, send)
            return
        headers = dict(scope["headers"])
        answer = await self._answer(scope, receive, headers)
        named = {name for name, _ in answer.headers}
        answer.headers += cross_origin()
        answer.headers.append(("electric-server", "Roost"))
        if answer.body and "content-type" not in named:
            answer.headers.append(JSON)
        await _send(answer, scope, receive, send)

    async def _answer(self, scope: Any, receive: Any, headers: dict[bytes, bytes]) -> Answer:  # noqa: ANN401 -- ASGI
        method = scope["method"]
        path = "/" + "/".join(part for part in scope["path"].split("/") if part)
        if method == "OPTIONS":
            return Answer(204, preflight(headers))
        if path == _PATH and method in ("GET", "HEAD", "POST", "DELETE"):
            if not self._may(scope["query_string"]):
                return Answer(401, [], b'{"message":"Unauthorized - Invalid API secret"}')
            return await respond(self.sync, method, scope, receive)
        if path == "/v1/health":
            state = b"active" if self._ticker.connected else b"starting"
            status = 200 if self._ticker.connected else 202
            fresh = ("cache-control", "no-cache, no-store, must-revalidate")
            return Answer(status, [fresh], b'{"status":"' + state + b'"}')
        if path == "/":
            return Answer(200)
        return Answer(404, [("content-type", "text/plain")], b"Not found")

    def _may(self, query: bytes) -> bool:
        secret = self._config.secret
        if secret is None:
            return True
        given = parse_qs(query.decode("latin-1"))
        found = (given.get("secret") or given.get("api_secret") or [""])[-1]
        return hmac.compare_digest(found.encode("latin-1", "replace"), secret.encode())


async def _end(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _send(answer: Answer, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
    headers = encoded(answer.headers)
    is_head = scope["method"] == "HEAD"
    if answer.events is not None and not is_head:
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await sent_until_gone(answer.events, receive, send)
        return
    if answer.status not in (204, 304):
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if is_head or answer.status == 304 else answer.body  # noqa: PLR2004 -- Not Modified
    await send({"type": "http.response.body", "body": body, "more_body": False})
