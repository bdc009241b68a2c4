"""The pool: connections of the role that can't bypass row-level security.

Nothing is ever set for a whole session (every setting is local to its transaction), so a
connection goes back without a reset query, and PgBouncer in transaction mode is fine.
"""

import asyncio
import logging
import random
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import asyncpg

from roost.db.dsn import DatabaseConfig, connection_arguments
from roost.db.faults import ContentionError, OutcomeUnknownError, UnavailableError
from roost.db.lanes import Lanes, is_gone
from roost.db.pgbouncer import PooledConnection
from roost.db.statements import Statement
from roost.db.tenancy import SET_CONTEXT, Context

T = TypeVar("T")
_log = logging.getLogger("roost.db")

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg says of a connection cut within a message
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
)
"""Errors that say the connection is gone or could not be made."""
RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
TRIES = 4
UNCONFIRMED = (
    "the connection was lost while the commit was under way: the change was made, or not. Look, or "
    "send it again with the same Idempotency-Key"
)


class Observer(Protocol):
    """What the pool tells of itself; times are `time.perf_counter_ns`."""

    slow_ns: int
    """Nanoseconds from which on `slow` is told of a statement too."""

    def slow(
        self, name: str, sql: str, pid: int, taken_ns: int, error: BaseException | None
    ) -> None:
        """One statement has ended that took `slow_ns` or more; `pid` is the server's process."""

    def statement(
        self, name: str, started_ns: int, ended_ns: int, error: BaseException | None
    ) -> None:
        """One statement has ended."""

    def waited(self, seconds: float) -> None:
        """A connection was handed out after so long a wait."""

    def connected(self, seconds: float) -> None:
        """A connection was opened, which took so long."""


class Silent:
    """An observer that listens to nothing."""

    slow_ns = sys.maxsize

    def slow(
        self, name: str, sql: str, pid: int, taken_ns: int, error: BaseException | None
    ) -> None:
        """Ignore it."""

    def statement(
        self, name: str, started_ns: int, ended_ns: int, error: BaseException | None
    ) -> None:
        """Ignore it."""

    def waited(self, seconds: float) -> None:
        """Ignore it."""

    def connected(self, seconds: float) -> None:
        """Ignore it."""


@dataclass(slots=True)
class Transaction:
    """An open write transaction; `xid` is its 64-bit id, in decimal.

    `contexts` are those that it has been in: it may have changed something in each.
    """

    connection: Any
    observer: Observer
    xid: str = ""
    contexts: set[Context] = field(default_factory=set)

    async def enter(self, context: Context) -> None:
        """Go on in a context: the row-level policies see it from here on."""
        self.contexts.add(context)
        row = await self.row(SET_CONTEXT, **context.values())
        self.xid = row["xid"] if row else ""

    async def row(self, statement: Statement, **values: object) -> asyncpg.Record | None:
        """Run it and give the first row."""
        return await _fetch(self.connection, self.observer, statement, values)

    async def rows(self, statement: Statement, **values: object) -> list[asyncpg.Record]:
        """Run it and give every row."""
        running = self.connection.fetch(statement.sql, *statement.arguments(values))
        return await _timed(self.observer, statement.name, running, statement, self.connection)


async def _timed(
    observer: Observer,
    name: str,
    running: Awaitable[T],
    statement: Statement | None = None,
    connection: Any = None,  # noqa: ANN401 -- asyncpg's proxies share no typed base
) -> T:
    """Wait for a statement, and tell the observer how it went."""
    started = time.perf_counter_ns()
    error: BaseException | None = None
    try:
        return await running
    except BaseException as caught:
        error = caught
        raise
    finally:
        ended = time.perf_counter_ns()
        observer.statement(name, started, ended, error)
        if ended - started >= observer.slow_ns and statement is not None:
            # Behind PgBouncer the process is its own.
            is_known = not (isinstance(connection, PooledConnection) or is_gone(connection))
            pid = connection.get_server_pid() if is_known else 0
            observer.slow(name, statement.sql, pid, ended - started, error)


async def _fetch(
    connection: Any,  # noqa: ANN401 -- asyncpg's proxies share no typed base
    observer: Observer,
    statement: Statement,
    values: dict[str, object],
) -> asyncpg.Record | None:
    running = connection.fetchrow(statement.sql, *statement.arguments(values))
    return await _timed(observer, statement.name, running, statement, connection)


async def _no_reset(_connection: object) -> None:
    """Leave the connection as it is: nothing in it outlives a transaction."""


class Checkout:
    """A connection, for as long as the `async with` block lasts."""

    __slots__ = ("_config", "_connection", "_lanes", "_observer")

    def __init__(self, lanes: Lanes, observer: Observer, config: DatabaseConfig) -> None:
        self._lanes = lanes
        self._observer = observer
        self._config = config
        self._connection: Any = None

    async def __aenter__(self) -> Any:  # noqa: ANN401 -- asyncpg's proxies share no typed base
        """Take one."""
        started = time.perf_counter()
        self._connection = await self._lanes.take(self._config.patience)
        self._observer.waited(time.perf_counter() - started)
        if self._config.pgbouncer:
            return PooledConnection(self._connection)
        return self._connection

    async def __aexit__(self, kind: type[BaseException] | None, *_error: object) -> None:
        """Give it back."""
        await self._lanes.give(self._connection, well=kind is None)


class Database:
    """The way to PostgreSQL: one-statement reads and explicit write transactions."""

    def __init__(self, pool: asyncpg.Pool, config: DatabaseConfig, observer: Observer) -> None:
        self._pool = pool
        self._config = config
        self._observer = observer
        self._lanes = Lanes(config.max_connections, self._acquire, pool.release)
        self._told: list[Callable[[Context], None]] = []

    def when_committed(self, told: Callable[[Context], None]) -> None:
        """Have `told` called after every commit here, before whoever asked for it is answered.

        Once for each context that the transaction was in; also when it is not known whether there
        was a commit.
        """
        self._told.append(told)

    def _tell(self, context: Context) -> None:
        for told in self._told:
            told(context)

    @classmethod
    async def connect(cls, config: DatabaseConfig, observer: Observer | None = None) -> Self:
        """Open the pool; raises UnavailableError when the database can't be reached."""
        arguments = connection_arguments(config)
        observer = observer or Silent()

        async def connect(*places: Any, **options: Any) -> Any:  # noqa: ANN401 -- asyncpg's
            started = time.perf_counter()
            connection = await asyncpg.connect(*places, **options)
            observer.connected(time.perf_counter() - started)
            return connection

        try:
            pool = await asyncpg.create_pool(
                connect=connect,
                min_size=1,
                max_size=config.max_connections,
                max_inactive_connection_lifetime=300.0,
                reset=_no_reset,
                **arguments,
            )
        except (*LOST, asyncpg.PostgresError) as error:
            message = f"the database cannot be reached: {error}"
            raise UnavailableError(message) from error
        return cls(pool, config, observer)

    async def close(self, *, within: float = 5.0) -> None:
        """Close every connection, by force after `within` seconds."""
        await self._lanes.empty()
        try:
            await asyncio.wait_for(self._pool.close(), within)
        except TimeoutError:
            self._pool.terminate()

    @property
    def config(self) -> DatabaseConfig:
        """How it connects, for a connection that may not take the pool's place."""
        return self._config

    @property
    def size(self) -> int:
        """Connections open now."""
        return self._pool.get_size()

    @property
    def used(self) -> int:
        """Connections at work now."""
        return self._lanes.used

    @property
    def waiting(self) -> int:
        """Callers that wait for a connection now."""
        return self._lanes.waiting

    def connection(self) -> "Checkout":
        """Check a connection out; UnavailableError when none can be had in good time.

        How long that is says `patience` of the configuration.
        """
        return Checkout(self._lanes, self._observer, self._config)

    async def _acquire(self, deadline: float) -> Any:  # noqa: ANN401 -- asyncpg's proxy type
        """Get a connection from the pool, trying again while the database is away."""
        pause = 0.05
        while True:
            remaining = deadline - time.perf_counter()
            try:
                return await self._pool.acquire(timeout=max(remaining, 0.001))
            except TimeoutError as error:
                message = f"no connection could be had within {self._config.patience:g} seconds"
                raise UnavailableError(message) from error
            except LOST as error:
                if time.perf_counter() + pause > deadline:
                    message = f"the database cannot be reached: {error}"
                    raise UnavailableError(message) from error
            except asyncpg.PostgresError as error:  # a password changed, a database dropped
                message = f"the database refuses connections: {error}"
                raise UnavailableError(message) from error
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter
            pause = min(pause * 2, 1.0)

    async def read(
        self, statement: Statement, context: Context, **values: object
    ) -> asyncpg.Record | None:
        """Run a tenant read in one round trip; repeated once if its connection was lost."""
        values.update(context.values())
        for last in (False, True):
            try:
                async with self.connection() as connection:
                    return await _fetch(connection, self._observer, statement, values)
            except TimeoutError:  # an OSError, but the connection is well
                raise
            except LOST as error:
                if last:
                    message = f"the connection was lost: {error}"
                    raise UnavailableError(message) from error
        raise AssertionError

    async def change(
        self, statement: Statement, context: Context, **values: object
    ) -> asyncpg.Record | None:
        """Run a change of one statement, which is a transaction by itself, in one round trip.

        OutcomeUnknownError when the connection was lost on the way.
        """
        values.update(context.values())
        for attempt in range(1, TRIES + 1):
            async with self.connection() as connection:
                try:
                    return await _fetch(connection, self._observer, statement, values)
                except RETRIED as error:
                    if attempt == TRIES:
                        message = "other transactions kept getting in the way"
                        raise ContentionError(message) from error
                except TimeoutError:  # an OSError, but the connection is well
                    raise
                except LOST as error:
                    raise OutcomeUnknownError(UNCONFIRMED) from error
                finally:
                    self._tell(context)
            await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 -- jitter
        raise AssertionError

    async def write(self, context: Context, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` in a transaction that carries the context, and commit.

        `work` runs again, from its start, after a serialization failure or deadlock, and once when
        the connection was lost before the commit, so it may touch nothing but the transaction.
        OutcomeUnknownError when the commit was not confirmed.
        """
        lost = False
        for attempt in range(1, TRIES + 1):
            try:
                return await self._once(context, work)
            except RETRIED as error:
                if attempt == TRIES:
                    message = "other transactions kept getting in the way"
                    raise ContentionError(message) from error
            except TimeoutError:  # an OSError, but the connection is well
                raise
            except LOST as error:
                if lost:
                    message = f"the connection was lost: {error}"
                    raise UnavailableError(message) from error
                lost = True
            await asyncio.sleep(random.uniform(0.005, 0.02) * 2**attempt)  # noqa: S311 -- jitter
        raise AssertionError

    async def _once(self, context: Context, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self.connection() as connection:
            block = connection.transaction()
            await block.start()
            try:
                transaction = Transaction(connection, self._observer)
                await transaction.enter(context)
                result = await work(transaction)
            except BaseException:
                if not is_gone(connection):
                    await block.rollback()
                raise
            try:
                await self._commit(block)
            finally:
                for each in transaction.contexts:
                    self._tell(each)
            return result

    async def _commit(self, block: Any) -> None:  # noqa: ANN401 -- asyncpg's
        try:
            await _timed(self._observer, "commit", block.commit())
        except LOST as error:
            _log.warning("a commit was not confirmed: %s", error)
            raise OutcomeUnknownError(UNCONFIRMED) from error
