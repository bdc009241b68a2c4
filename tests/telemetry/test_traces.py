"""Which requests are traced, and what their spans say."""

from collections.abc import Iterator
from time import monotonic, time_ns

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from roost.telemetry import Telemetry
from roost.telemetry.middleware import ASGIApp, Send
from tests.telemetry.application import SLOW_SECONDS, Service
from tests.telemetry.receiver import Receiver, attributes, receiving

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
NEVER = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}
ALWAYS = {"OTEL_TRACES_SAMPLER": "parentbased_always_on"}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Run a collector."""
    with receiving() as running:
        yield running


def service(receiver: Receiver, more: dict[str, str]) -> Service:
    """Make an application that exports to the collector."""
    return Service(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "20",
            "ROOST_SLOW_REQUEST_SECONDS": str(SLOW_SECONDS),
            **more,
        }
    )


def named(receiver: Receiver, name: str) -> Span:
    """Return the one span of that name."""
    found = [span for span in receiver.spans() if span.name == name]
    assert len(found) == 1, [span.name for span in receiver.spans()]
    return found[0]


async def test_a_sampled_parent_gets_the_request_and_its_statements_as_children(
    receiver: Receiver,
) -> None:
    under_test = service(receiver, NEVER)
    before = time_ns()
    async with under_test.client() as client:
        answer = await client.get(
            "/api/v1/tasks/abc?q=hidden",
            headers={"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "vendor=x1"},
        )
    under_test.telemetry.shutdown()
    request, statement = (
        named(receiver, "GET /api/v1/tasks/{task_id}"),
        named(receiver, "SELECT tasks"),
    )
    assert request.trace_id.hex() == statement.trace_id.hex() == TRACE
    assert request.parent_span_id.hex() == PARENT
    assert request.trace_state == "vendor=x1"
    assert statement.parent_span_id == request.span_id
    assert answer.json()["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    assert answer.headers["traceresponse"] == answer.json()["traceparent"]
    assert request.kind == Span.SPAN_KIND_SERVER
    assert statement.kind == Span.SPAN_KIND_CLIENT
    assert attributes(request.attributes) == {
        "http.request.method": "GET",
        "http.route": "/api/v1/tasks/{task_id}",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "roost.request_id": answer.headers["roost-request-id"],
    }
    assert attributes(statement.attributes) == {
        "db.system.name": "postgresql",
        "db.operation.name": "SELECT",
        "db.collection.name": "tasks",
        "db.query.summary": "select tasks.page",
    }
    assert before <= request.start_time_unix_nano <= statement.start_time_unix_nano
    assert request.end_time_unix_nano <= time_ns()
    assert statement.end_time_unix_nano - statement.start_time_unix_nano == 2_000_000


async def test_a_parent_that_is_not_sampled_decides_too(receiver: Receiver) -> None:
    under_test = service(receiver, ALWAYS)
    async with under_test.client() as client:
        await client.get("/api/v1/tasks/a", headers={"traceparent": f"00-{TRACE}-{PARENT}-00"})
        await client.post("/api/v1/tasks", json={})
    under_test.telemetry.shutdown()
    assert {s.name for s in receiver.spans()} == {"POST /api/v1/tasks", "INSERT tasks"}


@pytest.mark.parametrize(
    "header",
    [
        "",
        "garbage",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-x",
    ],
)
async def test_a_malformed_traceparent_starts_a_new_trace(receiver: Receiver, header: str) -> None:
    under_test = service(receiver, ALWAYS)
    async with under_test.client() as client:
        await client.get("/api/v1/tasks/a", headers={"traceparent": header})
    under_test.telemetry.shutdown()
    span = named(receiver, "GET /api/v1/tasks/{task_id}")
    assert span.parent_span_id == b""
    assert span.trace_id.hex() != TRACE


async def test_failed_requests_are_kept_though_not_sampled_and_repeat_no_data(
    receiver: Receiver,
) -> None:
    under_test = service(receiver, NEVER)
    async with under_test.client() as client:
        assert (await client.get("/api/v1/tasks/a")).status_code == 200
        assert (await client.get("/api/v1/nowhere")).status_code == 404
        assert (await client.get("/api/v1/fail")).status_code == 503
    under_test.telemetry.shutdown()
    request, statement = named(receiver, "GET /api/v1/fail"), named(receiver, "INSERT users")
    assert len(receiver.spans()) == 2
    assert request.status.code == statement.status.code == Status.STATUS_CODE_ERROR
    assert attributes(request.attributes)["error.type"] == "ServerError"
    assert attributes(statement.attributes)["error.type"] == "23505"
    assert attributes(statement.attributes)["db.response.status_code"] == "23505"
    event = attributes(request.events[0].attributes)
    assert event["exception.type"] == "ServerError"
    assert "application.py" in str(event["exception.stacktrace"])
    assert b"example.org" not in b"".join(receiver.raw)


async def test_slow_requests_are_kept_and_those_that_wait_by_design_are_not(
    receiver: Receiver,
) -> None:
    under_test = service(receiver, NEVER)
    async with under_test.client() as client:
        await client.get("/api/v1/slow")
        await client.get("/api/v1/poll")
    under_test.telemetry.shutdown()
    assert [span.name for span in receiver.spans()] == ["GET /api/v1/slow"]


async def test_no_path_query_header_or_body_reaches_the_collector(receiver: Receiver) -> None:
    secret = "hush" + "hush"
    under_test = service(receiver, ALWAYS)
    async with under_test.client() as client:
        headers = {"authorization": f"Bearer {secret}", "cookie": secret, "user-agent": secret}
        await client.get(f"/api/v1/tasks/{secret}?token={secret}", headers=headers)
        await client.get(f"/{secret}", headers=headers)
        await client.post("/api/v1/tasks", json={"prompt": secret})
        await client.request(secret.upper(), "/api/v1/tasks")
    under_test.run(f"select tasks where name = '{secret}'")
    under_test.telemetry.shutdown()
    assert len(receiver.spans()) == 6
    assert secret.encode() not in b"".join(receiver.raw).lower()


async def test_a_ratio_keeps_that_share_of_traces(receiver: Receiver) -> None:
    sampler = {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    under_test = service(receiver, sampler)
    async with under_test.client() as client:
        for _ in range(200):
            await client.post("/api/v1/tasks", json={})
    under_test.telemetry.shutdown()
    requests = [span for span in receiver.spans() if span.kind == Span.SPAN_KIND_SERVER]
    assert 50 < len(requests) < 150


async def test_a_request_of_many_statements_keeps_a_bounded_number(receiver: Receiver) -> None:
    under_test = service(receiver, ALWAYS)
    inner = under_test.telemetry.middleware(_many_statements(under_test.telemetry))
    await inner(
        {"type": "http", "method": "GET", "scheme": "http", "headers": []}, _nothing, _ignore
    )
    under_test.telemetry.shutdown()
    assert len(receiver.spans()) == 201
    assert attributes(named(receiver, "GET").attributes)["roost.statements.dropped"] == 100


async def test_headers_compression_and_resource_follow_the_variables(receiver: Receiver) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_HEADERS": "x-tenant=me%20too",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
        "OTEL_SERVICE_NAME": "roost-test",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=ci,service.name=no",
    }
    under_test = service(receiver, ALWAYS | variables)
    async with under_test.client() as client:
        await client.post("/api/v1/tasks", json={})
    under_test.telemetry.shutdown()
    assert receiver.headers[0]["x-tenant"] == "me too"
    assert receiver.headers[0]["content-encoding"] == "gzip"
    resource = attributes(receiver.traces[0].resource_spans[0].resource.attributes)
    assert resource["service.name"] == "roost-test"
    assert resource["service.version"] == "9.9.9"
    assert resource["deployment.environment.name"] == "ci"


@pytest.mark.parametrize(
    "variables", [{"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_SAMPLER": "always_off"}]
)
async def test_traces_turned_off_keep_nothing_not_even_failures(
    receiver: Receiver, variables: dict[str, str]
) -> None:
    under_test = service(receiver, variables)
    async with under_test.client() as client:
        answer = await client.get(
            "/api/v1/fail", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"}
        )
    under_test.telemetry.shutdown()
    assert receiver.spans() == []
    assert "traceresponse" not in answer.headers


async def test_a_dead_collector_neither_slows_requests_nor_holds_up_the_end() -> None:
    with receiving() as gone:
        url = gone.url
    under_test = Service(
        {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_BSP_SCHEDULE_DELAY": "1",
            "OTEL_BSP_MAX_QUEUE_SIZE": "10",
            "OTEL_METRIC_EXPORT_INTERVAL": "5",
            **ALWAYS,
        }
    )
    started = monotonic()
    async with under_test.client() as client:
        answers = [await client.post("/api/v1/tasks", json={}) for _ in range(200)]
    served = monotonic()
    under_test.telemetry.shutdown(timeout=0.5)
    assert {answer.status_code for answer in answers} == {201}
    assert served - started < 5
    assert monotonic() - served < 2


def _many_statements(telemetry: Telemetry) -> ASGIApp:
    async def app(_scope: object, _receive: object, send: Send) -> None:
        for _ in range(300):
            telemetry.observer.statement("select tasks.page", 1, 2, None)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return app


async def _nothing() -> dict[str, object]:
    return {}


async def _ignore(_message: object) -> None:
    return None


async def test_a_request_that_was_traced_is_an_exemplar_of_its_duration(
    receiver: Receiver,
) -> None:
    under_test = service(receiver, NEVER)
    async with under_test.client() as client:
        await client.get("/api/v1/tasks/a", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
        await client.get("/api/v1/tasks/b")  # not traced
    page, _ = under_test.telemetry.render_metrics("application/openmetrics-text; version=1.0.0")
    plain, _ = under_test.telemetry.render_metrics("text/plain")
    under_test.telemetry.shutdown()
    shown = [line for line in page.decode().splitlines() if " # {" in line]
    assert len(shown) == 1
    assert shown[0].startswith("http_server_request_duration_seconds_bucket{")
    assert f'trace_id="{TRACE}"' in shown[0]
    assert TRACE not in plain.decode()
