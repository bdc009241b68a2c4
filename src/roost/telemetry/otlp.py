"""The OTLP side: exporters over HTTP, and the loop that sends metrics at intervals.

Nothing imports this module until an endpoint is set: the exporters take a quarter of a second
to load.
"""

import logging
from collections.abc import Callable
from threading import Event, Thread
from time import monotonic, time_ns
from uuid import uuid4

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics.export import MetricExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.version import __version__ as sdk_version

from roost.telemetry.logs import describe_record
from roost.telemetry.metrics import Snapshot
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.otlp_endpoint import exporter_options
from roost.telemetry.otlp_logs import LogSender
from roost.telemetry.otlp_metrics import MetricEncoder
from roost.telemetry.spans import SpanKeeper

_log = logging.getLogger(__name__)


class Export:
    """Everything that leaves by OTLP from this process."""

    def __init__(self, options: TelemetryOptions, version: str) -> None:
        """Start the threads that send; `version` is Roost's."""
        resource = Resource(
            {
                "telemetry.sdk.name": "opentelemetry",
                "telemetry.sdk.language": "python",
                "telemetry.sdk.version": sdk_version,
                # One per worker, so that workers' cumulative series are told apart.
                "service.instance.id": str(uuid4()),
                **options.resource,
            }
        )
        self._options = options
        self._logs = (
            None
            if options.logs is None
            else LogSender(options.logs, options.batching, resource, describe_record)
        )
        self._encoder = MetricEncoder(resource, version, delta=options.delta)
        self._processor: BatchSpanProcessor | None = None
        self._loop: _MetricLoop | None = None
        self.spans: SpanKeeper | None = None
        if options.traces is not None:
            self._processor = BatchSpanProcessor(
                OTLPSpanExporter(**exporter_options(options.traces)),
                max_queue_size=options.batching.queue,
                schedule_delay_millis=options.batching.delay,
                max_export_batch_size=options.batching.batch,
            )
            self.spans = SpanKeeper(self._processor, resource, version)

    def start_metrics(self, read: Callable[[], Snapshot]) -> None:
        """Send what `read` returns at the configured interval, if metrics have an endpoint."""
        if self._options.metrics is None:
            return

        def send(exporter: MetricExporter) -> None:
            exporter.export(self._encoder.encode(read(), time_ns()))

        exporter = OTLPMetricExporter(**exporter_options(self._options.metrics))
        self._loop = _MetricLoop(exporter, self._options.metric_interval, send)

    def shutdown(self, timeout: float) -> None:
        """Send what is left, giving up after `timeout` seconds in all."""
        ends = monotonic() + timeout
        stops: list[Callable[[], None]] = []
        if self._processor is not None:
            stops.append(self._processor.shutdown)
        if self._loop is not None:
            stops.append(self._loop.stop)
        if self._logs is not None:
            stops.append(self._logs.stop)
        # The SDK's shutdowns wait for retries of their own; daemon threads bound the wait.
        threads = [Thread(target=stop, daemon=True) for stop in stops]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0.0, ends - monotonic()))


class _MetricLoop:
    def __init__(
        self,
        exporter: MetricExporter,
        interval: float,
        send: Callable[[MetricExporter], None],
    ) -> None:
        self._exporter = exporter
        self._interval = interval
        self._send = send
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="roost-metrics-export", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Send once more and end; may take as long as the exporter's time limit."""
        self._stopped.set()
        self._thread.join()
        self._exporter.shutdown()

    def _run(self) -> None:
        stopped = False
        while not stopped:
            stopped = self._stopped.wait(self._interval)
            try:
                self._send(self._exporter)
            except Exception:  # noqa: BLE001
                # A bad export must not end all later ones.
                _log.exception("metrics could not be exported")
