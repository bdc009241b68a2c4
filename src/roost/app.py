"""The composition root: settings and a database go in, an ASGI application comes out."""

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Coroutine, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from litestar import Litestar

from roost import __version__
from roost.cache.coherent import Cache, CacheOptions
from roost.cache.metrics import watch as watch_cache
from roost.cache.shared import Common
from roost.db import schema
from roost.db.dsn import DatabaseConfig
from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.db.sealing import SecretBox, open_secret_box
from roost.db.target import extensions
from roost.executions.leases import keep_expiring
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.login.provider_login import provider_login
from roost.identity.providers.transport import library
from roost.identity.workspaces.housekeeping import keep_clean
from roost.journal.listener import Listener
from roost.journal.metrics import watch as watch_ticks
from roost.journal.ticker import Ticker
from roost.journal.upkeep import keep_up
from roost.mcp.routes import McpRoutes
from roost.migration.background import Background
from roost.migration.service import Migrations
from roost.performance.doctor import Care, Doctor
from roost.redis import connect
from roost.rooms import PUBLISHED, served_endpoints
from roost.settings import Settings
from roost.sync.options import SyncOptions
from roost.sync.protocol import respond
from roost.sync.publication import FixedPublication
from roost.sync.routes import Respond
from roost.sync.service import Sync
from roost.sync.upstream import Upstream, UpstreamOptions
from roost.telemetry import AccessLog, PoolState, Telemetry
from roost.web import lifespan, problems
from roost.web.cors import Origins, with_cors
from roost.web.gate import Gate
from roost.web.headers import with_headers
from roost.web.kit import Kit
from roost.web.probes import Probes, disk_check
from roost.web.rate import Limits
from roost.web.reads import Kept
from roost.web.shown import Shown, ShownCodec
from roost.web.stopping import with_last_words

if TYPE_CHECKING:
    from roost.redis.client import SharedRedis

_log = logging.getLogger("roost")
_EARS = 2
"""Connections of a worker's own for ticks, for who listens to them, and for looks of the cache."""
_KEPT_SECONDS = 0.05
"""Seconds after which the database is asked and not Redis: it answers in a few milliseconds."""


@dataclass(slots=True)
class Parts:
    """What a running worker is made of."""

    database: Database
    doctor: Doctor
    listener: Listener
    authenticator: DatabaseAuthenticator
    telemetry: Telemetry
    limits: Limits
    background: Background
    shapes: Respond


class Application:
    """One worker: an ASGI application whose lifespan opens and closes its parts."""

    def __init__(  # noqa: PLR0913 -- what a process knows, and what tests take its place with
        self,
        settings: Settings,
        pool: DatabaseConfig,
        data_dir: Path,
        *,
        doctor: DatabaseConfig | None = None,
        owner: DatabaseConfig | None = None,
        environment: Mapping[str, str] | None = None,
        access: AccessLog | None = None,
        alone: bool = False,
    ) -> None:
        """Be one worker of a server; `alone` says that it is the only one.

        The doctor asks with connections of its own, if it is told how to connect; the owner's are
        for changes of indexes that an administrator asks for.
        """
        self._settings = settings
        self._doctor = doctor
        self._owner = owner
        self._alone = alone
        self._pool = pool
        self._data_dir = data_dir
        self._environment = os.environ if environment is None else environment
        self._access = access
        self._inner: Any = None
        self._stack = contextlib.AsyncExitStack()
        self.cache: Cache[Shown]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        """Serve a connection, or open and close with the server."""
        if scope["type"] == "lifespan":
            await lifespan.last(self, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def open(self) -> None:
        """Connect, and put the application together."""
        care = Care.of(self._settings, self._data_dir)
        telemetry = Telemetry.from_environment(
            self._environment,
            service_version=__version__,
            access=self._access,
            slow_statement_ns=care.kept_apart_ns,
        )
        self._stack.callback(telemetry.shutdown)
        database = await Database.connect(self._pool, telemetry.observer)
        telemetry.observer.watch_pool(lambda: _pool_state(database, self._pool))
        self._stack.push_async_callback(database.close)
        # Of their own, for whoever listens must not wait behind those who ask.
        ears = await Database.connect(replace(self._pool, max_connections=_EARS))
        self._stack.push_async_callback(ears.close)
        ticker = await self._stack.enter_async_context(
            Ticker(ears.connection, lost=(DatabaseError, *LOST))
        )
        authenticator = await self._stack.enter_async_context(
            DatabaseAuthenticator(database, self._pool)
        )
        days = self._settings.journal_retention_days
        self._run_beside(keep_up(database.connection, keep_days=days, lost=(DatabaseError,)))
        self._run_beside(keep_clean(database))
        self._run_beside(keep_expiring(database, ticker.announce))
        async with database.connection() as connection:
            present = await extensions(connection)
        limits = Limits(self._redis())
        secrets = open_secret_box(self._settings.secret_keys, self._data_dir)
        migrations = Migrations(database, secrets, ticker.announce)
        background = Background(migrations.keep_resuming)
        self._stack.push_async_callback(background.close)
        listener = Listener(ears.connection, ticker, lost=(DatabaseError, *LOST))
        await listener.start()
        self.cache = await self._cache(database, ears, listener)
        if telemetry.metrics is not None:
            watch_cache(telemetry.metrics, self.cache)
            watch_ticks(telemetry.metrics, listener)
        shapes = self._shapes(database, listener)
        self._run_beside(listener.run())
        doctor = await self._open_doctor(database, secrets, telemetry, care)
        parts = Parts(
            database, doctor, listener, authenticator, telemetry, limits, background, shapes
        )
        self._inner = telemetry.middleware(self._assemble(parts, present, secrets))
        if self._settings.providers:
            # The first who logs in need not wait for it, nor everybody with them.
            self._run_beside(asyncio.to_thread(library))
        self._run_beside(migrations.keep_resuming())

    async def _open_doctor(
        self, database: Database, secrets: SecretBox, telemetry: Telemetry, care: Care
    ) -> Doctor:
        own = None
        if self._doctor is not None:
            own = await Database.connect(self._doctor)
            self._stack.push_async_callback(own.close)
        doctor = Doctor(database, secrets, own, care=care, telemetry=telemetry, owner=self._owner)
        self._stack.push_async_callback(doctor.close)
        watch = doctor.watch()
        if watch is not None:
            self._run_beside(watch.run())
        return doctor

    def _shapes(self, database: Database, listener: Listener) -> Respond:
        """Give what answers requests for shapes: this worker, or Electric elsewhere."""
        settings, publication = self._settings, FixedPublication(PUBLISHED)
        if settings.electric_url is not None:
            upstream = Upstream(
                database,
                publication,
                UpstreamOptions(
                    settings.electric_url, settings.electric_secret, settings.statement_timeout
                ),
            )
            self._stack.push_async_callback(upstream.close)
            return upstream.respond
        options = SyncOptions(
            allow_delete=not settings.production,
            statement_timeout=settings.statement_timeout,
            max_cost=settings.sync_max_cost,
            shared=False,
        )
        sync = Sync(database, listener, publication, options)
        self._run_beside(sync.run())
        return partial(respond, sync)

    async def _cache(self, database: Database, ears: Database, listener: Listener) -> Cache[Shown]:
        async with ears.connection() as connection:
            rows = await connection.fetch("select id, name from journal.relation")
        relations = {row["id"]: row["name"] for row in rows}
        options = CacheOptions(self._settings.cache_limit)
        if not self._alone:
            options = replace(options, fresh_for=0.0)
        redis = self._redis(_KEPT_SECONDS) if options.limit else None
        common = None if redis is None else Common(redis, ShownCodec())
        cache: Cache[Shown] = Cache(listener, ears.connection, relations, options, common)
        self._stack.push_async_callback(cache.close)
        await cache.open()
        database.when_committed(lambda context: cache.committed(context.workspace_id))
        return cache

    def _redis(self, time_limit: float = 0.2) -> "SharedRedis | None":
        """Give the way to Redis, if there is one, with a time limit for each question."""
        redis = connect(self._settings.redis_url, time_limit=time_limit)
        if redis is not None:
            self._stack.push_async_callback(redis.close)
        return redis

    def _run_beside(self, work: Coroutine[Any, Any, object]) -> None:
        """Run it in the background until the application closes."""
        task = asyncio.create_task(work)
        task.add_done_callback(_tell)

        async def end() -> None:
            task.cancel()
            await asyncio.wait([task])

        self._stack.push_async_callback(end)

    async def close(self) -> None:
        """Close what was opened, last first."""
        await self._stack.aclose()

    def _assemble(self, parts: Parts, present: frozenset[str], secrets: SecretBox) -> Any:  # noqa: ANN401 -- ASGI
        settings = self._settings
        origins = Origins(settings.cors_origins)
        kit = Kit(parts.database, parts.listener, Kept(self.cache))
        mcp = McpRoutes(origins, settings.public_url, settings.body_limit)
        endpoints = served_endpoints(
            kit,
            parts.authenticator,
            secrets,
            Probes(self._checks(parts), parts.telemetry.render_metrics),
            production=settings.production,
            alike="pg_trgm" in present,
            public_url=settings.public_url,
            dump_limit=settings.dump_limit,
            limits=parts.limits,
            logins=provider_login(parts.database, secrets, settings),
            origins=origins,
            background=parts.background,
            shapes=parts.shapes,
            doctor=parts.doctor,
            mcp=mcp,
        )
        authenticator = parts.authenticator
        refused = authenticator.refusals.note
        gate = Gate(authenticator, settings.body_limit, settings.public_url, refused, self.cache)
        app = Litestar(
            route_handlers=gate.mount(endpoints),
            exception_handlers={Exception: problems.handle},  # type: ignore[dict-item]  # a Reply sends itself
            openapi_config=None,
            request_max_body_size=None,
            logging_config=None,
        )
        mcp.open(app, endpoints)
        self._stack.push_async_callback(mcp.close)
        return with_headers(
            with_cors(with_last_words(app), origins), parts.listener, settings.public_url
        )

    def _checks(self, parts: Parts) -> dict[str, Any]:
        async def database() -> str:
            async with parts.database.connection() as connection:
                return str(await connection.fetchval("show server_version"))

        async def revision() -> str:
            async with parts.database.connection() as connection:
                state = await schema.schema_state(connection)
            if not state.upgraded:
                message = f"at {state.current}, needs {state.newest}: run `roost db upgrade`"
                raise RuntimeError(message)
            return f"at {state.current}"

        async def disk() -> str:
            return await disk_check(self._data_dir)

        return {"database": database, "schema": revision, "disk": disk}


def _tell(task: asyncio.Task[object]) -> None:
    """Have it known that work which should have gone on has ended by a mistake of ours."""
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("%s has ended: %s", task.get_coro(), error, exc_info=error)


def _pool_state(database: Database, config: DatabaseConfig) -> PoolState:
    return PoolState(database.size, database.used, config.max_connections, database.waiting)


@contextlib.asynccontextmanager
async def running(application: Application) -> AsyncIterator[Application]:
    """Open an application without a server, for tests and tools."""
    await application.open()
    try:
        yield application
    finally:
        await application.close()
