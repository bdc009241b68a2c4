"""Logs on their way to a collector: what standard error is told, redacted alike."""

import logging
from collections.abc import Callable
from typing import Any, Final

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import TraceFlags

from roost.telemetry.options import Batching, Endpoint
from roost.telemetry.otlp_endpoint import exporter_options

Describe = Callable[[logging.LogRecord], dict[str, Any]]
"""Gives a record as it may be shown: `event` is its message."""
_SEVERITIES: Final = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (0, SeverityNumber.DEBUG),
)
# What sending itself says: sent too, it would never end.
_NOT_SENT: Final = ("opentelemetry", "urllib3", "requests")
_OWN: Final = ("event", "timestamp", "level", "logger", "trace_id", "span_id")


class LogSender(logging.Handler):
    """Sends every record that the root logger gets."""

    def __init__(
        self, endpoint: Endpoint, batching: Batching, resource: Resource, describe: Describe
    ) -> None:
        """Begin; `describe` leaves secrets out."""
        super().__init__()
        self._describe = describe
        self._provider = LoggerProvider(resource, shutdown_on_exit=False)
        self._provider.add_log_record_processor(
            BatchLogRecordProcessor(
                OTLPLogExporter(**exporter_options(endpoint)),
                schedule_delay_millis=batching.delay,
                max_export_batch_size=batching.batch,
                max_queue_size=batching.queue,
            )
        )
        self._logger = self._provider.get_logger("roost")
        logging.getLogger().addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Hand a record to the thread that sends."""
        if record.name.startswith(_NOT_SENT):
            return
        try:
            self._logger.emit(self._record(record))
        except Exception:  # noqa: BLE001 -- as every handler of the standard library's
            self.handleError(record)

    def stop(self) -> None:
        """Send what is left, and end."""
        logging.getLogger().removeHandler(self)
        self._provider.shutdown()

    def _record(self, record: logging.LogRecord) -> LogRecord:
        event = self._describe(record)
        trace, span = event.get("trace_id"), event.get("span_id")
        severity = next(number for level, number in _SEVERITIES if record.levelno >= level)
        return LogRecord(
            timestamp=int(record.created * 1e9),
            trace_id=int(trace, 16) if trace else None,
            span_id=int(span, 16) if span else None,
            trace_flags=TraceFlags(0) if trace else None,
            severity_text=record.levelname,
            severity_number=severity,
            body=str(event.get("event", "")),
            attributes={
                "logger.name": record.name,
                **{name: str(value) for name, value in event.items() if name not in _OWN},
            },
        )
