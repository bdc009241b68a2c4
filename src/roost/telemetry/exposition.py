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
from prometheus_client.samples import Exemplar

from roost.telemetry.metrics import Exemplar as Kept
from roost.telemetry.metrics import Exemplars, Instrument, Labels, Series, Snapshot

_UNITS = {"s": "seconds", "By": "bytes"}


def render(
    snapshot: Snapshot, service: dict[str, str], accept: str, exemplars: Exemplars | None = None
) -> tuple[bytes, str]:
    """Return the page and its content type, as the `Accept` header would have it.

    `exemplars` are shown in OpenMetrics only, which is where they exist.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Page(snapshot, service, exemplars or {})), content_type


class _Page(Collector):
    def __init__(self, snapshot: Snapshot, service: dict[str, str], exemplars: Exemplars) -> None:
        self._exemplars = exemplars
        self._snapshot = snapshot
        self._service = service

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("target", "The service these metrics are of.", self._service)
        families: dict[Instrument, list[tuple[Labels, tuple[float, ...]]]] = defaultdict(list)
        for series, values in self._snapshot.items():
            families[series.instrument].append((series.labels, values))
        for instrument in sorted(families):
            yield _family(instrument, families[instrument], self._exemplars)


def _buckets(
    series: Series, values: tuple[float, ...], exemplars: Exemplars
) -> list[tuple[str, float] | tuple[str, float, Exemplar]]:
    """Give a histogram's buckets, added up, each with an exemplar if there is one."""
    edges = [*map(str, series.instrument.bounds), "+Inf"]
    known = exemplars.get(series, {})
    counts = zip(edges, accumulate(values), strict=True)
    return [
        (edge, count, _shown(known[number])) if number in known else (edge, count)
        for number, (edge, count) in enumerate(counts)
    ]


def _shown(exemplar: Kept) -> Exemplar:
    return Exemplar({"trace_id": exemplar.trace_id}, exemplar.value, exemplar.at)


def _family(
    instrument: Instrument,
    series: Iterable[tuple[Labels, tuple[float, ...]]],
    exemplars: Exemplars,
) -> Metric:
    rows = [
        ({name: str(value) for name, value in labels}, values, labels) for labels, values in series
    ]
    names = sorted({name for labels, _, _ in rows for name in labels})
    heads = [name.replace(".", "_") for name in names]
    unit = _UNITS.get(instrument.unit, "")
    title = instrument.name.replace(".", "_") + (f"_{unit}" if unit else "")
    text = instrument.description
    if instrument.kind == "histogram":
        histogram = HistogramMetricFamily(title, text, labels=heads)
        for labels, values, own in rows:
            buckets = _buckets(Series(instrument, own), values[:-1], exemplars)
            histogram.add_metric([labels.get(n, "") for n in names], buckets, values[-1])
        return histogram
    family = (CounterMetricFamily if instrument.kind == "counter" else GaugeMetricFamily)(
        title, text, labels=heads
    )
    for labels, values, _ in rows:
        family.add_metric([labels.get(name, "") for name in names], values[0])
    return family
