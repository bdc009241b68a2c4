"""What the database layer tells: statements run, waits for a connection, the pool's state."""

import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from roost.telemetry.exchange import CURRENT, Exchange, StatementRun
from roost.telemetry.metrics import Distribution, Instrument, Labels, Metrics, Observations
from roost.telemetry.tally import Slow, Tally

_DURATION = Instrument(
    "histogram",
    "db.client.operation.duration",
    "s",
    "Duration of database statements.",
    (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)
_WAIT = Instrument(
    "histogram",
    "db.client.connection.wait_time",
    "s",
    "Time taken to get a connection from the pool.",
    (0.0001, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10),
)
_CREATE = Instrument(
    "histogram",
    "db.client.connection.create_time",
    "s",
    "Time taken to open a connection.",
    (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5),
)
_CONNECTIONS = Instrument(
    "updown", "db.client.connection.count", "{connection}", "Open connections, by state."
)
_CONNECTION_LIMIT = Instrument(
    "updown", "db.client.connection.max", "{connection}", "Connections the pool may open."
)
_PENDING = Instrument(
    "updown",
    "db.client.connection.pending_requests",
    "{request}",
    "Requests waiting for a connection.",
)
_NAME = re.compile(r"([A-Za-z]{2,20}) ([A-Za-z_][A-Za-z0-9_:-]{0,62})((?:\.[A-Za-z0-9_:-]+)*)")
_OPERATION = re.compile(r"[A-Za-z]{2,20}(?= |$)")
_NAME_LENGTH = 120
_NAMES_KEPT = 500
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class StatementKind(NamedTuple):
    """A statement by its name: never its text, so never a literal of anybody's."""

    span_name: str
    attributes: Labels


class PoolState(NamedTuple):
    """A connection pool now: connections open, those in use, the limit, and who waits."""

    size: int
    used: int
    limit: int
    waiting: int


def describe_statement(name: str, namespace: str = "") -> StatementKind:
    """Turn a statement's name (`select tasks.page`) into its span name and attributes.

    The first word is the operation, the part before the dot the table. A name of another shape
    might hold somebody's data, so only its first word is used.
    """
    found = _NAME.fullmatch(name) if len(name) <= _NAME_LENGTH else None
    if found is None:
        word = _OPERATION.match(name)
        operation = word[0].upper() if word else "OTHER"
        labels: Labels = (("db.operation.name", operation), ("db.query.summary", operation))
        span_name = operation
    else:
        operation = found[1].upper()
        span_name = f"{operation} {found[2]}"
        labels = (
            ("db.collection.name", found[2]),
            ("db.operation.name", operation),
            ("db.query.summary", name),
        )
    space: Labels = (("db.namespace", namespace),) if namespace else ()
    return StatementKind(span_name, (*labels, ("db.system.name", "postgresql"), *space))


def error_labels(error: BaseException) -> Labels:
    """Return `error.type` and, for an error the server sent, its SQLSTATE; never its message."""
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str) and _SQLSTATE.fullmatch(state):
        return (("db.response.status_code", state), ("error.type", state))
    return (("error.type", type(error).__qualname__),)


def _route_of(exchange: Exchange | None) -> str:
    """Give the route that is being served; what runs beside requests has none."""
    return "" if exchange is None else exchange.route


class StatementObserver:
    """Observes one pool; what the database layer calls, and cheap enough to call always."""

    def __init__(
        self,
        metrics: Metrics | None,
        pool: str = "main",
        namespace: str = "",
        tally: Tally | None = None,
    ) -> None:
        """Observe nothing when `metrics` is None; `namespace` is the database's name."""
        self._metrics = metrics
        self._tally = tally if metrics is not None else None
        self.slow_ns = sys.maxsize if self._tally is None else self._tally.slow_ns
        """Nanoseconds from which on `slow` is to be told of a statement."""
        self._namespace = namespace
        self._pool: Labels = (("db.client.connection.pool.name", pool),)
        self._known: dict[str, tuple[StatementKind, Distribution]] = {}
        self._wait = metrics.distribution(_WAIT, self._pool) if metrics is not None else None
        self._create = metrics.distribution(_CREATE, self._pool) if metrics is not None else None

    def statement(
        self, name: str, started_ns: int, ended_ns: int, error: BaseException | None
    ) -> None:
        """Note one statement; times are perf_counter_ns, `error` what it ended with."""
        if self._metrics is None:
            return
        known = self._known.get(name)
        kind, distribution = known if known is not None else self._learn(self._metrics, name)
        if error is not None:
            labels = (*kind.attributes, *error_labels(error))
            distribution = self._metrics.distribution(_DURATION, labels)
        taken = ended_ns - started_ns
        distribution.record(taken * 1e-9)
        exchange = CURRENT.get()
        if exchange is not None:
            exchange.database_ns += taken
            if exchange.statements is not None:
                exchange.ran(StatementRun(kind, started_ns, ended_ns, error))
        if self._tally is not None:
            self._tally.add(_route_of(exchange), name, taken, failed=error is not None)

    def slow(
        self, name: str, sql: str, pid: int, taken_ns: int, error: BaseException | None
    ) -> None:
        """Note a statement that has just ended, after `slow_ns` or more."""
        if self._tally is None:
            return
        exchange = CURRENT.get()
        seconds = taken_ns * 1e-9
        self._tally.note(
            Slow(
                name=name,
                sql=sql,
                route=_route_of(exchange),
                trace_id=exchange.trace_id if exchange is not None else None,
                started_at=datetime.now(UTC) - timedelta(seconds=seconds),
                seconds=seconds,
                pid=pid,
                error=None if error is None else str(error_labels(error)[-1][1]),
            )
        )

    def waited(self, seconds: float) -> None:
        """Note how long it took to get a connection from the pool."""
        if self._wait is not None:
            self._wait.record(seconds)

    def connected(self, seconds: float) -> None:
        """Note how long it took to open a connection."""
        if self._create is not None:
            self._create.record(seconds)

    def watch_pool(self, read: Callable[[], PoolState]) -> None:
        """Report the pool's state, asked of `read` whenever metrics are collected."""
        if self._metrics is None:
            return

        def connections() -> Observations:
            state = read()
            idle: Labels = (*self._pool, ("db.client.connection.state", "idle"))
            used: Labels = (*self._pool, ("db.client.connection.state", "used"))
            return (idle, state.size - state.used), (used, state.used)

        self._metrics.observe(_CONNECTIONS, connections)
        self._metrics.observe(_CONNECTION_LIMIT, lambda: ((self._pool, read().limit),))
        self._metrics.observe(_PENDING, lambda: ((self._pool, read().waiting),))

    def _learn(self, metrics: Metrics, name: str) -> tuple[StatementKind, Distribution]:
        kept = name if len(self._known) < _NAMES_KEPT else ""
        kind = describe_statement(kept, self._namespace)
        known = kind, metrics.distribution(_DURATION, kind.attributes)
        if kept:
            self._known[name] = known
        return known
