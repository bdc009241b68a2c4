"""What is noted while one request is served: a few numbers, turned into spans only if kept."""

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from random import getrandbits
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from roost.telemetry.sampling import Sampler
from roost.telemetry.trace_context import read_traceparent, write_traceparent

if TYPE_CHECKING:
    from roost.telemetry.database import StatementKind

_STATEMENTS_KEPT = 200

Headers = Iterable[tuple[bytes, bytes]]


class StatementRun(NamedTuple):
    """One statement a request ran; times are perf_counter_ns."""

    kind: "StatementKind"
    started_ns: int
    ended_ns: int
    error: BaseException | None


class Exchange:
    """A request being served: who it is to logs and traces, and what it did.

    Ids are in hexadecimal; `parent_span_id` is empty where the trace starts. Times are
    nanoseconds. `statements` is None when no trace can come of it. `user_id` is who asks, once
    that is known, and `workspace_id` where. `scope` is ASGI's.
    """

    # Defaults live on the class: most requests never change them.
    parent_span_id = ""
    sampled = False
    status = 0
    database_ns = 0
    dropped_statements = 0
    waits = False
    user_id: UUID | None = None
    workspace_id: UUID | None = None
    started_unix_ns = 0
    error: BaseException | None = None
    statements: list[StatementRun] | None = None
    scope: Mapping[str, Any] | None = None
    _route = ""

    def __init__(self, headers: Headers, sampler: Sampler | None) -> None:
        """Begin an exchange; `sampler` is None when nothing is traced."""
        self.started_ns = perf_counter_ns()
        self.headers = headers
        # One draw for all ids: they identify, they protect nothing.
        ids = f"{getrandbits(320):080x}"
        self.request_id = ids[:32]
        self.trace_id = ids[32:64]
        self.span_id = ids[64:]
        parent = None
        for name, value in headers:
            if name == b"traceparent":
                parent = read_traceparent(value)
                if parent is not None:
                    self.trace_id = parent.trace_id
                    self.parent_span_id = parent.span_id
                break
        if sampler is not None:
            self.started_unix_ns = time_ns()
            self.sampled = sampler.samples(parent, self.trace_id)
            self.statements = []

    def ran(self, run: StatementRun) -> None:
        """Note a statement; beyond a limit it is only counted, so that memory stays bounded."""
        if self.statements is None:
            return
        if len(self.statements) < _STATEMENTS_KEPT:
            self.statements.append(run)
        else:
            self.dropped_statements += 1

    @property
    def route(self) -> str:
        """The method and the route's template, once that is known; never the path itself."""
        if not self._route and self.scope is not None:
            template = self.scope.get("path_template")
            if template:
                self._route = f"{self.scope['method']} {template}"
        return self._route

    def traceparent(self) -> str:
        """Return the header that links a call made on behalf of this request to its trace."""
        return write_traceparent(self.trace_id, self.span_id, sampled=self.sampled)


CURRENT: ContextVar[Exchange | None] = ContextVar("roost_exchange", default=None)


def current_exchange() -> Exchange | None:
    """Return the request being served in this context, or None outside of one."""
    return CURRENT.get()


def note_error(error: BaseException) -> None:
    """Tell the trace which exception is behind the error answer about to be sent.

    For exception handlers: an exception that is answered never reaches the middleware.
    """
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.error = error


def note_caller(user_id: UUID, workspace_id: UUID | None) -> None:
    """Tell the request's line in the log who asks, and in which workspace: ids, no names."""
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.user_id = user_id
        exchange.workspace_id = workspace_id


def expect_waiting() -> None:
    """Say that this request waits by design (a long poll, a stream): being slow is no news."""
    exchange = CURRENT.get()
    if exchange is not None:
        exchange.waits = True
