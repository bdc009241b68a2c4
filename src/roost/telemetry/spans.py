"""Spans made after the fact, and only for requests worth keeping.

A span recorded through the SDK's tracer costs 50 to 100 µs whether or not it is wanted. Here a
request notes times and names, and when it is over its spans are built from those, with their
true times, if it was sampled, failed or was slow.
"""

from collections.abc import Mapping
from random import getrandbits
from traceback import format_tb

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState

from roost.telemetry.database import error_labels
from roost.telemetry.exchange import Exchange, StatementRun

_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_UNSET = Status(StatusCode.UNSET)
_ERROR = Status(StatusCode.ERROR)
_SPAN_BITS = 64


class SpanKeeper:
    """Turns exchanges into spans and hands them to the exporter's queue."""

    def __init__(self, processor: BatchSpanProcessor, resource: Resource, version: str) -> None:
        self._processor = processor
        self._resource = resource
        self._scope = InstrumentationScope("roost", version)

    def keep(
        self,
        exchange: Exchange,
        name: str,
        attributes: Mapping[str, str | int],
        ended_ns: int,
        *,
        failed: bool,
    ) -> None:
        """Build and queue the request's span and one for each of its statements.

        `ended_ns` is of perf_counter_ns. Never blocks: a full queue drops its oldest span.
        """
        state = _trace_state(exchange)
        trace_id = int(exchange.trace_id, 16)
        own = SpanContext(trace_id, int(exchange.span_id, 16), False, _SAMPLED, state)  # noqa: FBT003
        parent = None
        if exchange.parent_span_id:
            flags = TraceFlags(exchange.sampled)
            remote = int(exchange.parent_span_id, 16)
            parent = SpanContext(trace_id, remote, True, flags, state)  # noqa: FBT003
        shift = exchange.started_unix_ns - exchange.started_ns
        for run in exchange.statements or ():
            self._processor.on_end(self._statement(run, own, shift))
        described = {**attributes, "roost.request_id": exchange.request_id}
        if exchange.dropped_statements:
            described["roost.statements.dropped"] = exchange.dropped_statements
        self._processor.on_end(
            ReadableSpan(
                name,
                context=own,
                parent=parent,
                resource=self._resource,
                attributes=described,
                events=_exception_event(exchange.error, shift + ended_ns) if failed else (),
                kind=SpanKind.SERVER,
                status=_ERROR if failed else _UNSET,
                start_time=exchange.started_unix_ns,
                end_time=shift + ended_ns,
                instrumentation_scope=self._scope,
            )
        )

    def _statement(self, run: StatementRun, parent: SpanContext, shift: int) -> ReadableSpan:
        labels = error_labels(run.error) if run.error is not None else ()
        return ReadableSpan(
            run.kind.span_name,
            context=SpanContext(
                parent.trace_id,
                getrandbits(_SPAN_BITS) | 1,
                False,  # noqa: FBT003
                _SAMPLED,
                parent.trace_state,
            ),
            parent=parent,
            resource=self._resource,
            attributes=dict((*run.kind.attributes, *labels)),
            kind=SpanKind.CLIENT,
            status=_ERROR if run.error is not None else _UNSET,
            start_time=shift + run.started_ns,
            end_time=shift + run.ended_ns,
            instrumentation_scope=self._scope,
        )


def _trace_state(exchange: Exchange) -> TraceState | None:
    if not exchange.parent_span_id:
        return None
    found = [v.decode("latin-1") for name, v in exchange.headers if name == b"tracestate"]
    return TraceState.from_header(found) if found else None


def _exception_event(error: BaseException | None, at_ns: int) -> tuple[Event, ...]:
    """Tell where an exception came from, not what it said: messages repeat people's data."""
    if error is None:
        return ()
    attributes = {
        "exception.type": type(error).__qualname__,
        "exception.stacktrace": "".join(format_tb(error.__traceback__)),
    }
    return (Event("exception", attributes, at_ns),)
