"""The OTEL_* variables (and Roost's few), read once and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar
from urllib.parse import unquote, urlsplit

from roost.telemetry.sampling import Sampler

# Every request of a busy server traced in Python would cost it a third of its speed.
DEFAULT_RATIO = 0.01

_PARENT_BASED = "parentbased_"
_SAMPLERS = ("always_on", "always_off", "traceidratio")
_Signal = Literal["traces", "metrics", "logs"]
_T = TypeVar("_T", bound=str)


class TelemetrySettingError(ValueError):
    """A telemetry variable has a value that cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one signal goes. `timeout` is in seconds; files are PEM paths."""

    url: str
    headers: dict[str, str]
    timeout: float
    compression: Literal["none", "gzip", "deflate"]
    certificate: str | None
    client_certificate: str | None
    client_key: str | None


@dataclass(frozen=True, slots=True)
class Batching:
    """How spans wait to be sent: at most `queue` of them, for at most `delay` milliseconds."""

    queue: int
    batch: int
    delay: float


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What is measured and where it goes; a signal that is not exported is None."""

    enabled: bool
    resource: dict[str, str]
    traces: Endpoint | None
    metrics: Endpoint | None
    logs: Endpoint | None
    sampler: Sampler
    batching: Batching
    metric_interval: float
    delta: bool
    slow_request: float
    metrics_directory: Path | None

    @classmethod
    def from_environment(cls, env: Mapping[str, str], service_version: str) -> "TelemetryOptions":
        """Read every variable; raises TelemetrySettingError naming the first unusable one."""
        directory = env.get("ROOST_METRICS_DIR", "")
        sampler = _sampler(env)
        return cls(
            enabled=env.get("OTEL_SDK_DISABLED", "").strip().lower() != "true",
            resource=_resource(env, service_version),
            traces=None if sampler is None else _endpoint(env, "traces"),
            metrics=_endpoint(env, "metrics"),
            # On standard error they are anyway: sent when asked for.
            logs=_endpoint(env, "logs") if env.get("OTEL_LOGS_EXPORTER") else None,
            sampler=sampler or Sampler.of(0, follow_parent=False),
            batching=_batching(env),
            metric_interval=_number(env, "OTEL_METRIC_EXPORT_INTERVAL", 60_000, low=1) / 1000,
            delta=_choice(
                env,
                "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE",
                ("cumulative", "delta", "lowmemory"),
            )
            != "cumulative",
            slow_request=_number(env, "ROOST_SLOW_REQUEST_SECONDS", 1),
            metrics_directory=Path(directory) if directory else None,
        )


def _batching(env: Mapping[str, str]) -> Batching:
    queue = int(_number(env, "OTEL_BSP_MAX_QUEUE_SIZE", 2048, low=1))
    batch = int(_number(env, "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", min(512, queue), low=1))
    if batch > queue:
        message = "OTEL_BSP_MAX_EXPORT_BATCH_SIZE must not be above OTEL_BSP_MAX_QUEUE_SIZE"
        raise TelemetrySettingError(message)
    return Batching(queue, batch, _number(env, "OTEL_BSP_SCHEDULE_DELAY", 5000, low=1))


def _sampler(env: Mapping[str, str]) -> Sampler | None:
    """Return the sampler, or None when no trace is ever wanted."""
    names = (*(_PARENT_BASED + name for name in reversed(_SAMPLERS)), *_SAMPLERS)
    name = _choice(env, "OTEL_TRACES_SAMPLER", names)
    if name == "always_off":
        return None
    chosen = bool(env.get("OTEL_TRACES_SAMPLER"))
    ratio = _number(env, "OTEL_TRACES_SAMPLER_ARG", 1 if chosen else DEFAULT_RATIO, high=1)
    base = name.removeprefix(_PARENT_BASED)
    share = ratio if base == "traceidratio" else float(base == "always_on")
    return Sampler.of(share, follow_parent=name.startswith(_PARENT_BASED))


def _endpoint(env: Mapping[str, str], signal: _Signal) -> Endpoint | None:
    """Return where a signal goes, or None when no endpoint is set or its exporter is `none`."""
    exporter = _choice(env, f"OTEL_{signal.upper()}_EXPORTER", ("otlp", "none"))
    own = env.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT", "").strip()
    base = env.get("OTEL_EXPORTER_OTLP_ENDPOINT", "").strip()
    if exporter == "none" or not (own or base):
        return None
    url = own or f"{base.rstrip('/')}/v1/{signal}"
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        message = "OTEL_EXPORTER_OTLP_ENDPOINT must be a URL such as http://collector:4318"
        raise TelemetrySettingError(message)

    def otlp(name: str) -> tuple[str, str]:
        """Return the variable that decides, the signal's own before the common one."""
        specific = f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}"
        chosen = specific if env.get(specific) else f"OTEL_EXPORTER_OTLP_{name}"
        return chosen, env.get(chosen, "")

    _choice(env, otlp("PROTOCOL")[0], ("http/protobuf",))
    return Endpoint(
        url=url,
        headers=_pairs(*otlp("HEADERS")),
        timeout=_number(env, otlp("TIMEOUT")[0], 10),
        compression=_choice(env, otlp("COMPRESSION")[0], ("none", "gzip", "deflate")),
        certificate=otlp("CERTIFICATE")[1] or None,
        client_certificate=otlp("CLIENT_CERTIFICATE")[1] or None,
        client_key=otlp("CLIENT_KEY")[1] or None,
    )


def _resource(env: Mapping[str, str], service_version: str) -> dict[str, str]:
    name = "OTEL_RESOURCE_ATTRIBUTES"
    given = _pairs(name, env.get(name, ""))
    return {
        "service.name": "roost",
        "service.version": service_version,
        **given,
        **({"service.name": env["OTEL_SERVICE_NAME"]} if env.get("OTEL_SERVICE_NAME") else {}),
    }


def _pairs(variable: str, text: str) -> dict[str, str]:
    pairs = {}
    for item in filter(None, map(str.strip, text.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            # The item itself may be a secret header, so it is not repeated.
            message = f"{variable} must be key=value pairs separated by commas"
            raise TelemetrySettingError(message)
        pairs[unquote(key.strip())] = unquote(value.strip())
    return pairs


def _number(
    env: Mapping[str, str],
    name: str,
    default: float,
    low: float = 0,
    high: float = 1e9,
) -> float:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not re.fullmatch(r"\d{1,9}(\.\d+)?", text) or not low <= float(text) <= high:
        message = f"{name} must be a number from {low:g} to {high:g}, not {text!r}"
        raise TelemetrySettingError(message)
    return float(text)


def _choice(env: Mapping[str, str], name: str, allowed: tuple[_T, ...]) -> _T:
    """Return the value of a variable, the first of `allowed` when it is not set."""
    text = env.get(name, "").strip().lower()
    if not text:
        return allowed[0]
    for value in allowed:
        if value == text:
            return value
    message = f"{name} must be one of {', '.join(allowed)}, not {text!r}"
    raise TelemetrySettingError(message)
