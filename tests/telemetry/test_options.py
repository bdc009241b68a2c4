"""The OTEL_* variables: what each does, and what is said of a bad one."""

import subprocess
import sys
import threading

import pytest

from roost.telemetry import Telemetry, TelemetrySettingError
from roost.telemetry.options import DEFAULT_RATIO, TelemetryOptions
from roost.telemetry.sampling import Sampler

BASE = "http://collector:4318"


def read(**env: str) -> TelemetryOptions:
    """Read options from these variables only."""
    return TelemetryOptions.from_environment(env, "1.0")


def test_without_an_endpoint_nothing_is_exported_and_no_thread_runs() -> None:
    before = threading.active_count()
    telemetry = Telemetry.from_environment({}, service_version="1")
    assert (telemetry.options.traces, telemetry.options.metrics) == (None, None)
    assert threading.active_count() == before
    telemetry.shutdown()


def test_without_an_endpoint_the_exporters_are_not_even_loaded() -> None:
    program = (
        "import sys; from roost.telemetry import Telemetry;"
        "Telemetry.from_environment({}, service_version='1');"
        "print(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "False"


def test_the_common_endpoint_gets_each_signals_path_and_its_own_goes_before_it() -> None:
    options = read(
        OTEL_EXPORTER_OTLP_ENDPOINT=f"{BASE}/",
        OTEL_EXPORTER_OTLP_METRICS_ENDPOINT="https://elsewhere/m",
        OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="3",
        OTEL_EXPORTER_OTLP_TIMEOUT="4",
    )
    assert options.traces is not None
    assert options.metrics is not None
    assert options.traces.url == f"{BASE}/v1/traces"
    assert options.metrics.url == "https://elsewhere/m"
    assert (options.traces.timeout, options.metrics.timeout) == (3, 4)


@pytest.mark.parametrize(
    ("name", "argument", "expected"),
    [
        ("", "", Sampler.of(DEFAULT_RATIO, follow_parent=True)),
        ("", "0.5", Sampler.of(0.5, follow_parent=True)),
        ("traceidratio", "", Sampler.of(1, follow_parent=False)),
        ("parentbased_traceidratio", "0.25", Sampler.of(0.25, follow_parent=True)),
        ("always_on", "0.25", Sampler.of(1, follow_parent=False)),
        ("parentbased_always_on", "", Sampler.of(1, follow_parent=True)),
        ("parentbased_always_off", "", Sampler.of(0, follow_parent=True)),
    ],
)
def test_samplers_are_those_of_the_specification(
    name: str, argument: str, expected: Sampler
) -> None:
    options = read(OTEL_TRACES_SAMPLER=name, OTEL_TRACES_SAMPLER_ARG=argument)
    assert options.sampler == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_TRACES_SAMPLER_ARG", "-1"),
        ("OTEL_TRACES_SAMPLER_ARG", "nan"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_COMPRESSION", "zstd"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "hush"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4096"),
        ("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "both"),
        ("ROOST_SLOW_REQUEST_SECONDS", "long"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, value: str) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": BASE} | {name: value}
    with pytest.raises(TelemetrySettingError, match=f"{name} must") as refusal:
        TelemetryOptions.from_environment(env, "1.0")
    assert "hush" not in str(refusal.value)


def test_the_sdks_switch_turns_everything_off() -> None:
    before = threading.active_count()
    env = {"OTEL_SDK_DISABLED": "TRUE", "OTEL_EXPORTER_OTLP_ENDPOINT": BASE}
    telemetry = Telemetry.from_environment(env, service_version="1")
    assert not telemetry.enabled
    assert threading.active_count() == before
