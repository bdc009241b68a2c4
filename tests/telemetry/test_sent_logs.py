"""Logs that are sent to a collector: the same as on standard error, redacted alike."""

import logging
from collections.abc import Iterator

import pytest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from roost.telemetry import Telemetry
from roost.telemetry.exchange import CURRENT, Exchange
from tests.telemetry.receiver import Receiver, attributes, receiving

log = logging.getLogger("roost.test")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def telemetry(receiver: Receiver, **more: str) -> Telemetry:
    environment = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_TRACES_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
        **more,
    }
    return Telemetry.from_environment(environment, service_version="1")


def said(receiver: Receiver) -> list[LogRecord]:
    return [each for each in receiver.records() if each.body.string_value.startswith("it ")]


def test_what_is_logged_is_sent_with_its_trace_and_without_secrets(receiver: Receiver) -> None:
    sending = telemetry(receiver, OTEL_LOGS_EXPORTER="otlp")
    exchange = Exchange((), None)
    token = CURRENT.set(exchange)
    try:
        log.warning("it went %s", "wrong", extra={"password": "hunter2"})
    finally:
        CURRENT.reset(token)
    try:
        int("x")
    except ValueError:
        log.exception("it failed")
    sending.shutdown()
    first, second = said(receiver)
    assert first.body.string_value == "it went wrong"
    assert first.severity_text == "WARNING"
    assert first.trace_id.hex() == exchange.trace_id
    assert attributes(first.attributes)["logger.name"] == "roost.test"
    assert first.time_unix_nano > 0
    assert second.severity_text == "ERROR"
    assert "ValueError" in attributes(second.attributes)["exception"]  # type: ignore[operator]  # a text
    assert b"hunter2" not in b"".join(receiver.raw)


def test_nothing_is_sent_unless_it_is_asked_for(receiver: Receiver) -> None:
    for more in ({}, {"OTEL_LOGS_EXPORTER": "none"}):
        sending = telemetry(receiver, **more)
        log.warning("it is for standard error only")
        sending.shutdown()
    assert receiver.records() == []


def test_no_handler_is_left_when_it_ends(receiver: Receiver) -> None:
    before = list(logging.getLogger().handlers)
    telemetry(receiver, OTEL_LOGS_EXPORTER="otlp").shutdown()
    assert logging.getLogger().handlers == before
