"""A snapshot of the metrics as the SDK's data points, for its OTLP exporter to send."""

from collections import defaultdict
from time import time_ns

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope

from roost.telemetry.metrics import Instrument, Series, Snapshot

_DELTA_KINDS = frozenset({"counter", "histogram"})


class MetricEncoder:
    """Encodes snapshots; with `delta`, each as its difference from the one before."""

    def __init__(self, resource: Resource, version: str, *, delta: bool) -> None:
        self._resource = resource
        self._scope = InstrumentationScope("roost", version)
        self._delta = delta
        self._since = time_ns()
        self._sent: Snapshot = {}

    def encode(self, snapshot: Snapshot, now: int) -> MetricsData:
        """Return the snapshot of time `now` (ns since 1970) as one export."""
        since = self._since
        grouped: dict[Instrument, list[tuple[Series, tuple[float, ...]]]] = defaultdict(list)
        for series, values in snapshot.items():
            difference = self._difference(series, values)
            grouped[series.instrument].append((series, difference))
        metrics = [self._metric(i, grouped[i], since, now) for i in grouped]
        if self._delta:
            self._sent = snapshot
            self._since = now
        scope = ScopeMetrics(self._scope, metrics, "")
        return MetricsData([ResourceMetrics(self._resource, [scope], "")])

    def _difference(self, series: Series, values: tuple[float, ...]) -> tuple[float, ...]:
        before = self._sent.get(series)
        if before is None or series.instrument.kind not in _DELTA_KINDS:
            return values
        return tuple(now - then for now, then in zip(values, before, strict=True))

    def _metric(
        self,
        instrument: Instrument,
        rows: list[tuple[Series, tuple[float, ...]]],
        since: int,
        now: int,
    ) -> Metric:
        delta = self._delta and instrument.kind in _DELTA_KINDS
        kind = AggregationTemporality.DELTA if delta else AggregationTemporality.CUMULATIVE
        data: Histogram | Sum | Gauge
        if instrument.kind == "histogram":
            data = Histogram([_histogram_point(s, v, since, now) for s, v in rows], kind)
        else:
            points = [NumberDataPoint(dict(s.labels), since, now, v[0]) for s, v in rows]
            data = (
                Gauge(points)
                if instrument.kind == "gauge"
                else Sum(points, kind, is_monotonic=instrument.kind == "counter")
            )
        return Metric(instrument.name, instrument.description, instrument.unit, data)


def _histogram_point(
    series: Series, values: tuple[float, ...], since: int, now: int
) -> HistogramDataPoint:
    counts = [int(value) for value in values[:-1]]
    return HistogramDataPoint(
        attributes=dict(series.labels),
        start_time_unix_nano=since,
        time_unix_nano=now,
        count=sum(counts),
        sum=values[-1],
        bucket_counts=counts,
        explicit_bounds=series.instrument.bounds,
        # Optional in the protocol, and not kept: the buckets say enough.
        min=None,  # type: ignore[arg-type]
        max=None,  # type: ignore[arg-type]
    )
