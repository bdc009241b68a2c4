"""Telemetry: metrics of every route and statement, traces of those worth keeping, logs."""

from roost.telemetry.access import AccessLog
from roost.telemetry.database import PoolState, StatementObserver
from roost.telemetry.exchange import (
    Exchange,
    current_exchange,
    expect_waiting,
    note_caller,
    note_error,
)
from roost.telemetry.logs import configure_logs
from roost.telemetry.metrics import Instrument, Metrics
from roost.telemetry.middleware import TelemetryMiddleware
from roost.telemetry.options import TelemetrySettingError
from roost.telemetry.setup import Telemetry

__all__ = [
    "AccessLog",
    "Exchange",
    "Instrument",
    "Metrics",
    "PoolState",
    "StatementObserver",
    "Telemetry",
    "TelemetryMiddleware",
    "TelemetrySettingError",
    "configure_logs",
    "current_exchange",
    "expect_waiting",
    "note_caller",
    "note_error",
]
