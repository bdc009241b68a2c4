"""Telemetry put together from the environment: one object, made once, passed in."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from roost.telemetry.access import AccessLog
from roost.telemetry.database import PoolState, StatementObserver
from roost.telemetry.exposition import render
from roost.telemetry.metrics import Metrics, Snapshot
from roost.telemetry.middleware import ASGIApp, Sinks, TelemetryMiddleware
from roost.telemetry.options import TelemetryOptions
from roost.telemetry.tally import Tally
from roost.telemetry.workers import WorkerDirectory

if TYPE_CHECKING:
    from roost.telemetry.otlp import Export


SLOW_STATEMENT_NS = 100_000_000
"""Nanoseconds from which on a statement is kept apart, if nothing else is said."""


class Telemetry:
    """Measures one process. Make one per worker, after the worker was started."""

    def __init__(
        self,
        options: TelemetryOptions,
        *,
        service_version: str,
        access: AccessLog | None = None,
        slow_statement_ns: int = SLOW_STATEMENT_NS,
    ) -> None:
        """Start measuring as `options` say; `access` gets a line for each request."""
        self.options = options
        self.enabled = options.enabled
        self._access = access
        self._export: Export | None = None
        self._workers: WorkerDirectory | None = None
        self.metrics: Metrics | None = None
        self.tally = Tally(slow_statement_ns)
        if options.enabled:
            self.metrics = Metrics(options.metrics_directory)
            if options.metrics_directory is not None:
                self._workers = WorkerDirectory(options.metrics_directory)
            self._export = _start_export(options, service_version, self.metrics)
        self.observer = self.observer_of("main")

    @classmethod
    def from_environment(
        cls,
        env: Mapping[str, str],
        *,
        service_version: str,
        access: AccessLog | None = None,
        slow_statement_ns: int = SLOW_STATEMENT_NS,
    ) -> "Telemetry":
        """Read the OTEL_* variables; raises TelemetrySettingError naming the first bad one."""
        options = TelemetryOptions.from_environment(env, service_version)
        return cls(
            options,
            service_version=service_version,
            access=access,
            slow_statement_ns=slow_statement_ns,
        )

    def middleware(self, app: ASGIApp) -> TelemetryMiddleware:
        """Wrap the application, outermost."""
        spans = self._export.spans if self._export is not None else None
        return TelemetryMiddleware(
            app,
            Sinks(
                metrics=self.metrics,
                access=self._access,
                spans=spans,
                sampler=self.options.sampler,
                slow=self.options.slow_request,
                tally=self.tally if self.enabled else None,
            ),
        )

    def observer_of(
        self, pool: str, namespace: str = "", read: Callable[[], PoolState] | None = None
    ) -> StatementObserver:
        """Make the observer of one pool; `namespace` is the database's name.

        `read` is asked for the pool's state whenever metrics are collected.
        """
        observer = StatementObserver(self.metrics, pool, namespace, self.tally)
        if read is not None:
            observer.watch_pool(read)
        return observer

    def totals(self) -> Snapshot:
        """Return every series, summed over all workers that share a directory."""
        if self.metrics is None:
            return {}
        return (
            self.metrics.snapshot() if self._workers is None else self._workers.total(self.metrics)
        )

    def render_metrics(self, accept: str = "") -> tuple[bytes, str]:
        """Return the Prometheus page, summed over all workers, and its content type."""
        if self.metrics is None:
            return b"# telemetry is off: OTEL_SDK_DISABLED is true\n", "text/plain; charset=utf-8"
        service = {
            "service_name": self.options.resource["service.name"],
            "service_version": self.options.resource["service.version"],
        }
        return render(self.totals(), service, accept, self.metrics.exemplars)

    def shutdown(self, timeout: float = 5.0) -> None:
        """Send what is left, waiting at most `timeout` seconds, and stop. Blocks; run it last."""
        if self._access is not None:
            self._access.flush()
        if self._export is not None:
            self._export.shutdown(timeout)
            self._export = None
        if self.metrics is not None:
            self.metrics.cells.close()


def _start_export(options: TelemetryOptions, version: str, metrics: Metrics) -> "Export | None":
    if options.traces is None and options.metrics is None and options.logs is None:
        return None
    # Here, because loading the exporters takes longer than all the rest of the start.
    from roost.telemetry.otlp import Export  # noqa: PLC0415

    export = Export(options, version)
    export.start_metrics(metrics.snapshot)
    return export
