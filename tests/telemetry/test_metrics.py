"""What is counted, on the Prometheus page and over OTLP."""

from collections.abc import Iterator

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families

from roost.telemetry import Instrument, Metrics, PoolState, Telemetry
from roost.telemetry.metrics import SERIES_LIMIT
from tests.telemetry.application import Service
from tests.telemetry.receiver import Receiver, attributes, receiving

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
TASKS = {"http_request_method": "GET", "http_route": "/api/v1/tasks/{task_id}"}
NO_EXPORT: dict[str, str] = {}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a collector."""
    with receiving() as running:
        yield running


def page(telemetry: Telemetry) -> Samples:
    """Return every sample on the page."""
    content, content_type = telemetry.render_metrics()
    assert content_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def one(samples: Samples, name: str, **labels: str) -> float:
    """Return the value of the one sample with at least these labels."""
    found = [
        v
        for (n, found), v in samples.items()
        if n == name and labels.items() <= dict(found).items()
    ]
    assert len(found) == 1, (name, labels, found)
    return found[0]


async def test_requests_are_counted_by_method_route_template_and_status() -> None:
    service = Service(NO_EXPORT)
    async with service.client() as client:
        for name in ("a", "b", "c"):
            await client.get(f"/api/v1/tasks/{name}")
        await client.get("/somewhere/else")
        await client.get("/api/v1/fail")
        await client.request("BREW", "/api/v1/tasks/a")
    samples = page(service.telemetry)
    count = "http_server_request_duration_seconds_count"
    assert one(samples, count, **TASKS, http_response_status_code="200", url_scheme="http") == 3
    assert one(samples, count, http_route="unmatched", http_response_status_code="404") == 1
    assert one(samples, count, http_route="/api/v1/fail", error_type="ServerError") == 1
    assert one(samples, count, http_request_method="_OTHER") == 1
    assert one(samples, "http_server_active_requests", http_request_method="GET") == 0
    assert one(samples, "target_info", service_name="roost", service_version="9.9.9") == 1


async def test_statements_waits_and_the_pool_are_counted() -> None:
    service = Service(NO_EXPORT)
    observer = service.telemetry.observer_of(
        "replica", "roost", lambda: PoolState(size=7, used=3, limit=20, waiting=2)
    )
    observer.statement("select tasks.page", 0, 2_000_000_000, None)
    observer.statement("select tasks.page", 0, 2_000_000_000, TimeoutError("literal"))
    observer.waited(0.002)
    samples = page(service.telemetry)
    duration = "db_client_operation_duration_seconds"
    labels = {
        "db_system_name": "postgresql",
        "db_operation_name": "SELECT",
        "db_query_summary": "select tasks.page",
        "db_namespace": "roost",
    }
    assert one(samples, f"{duration}_count", **labels, error_type="") == 1
    assert one(samples, f"{duration}_sum", **labels, error_type="") == pytest.approx(2)
    assert one(samples, f"{duration}_bucket", **labels, error_type="", le="1.0") == 0
    assert one(samples, f"{duration}_bucket", **labels, error_type="", le="5.0") == 1
    assert one(samples, f"{duration}_count", **labels, error_type="TimeoutError") == 1
    connections = "db_client_connection_count"
    assert one(samples, connections, db_client_connection_state="used") == 3
    assert one(samples, connections, db_client_connection_state="idle") == 4
    assert one(samples, "db_client_connection_max") == 20
    assert one(samples, "db_client_connection_pending_requests") == 2
    wait = "db_client_connection_wait_time_seconds"
    assert one(samples, f"{wait}_count", db_client_connection_pool_name="replica") == 1


async def test_a_request_under_way_is_seen() -> None:
    service = Service(NO_EXPORT)
    seen: list[Samples] = []

    async def app(_scope: object, _receive: object, _send: object) -> None:
        seen.append(page(service.telemetry))

    scope = {"type": "http", "method": "GET", "scheme": "https", "headers": []}
    await service.telemetry.middleware(app)(scope, _nothing, _ignore)
    assert one(seen[0], "http_server_active_requests", url_scheme="https") == 1
    assert one(page(service.telemetry), "http_server_active_requests", url_scheme="https") == 0


async def test_an_exception_passes_through_and_is_counted_as_500() -> None:
    service = Service(NO_EXPORT)

    async def app(_scope: object, _receive: object, _send: object) -> None:
        raise ZeroDivisionError

    scope = {"type": "http", "method": "GET", "scheme": "http", "headers": []}
    with pytest.raises(ZeroDivisionError):
        await service.telemetry.middleware(app)(scope, _nothing, _ignore)
    samples = page(service.telemetry)
    found = {"http_response_status_code": "500", "error_type": "ZeroDivisionError"}
    assert one(samples, "http_server_request_duration_seconds_count", **found) == 1


@pytest.mark.parametrize("preference", ["cumulative", "delta"])
async def test_the_collector_is_told_what_the_page_says(
    receiver: Receiver, preference: str
) -> None:
    service = Service(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_TRACES_EXPORTER": "none",
            "OTEL_METRIC_EXPORT_INTERVAL": "20",
            "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": preference,
        }
    )
    async with service.client() as client:
        await client.get("/api/v1/tasks/a")
        receiver.wait(lambda: receiver.latest("http.server.request.duration") is not None)
        for name in ("b", "c"):
            await client.get(f"/api/v1/tasks/{name}")
    samples = page(service.telemetry)
    service.telemetry.shutdown()
    counts, total = _received(receiver, "http.server.request.duration", preference)
    name = "http_server_request_duration_seconds"
    assert sum(counts) == one(samples, f"{name}_count", **TASKS) == 3
    assert total == pytest.approx(one(samples, f"{name}_sum", **TASKS))
    metric = receiver.latest("http.server.request.duration")
    assert metric is not None
    edges = [*metric.histogram.data_points[0].explicit_bounds, float("inf")]
    below = 0
    for edge, count in zip(edges, counts, strict=True):
        below += count
        [bucket] = [
            value
            for (sample, labels), value in samples.items()
            if sample == f"{name}_bucket" and float(dict(labels)["le"]) == edge
        ]
        assert bucket == below


async def test_openmetrics_is_given_to_whom_asks_for_it() -> None:
    service = Service(NO_EXPORT)
    async with service.client() as client:
        await client.get("/api/v1/tasks/a")
    content, content_type = service.telemetry.render_metrics("application/openmetrics-text")
    assert content_type.startswith("application/openmetrics-text")
    families = {family.name for family in parse_openmetrics(content.decode())}  # type: ignore[no-untyped-call]
    assert "http_server_request_duration_seconds" in families


async def test_turned_off_nothing_is_measured_but_the_contract_of_headers_holds() -> None:
    service = Service(
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://nowhere"}
    )
    async with service.client() as client:
        answer = await client.get("/api/v1/tasks/a")
    assert answer.json()["requestId"] == answer.headers["roost-request-id"]
    assert service.telemetry.metrics is None
    assert page(service.telemetry) == {}
    service.telemetry.shutdown()


def test_series_beyond_the_limit_are_counted_in_one_that_says_so() -> None:
    metrics = Metrics()
    instrument = Instrument("counter", "things", "{thing}", "Things.")
    for number in range(SERIES_LIMIT + 50):
        metrics.number(instrument, (("number", number),)).add(1)
    snapshot = metrics.snapshot()
    assert len(snapshot) == SERIES_LIMIT + 1
    overflow = [v for s, v in snapshot.items() if s.labels == (("otel.metric.overflow", "true"),)]
    assert overflow == [(50.0,)]


def test_a_broken_gauge_leaves_the_rest_of_the_page() -> None:
    telemetry = Telemetry.from_environment(NO_EXPORT, service_version="1")
    observer = telemetry.observer_of("main", "roost", lambda: PoolState(1, 1, 1 // len(""), 0))
    observer.waited(1)
    assert one(page(telemetry), "db_client_connection_wait_time_seconds_count") == 1


def test_a_value_on_a_bound_belongs_to_the_bucket_below() -> None:
    metrics = Metrics()
    instrument = Instrument("histogram", "sizes", "By", "Sizes.", (1, 2))
    distribution = metrics.distribution(instrument)
    for value in (0.5, 1, 1.5, 2, 3):
        distribution.record(value)
    assert list(metrics.snapshot().values()) == [(2, 2, 1, 8)]


def _received(receiver: Receiver, name: str, preference: str) -> tuple[list[int], float]:
    """Return the buckets and sum of the tasks route: the last export, or the sum of all."""
    points = [
        point
        for request in receiver.metrics
        for metric in request.resource_metrics[0].scope_metrics[0].metrics
        if metric.name == name
        for point in metric.histogram.data_points
        if attributes(point.attributes)["http.route"] == TASKS["http_route"]
    ]
    kept = points if preference == "delta" else points[-1:]
    buckets = [list(point.bucket_counts) for point in kept]
    return [sum(column) for column in zip(*buckets, strict=True)], sum(p.sum for p in kept)


async def _nothing() -> dict[str, object]:
    return {}


async def _ignore(_message: object) -> None:
    return None
