"""Structured logs on stderr: JSON, one object a line, or for people at a terminal."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from traceback import format_tb
from typing import Any, TextIO

import structlog

from roost.telemetry.access import AccessLog, Clock
from roost.telemetry.exchange import CURRENT
from roost.telemetry.options import TelemetrySettingError
from roost.telemetry.redaction import redact, redact_text

# structlog's own shape of an event.
_Event = MutableMapping[str, Any]

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_FORMATS = ("auto", "json", "console")
_SWITCH = {"": True, "true": True, "1": True, "false": False, "0": False}
# SQLSTATE classes whose messages repeat the data that was wrong.
_DATA_ERRORS = ("22", "23")
_CHAIN = 8
# What structlog passes to itself within an event.
_OWN = ("_record", "_from_structlog")


@dataclass(frozen=True, slots=True)
class LogOptions:
    """`level` is a number of the logging module's."""

    level: int
    json: bool
    access: bool

    @classmethod
    def from_environment(cls, env: Mapping[str, str], stream: TextIO) -> "LogOptions":
        """Read ROOST_LOG_LEVEL, ROOST_LOG_FORMAT and ROOST_ACCESS_LOG."""
        level = env.get("ROOST_LOG_LEVEL", "").lower() or "info"
        form = env.get("ROOST_LOG_FORMAT", "").lower() or "auto"
        access = env.get("ROOST_ACCESS_LOG", "").lower()
        for name, value, allowed in (
            ("ROOST_LOG_LEVEL", level, tuple(_LEVELS)),
            ("ROOST_LOG_FORMAT", form, _FORMATS),
            ("ROOST_ACCESS_LOG", access or "true", ("true", "false", "1", "0")),
        ):
            if value not in allowed:
                message = f"{name} must be one of {', '.join(allowed)}, not {value!r}"
                raise TelemetrySettingError(message)
        as_json = form == "json" or (form == "auto" and not stream.isatty())
        return cls(_LEVELS[level], as_json, _SWITCH[access] and _LEVELS[level] <= logging.INFO)


def configure_logs(env: Mapping[str, str], stream: TextIO | None = None) -> AccessLog | None:
    """Send structlog's and the standard library's records to `stream` (stderr).

    Returns the access log to hand to the middleware, or None when it is turned off. Run
    uvicorn with `log_config=None`, or it puts its own handlers in front.
    """
    stream = stream or sys.stderr
    options = LogOptions.from_environment(env, stream)
    shared = _shared()
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=json.dumps)
        if options.json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(options.level)
    _quiet(options.level)
    logging.captureWarnings(capture=True)
    return AccessLog(stream.write, as_json=options.json) if options.access else None


def _shared() -> list[structlog.typing.Processor]:
    return [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        _add_time_and_ids,
        _render_exception,
        _without_secrets,
    ]


def describe_record(record: logging.LogRecord) -> dict[str, Any]:
    """Give a record as it is shown on standard error; `event` is its message."""
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(serializer=json.dumps),
        ],
    )
    event: dict[str, Any] = json.loads(formatter.format(record))
    return event


def _quiet(level: int) -> None:
    for name in ("uvicorn", "uvicorn.error", "litestar", "alembic", "sqlalchemy", "asyncio"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # Its lines repeat paths and query strings, which may hold secrets; ours replace them.
    logging.getLogger("uvicorn.access").disabled = True
    for name in ("urllib3", "httpx", "httpcore"):
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


_clock = Clock()


def _add_time_and_ids(_logger: object, _method: str, event: _Event) -> _Event:
    exchange = CURRENT.get()
    if exchange is not None:
        event["request_id"] = exchange.request_id
        event["trace_id"] = exchange.trace_id
        event["span_id"] = exchange.span_id
    return {"timestamp": _clock.now(), **event}


def _without_secrets(_logger: object, _method: str, event: _Event) -> _Event:
    own = {key: event.pop(key) for key in _OWN if key in event}
    clean = redact(event)
    return {**clean, **own} if isinstance(clean, dict) else own


def _render_exception(_logger: object, _method: str, event: _Event) -> _Event:
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    error: object = info
    if info is True:
        error = sys.exc_info()[1]
    elif isinstance(info, tuple):
        error = info[1]
    if isinstance(error, BaseException):
        event["exception"] = describe_exception(error)
    return event


def describe_exception(error: BaseException) -> str:
    """Return a traceback of places and messages, causes first, with no value of any variable.

    Of errors from the database the detail and hint are left out, and of data errors the
    message too: they repeat rows.
    """
    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain and len(chain) < _CHAIN:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n".join(_describe_one(link) for link in reversed(chain))


def _describe_one(error: BaseException) -> str:
    places = "".join(format_tb(error.__traceback__)).rstrip("\n")
    name = type(error).__qualname__
    state = getattr(error, "sqlstate", None)
    if isinstance(state, str):
        name = f"{name} (SQLSTATE {state})"
    data_error = isinstance(state, str) and state.startswith(_DATA_ERRORS)
    text = "" if data_error else str(error)
    if isinstance(state, str):
        text = text.partition("\n")[0]
    parts = [places, f"{name}: {redact_text(text)}" if text else name]
    if isinstance(error, BaseExceptionGroup):
        parts.extend(describe_exception(inner) for inner in error.exceptions[:_CHAIN])
    return "\n".join(part for part in parts if part)
