"""The outermost ASGI layer: ids, headers, metrics, the access log and the decision to trace."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import Token
from dataclasses import dataclass
from datetime import UTC, datetime
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

from roost.telemetry.access import AccessLog
from roost.telemetry.exchange import CURRENT, Exchange
from roost.telemetry.faults import fault_of
from roost.telemetry.metrics import Distribution, Instrument, Labels, Metrics, Number
from roost.telemetry.sampling import Sampler
from roost.telemetry.tally import Noted, Tally

if TYPE_CHECKING:
    # Loads the SDK's tracing, which only a server that exports traces should pay for.
    from roost.telemetry.spans import SpanKeeper

# The ASGI specification's own shapes: dictionaries of anything.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_PUBLISH_SECONDS = 1.0
_UNMATCHED = "unmatched"
_REFUSED, _SERVER_ERROR = 400, 500
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_METHODS = frozenset(
    {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY"}
)
_DURATION = Instrument(
    "histogram",
    "http.server.request.duration",
    "s",
    "Duration of HTTP requests.",
    (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10),
)
_ACTIVE = Instrument(
    "updown", "http.server.active_requests", "{request}", "Requests being served now."
)


# What is added to when nothing is measured.
_UNCOUNTED = Number(memoryview(bytearray(8)).cast("d"), 0)


@dataclass(frozen=True, slots=True)
class Sinks:
    """Where a request's telemetry goes; None turns a sink off. `slow` is in seconds."""

    metrics: Metrics | None = None
    access: AccessLog | None = None
    spans: "SpanKeeper | None" = None
    sampler: Sampler | None = None
    slow: float = 1.0
    tally: Tally | None = None


class TelemetryMiddleware:
    """Wraps the whole application. Exceptions pass through, noted."""

    def __init__(self, app: ASGIApp, sinks: Sinks) -> None:
        """Wrap `app`."""
        self._app = app
        self._sinks = sinks
        self._sampler = sinks.sampler if sinks.spans is not None else None
        self._slow_ns = round(sinks.slow * 1e9)
        self._durations: dict[tuple[str, str, int, str, str], Distribution] = {}
        self._active: dict[tuple[str, str], Number] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, one socket or the application's lifespan."""
        if scope["type"] == "lifespan":
            await self._lifespan(scope, receive, send)
            return
        exchange = Exchange(scope["headers"], self._sampler)
        exchange.scope = scope
        scope.setdefault("state", {})["request_id"] = exchange.request_id
        token = CURRENT.set(exchange)
        if scope["type"] != "http":
            try:
                await self._app(scope, receive, send)
            finally:
                _end(exchange, token)
            return

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = [*message.get("headers", ()), *self._headers(exchange)]
            await send(message)

        method = scope["method"]
        if method not in _METHODS:
            method = "_OTHER"
        active = self._under_way(method, scope["scheme"])
        active.add(1)
        raised: BaseException | None = None
        try:
            await self._app(scope, receive, answer)
        except BaseException as error:
            raised = error
            raise
        finally:
            active.add(-1)
            self._finish(exchange, scope, method, raised)
            _end(exchange, token)

    def _headers(self, exchange: Exchange) -> list[tuple[bytes, bytes]]:
        taken = (perf_counter_ns() - exchange.started_ns) * 1e-6
        timing = f"total;dur={taken:.3f}"
        if exchange.database_ns:
            timing = f"{timing}, db;dur={exchange.database_ns * 1e-6:.3f}"
        headers = [
            (b"roost-request-id", exchange.request_id.encode()),
            (b"server-timing", timing.encode()),
        ]
        if self._sampler is not None:
            headers.append((b"traceresponse", exchange.traceparent().encode()))
        return headers

    def _finish(
        self, exchange: Exchange, scope: Scope, method: str, raised: BaseException | None
    ) -> None:
        ended_ns = perf_counter_ns()
        taken_ns = ended_ns - exchange.started_ns
        route = _route(scope)
        if isinstance(raised, Exception):
            exchange.error = raised
            # What the server will answer for the application.
            exchange.status = exchange.status or _SERVER_ERROR
        failed = exchange.status >= _SERVER_ERROR or isinstance(raised, Exception)
        error_type = ""
        if failed or raised is not None:
            cause = raised or exchange.error
            error_type = type(cause).__qualname__ if cause is not None else str(exchange.status)
        key = (method, route, exchange.status, scope["scheme"], error_type)
        self._count(key, taken_ns * 1e-9)
        slow = taken_ns > self._slow_ns and not exchange.waits
        if self._sinks.tally is not None:
            _tally(self._sinks.tally, exchange, f"{method} {route}", taken_ns, (failed, slow))
        if self._sinks.spans is not None and (exchange.sampled or failed or slow):
            self._keep(self._sinks.spans, exchange, key, ended_ns, failed=failed)
        if self._sinks.access is not None:
            self._sinks.access.line(exchange, method, route, taken_ns * 1e-9)

    def _keep(
        self,
        spans: "SpanKeeper",
        exchange: Exchange,
        key: tuple[str, str, int, str, str],
        ended_ns: int,
        *,
        failed: bool,
    ) -> None:
        """Keep the trace, and name it where its duration was counted."""
        method, route = key[:2]
        name = "HTTP" if method == "_OTHER" else method
        if route != _UNMATCHED:
            name = f"{name} {route}"
        labels = _labels(*key)
        if self._sinks.metrics is not None:
            seconds = (ended_ns - exchange.started_ns) * 1e-9
            self._sinks.metrics.exemplify(_DURATION, labels, seconds, exchange.trace_id)
        spans.keep(exchange, name, dict(labels), ended_ns, failed=failed)

    def _count(self, key: tuple[str, str, int, str, str], seconds: float) -> None:
        metrics = self._sinks.metrics
        if metrics is None:
            return
        duration = self._durations.get(key)
        if duration is None:
            duration = metrics.distribution(_DURATION, _labels(*key))
            self._durations[key] = duration
        duration.record(seconds)

    def _under_way(self, method: str, scheme: str) -> Number:
        active = self._active.get((method, scheme))
        if active is None:
            labels: Labels = (("http.request.method", method), ("url.scheme", scheme))
            metrics = self._sinks.metrics
            active = _UNCOUNTED if metrics is None else metrics.number(_ACTIVE, labels)
            self._active[method, scheme] = active
        return active

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        metrics = self._sinks.metrics
        if metrics is None or metrics.cells.path is None:
            await self._app(scope, receive, send)
            return
        publishing = asyncio.create_task(_publish(metrics))
        try:
            await self._app(scope, receive, send)
        finally:
            publishing.cancel()


def _tally(
    tally: Tally, exchange: Exchange, route: str, taken_ns: int, what: tuple[bool, bool]
) -> None:
    """Count a request for the doctor; `what` says whether it failed, and whether it was slow."""
    failed, slow = what
    if not exchange.waits:
        tally.add(route, "", taken_ns, failed=failed)
    if failed:
        tally.fault(fault_of(exchange.error, route, exchange.status), exchange.trace_id)
    noted = _noted(exchange, route, taken_ns, failed=failed, slow=slow)
    if noted is not None:
        tally.request(noted)


def _noted(
    exchange: Exchange, route: str, taken_ns: int, *, failed: bool, slow: bool
) -> Noted | None:
    """Give what is to be noted of a request; None of one that only looked, and was well."""
    is_change = exchange.workspace_id is not None and route.split(" ", 1)[0] in _CHANGES
    if not (failed or slow or is_change):
        return None
    is_fine = exchange.status < _REFUSED and not slow
    return Noted(
        at=datetime.now(UTC),
        type="error" if failed else "slow" if slow else "action",
        severity="error" if failed else "info" if is_fine else "warning",
        workspace_id=exchange.workspace_id,
        actor_id=exchange.user_id,
        route=route,
        status=exchange.status,
        duration_ms=taken_ns * 1e-6,
        trace_id=exchange.trace_id,
        request_id=exchange.request_id,
    )


def _end(exchange: Exchange, token: Token[Exchange | None]) -> None:
    # Work that outlives the request must not pile its statements up in it.
    exchange.statements = None
    CURRENT.reset(token)


async def _publish(metrics: Metrics) -> None:
    """Keep this worker's gauges fresh for a scrape that another worker answers."""
    while True:
        metrics.publish()
        await asyncio.sleep(_PUBLISH_SECONDS)


def _route(scope: Scope) -> str:
    """Return the template of the route that was resolved, never the path that was asked for."""
    template: str | None = scope.get("path_template")
    if template:
        return template
    # Litestar gives a mounted application no template; its mount point is as good.
    paths = getattr(scope.get("route_handler"), "paths", None)
    return min(paths) if paths else _UNMATCHED


def _labels(method: str, route: str, status: int, scheme: str, error_type: str) -> Labels:
    labels: list[tuple[str, str | int]] = [
        ("http.request.method", method),
        ("http.route", route),
        ("url.scheme", scheme),
    ]
    if status:
        labels.append(("http.response.status_code", status))
    if error_type:
        labels.append(("error.type", error_type))
    return tuple(labels)
