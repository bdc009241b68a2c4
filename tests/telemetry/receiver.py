"""A real OTLP/HTTP receiver on loopback, and what to ask of it."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Condition, Thread
from time import monotonic

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

DEADLINE = 60.0


class Receiver:
    """Everything a collector got. `raw` has the bytes of every body."""

    def __init__(self) -> None:
        """Be empty."""
        self.changed = Condition()
        self.traces: list[ExportTraceServiceRequest] = []
        self.metrics: list[ExportMetricsServiceRequest] = []
        self.logs: list[ExportLogsServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.raw: list[bytes] = []
        self.url = ""

    def accept(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """Parse one request; returns the status to answer."""
        content = gzip.decompress(body) if headers.get("content-encoding") == "gzip" else body
        with self.changed:
            self.headers.append(headers)
            self.raw.append(content)
            if path == "/v1/traces":
                self.traces.append(ExportTraceServiceRequest.FromString(content))
            elif path == "/v1/metrics":
                self.metrics.append(ExportMetricsServiceRequest.FromString(content))
            elif path == "/v1/logs":
                self.logs.append(ExportLogsServiceRequest.FromString(content))
            else:
                return 404
            self.changed.notify_all()
        return 200

    def spans(self) -> list[Span]:
        """Return every span received."""
        return [
            span
            for request in list(self.traces)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def records(self) -> list[LogRecord]:
        """Return every log record received."""
        return [
            record
            for request in list(self.logs)
            for resource in request.resource_logs
            for scope in resource.scope_logs
            for record in scope.log_records
        ]

    def latest(self, name: str) -> Metric | None:
        """Return the newest export of one metric."""
        for request in reversed(list(self.metrics)):
            for resource in request.resource_metrics:
                for scope in resource.scope_metrics:
                    for metric in scope.metrics:
                        if metric.name == name:
                            found: Metric = metric
                            return found
        return None

    def wait(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition` holds; fails after the deadline."""
        ends = monotonic() + DEADLINE
        with self.changed:
            while not condition():
                left = ends - monotonic()
                assert left > 0, f"not received: {len(self.spans())} spans so far"
                self.changed.wait(left)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, str | int]:
    """Return OTLP attributes as a dictionary of strings and integers."""
    found: dict[str, str | int] = {}
    for pair in pairs:
        value = pair.value
        found[pair.key] = (
            value.int_value if value.WhichOneof("value") == "int_value" else value.string_value
        )
    return found


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            self.send_response(receiver.accept(self.path, headers, body))
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
