"""The `/metrics` page: Prometheus text, or OpenMetrics when the scraper asks for it."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from roost.telemetry.metrics import Instrument, Labels, Snapshot

_UNITS = {"s": "seconds", "By": "bytes"}


def render(snapshot: Snapshot, service: dict[str, str], accept: str) -> tuple[bytes, str]:
    """Return the page and its content type, as the `Accept` header would have it."""
    encode, content_type = choose_encoder(accept)
    return encode(_Page(snapshot, service)), content_type


class _Page(Collector):
    def __init__(self, snapshot: Snapshot, service: dict[str, str]) -> None:
        self._snapshot = snapshot
        self._service = service

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("target", "The service these metrics are of.", self._service)
        families: dict[Instrument, list[tuple[Labels, tuple[float, ...]]]] = defaultdict(list)
        for series, values in self._snapshot.items():
            families[series.instrument].append((series.labels, values))
        for instrument in sorted(families):
            yield _family(instrument, families[instrument])


def _family(instrument: Instrument, series: Iterable[tuple[Labels, tuple[float, ...]]]) -> Metric:
    rows = [({name: str(value) for name, value in labels}, values) for labels, values in series]
    names = sorted({name for labels, _ in rows for name in labels})
    heads = [name.replace(".", "_") for name in names]
    unit = _UNITS.get(instrument.unit, "")
    title = instrument.name.replace(".", "_") + (f"_{unit}" if unit else "")
    text = instrument.description
    if instrument.kind == "histogram":
        histogram = HistogramMetricFamily(title, text, labels=heads)
        for labels, values in rows:
            edges = [*map(str, instrument.bounds), "+Inf"]
            buckets = list(zip(edges, accumulate(values[:-1]), strict=True))
            histogram.add_metric([labels.get(n, "") for n in names], buckets, values[-1])
        return histogram
    family = (CounterMetricFamily if instrument.kind == "counter" else GaugeMetricFamily)(
        title, text, labels=heads
    )
    for labels, values in rows:
        family.add_metric([labels.get(name, "") for name in names], values[0])
    return family
