"""What rules can watch, and how each is read. What can't be read is None, never a guess."""

import asyncio
import logging
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import asyncpg

from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.db.statements import Statement
from roost.performance import figures, latencies
from roost.performance.alerts.model import Metric, MetricName
from roost.performance.health import Health, health
from roost.performance.slow import SLOW_MS
from roost.telemetry.metrics import Snapshot

WINDOW_SECONDS: Final = 300.0
"""How far back metrics look that count something."""
_FAILURES: Final = (DatabaseError, asyncpg.PostgresError, *LOST)
_log = logging.getLogger("roost.alerts")


@dataclass(frozen=True, slots=True)
class Source:
    """Where metrics come from. `disk` is where an embedded server keeps its data."""

    doctor: Database
    totals: Callable[[], Snapshot] = dict
    disk: Path | None = None
    slow_ms: float = SLOW_MS


@dataclass(slots=True)
class Look:
    """One look at everything: what several metrics are made of is read once."""

    source: Source
    _health: Health | None = field(default=None, init=False)
    _requests: latencies.Merged | None = field(default=None, init=False)

    async def health(self) -> Health:
        """Give the database's health."""
        if self._health is None:
            self._health = await health(self.source.doctor)
        return self._health

    async def requests(self) -> latencies.Merged:
        """Give all requests of the last minutes."""
        if self._requests is None:
            doctor = self.source.doctor
            merged = await latencies.BY_ROUTE.ask(doctor, seconds=WINDOW_SECONDS)
            self._requests = latencies.together(merged)
        return self._requests


Read = Callable[[Look], Awaitable[float | None]]


LEAST_REQUESTS: Final = 20


async def _slow_queries(look: Look) -> float | None:
    return await figures.slow_statements(look.source.doctor, WINDOW_SECONDS, look.source.slow_ms)


async def _error_rate(look: Look) -> float | None:
    found = await look.requests()
    # Of a handful of requests one that failed is no rate.
    return found.errors / found.calls if found.calls >= LEAST_REQUESTS else 0.0


async def _request_p99(look: Look) -> float | None:
    return latencies.percentile((await look.requests()).buckets, 0.99)


async def _disk_free(look: Look) -> float | None:
    if look.source.disk is None:
        return None
    usage = await asyncio.to_thread(shutil.disk_usage, look.source.disk)
    return usage.free / usage.total


async def _tick_lag(look: Look) -> float | None:
    measured = await asyncio.to_thread(look.source.totals)
    ages = (
        values[0]
        for series, values in measured.items()
        if series.instrument.name == "roost.ticks.age"
    )
    return max(ages, default=None)


async def _health_critical(look: Look) -> float | None:
    return float((await look.health()).counts["critical"])


async def _health_warn(look: Look) -> float | None:
    return float((await look.health()).counts["warn"])


async def _cache_hit_ratio(look: Look) -> float | None:
    return await figures.cache_hit_ratio(look.source.doctor, WINDOW_SECONDS)


async def _deadlocks(look: Look) -> float | None:
    return await figures.increase(look.source.doctor, "database.deadlocks", WINDOW_SECONDS)


def _gauge(name: str) -> Read:
    async def read(look: Look) -> float | None:
        return await figures.highest_now(look.source.doctor, name)

    return read


def _now(question: Statement) -> Read:
    async def read(look: Look) -> float | None:
        return await figures.ask(look.source.doctor, question)

    return read


_READERS: Final[Mapping[MetricName, tuple[str, str, Read]]] = {
    "slowQueries": (
        "1", "Slow statements that ran in the last 5 minutes.", _slow_queries),
    "errorRate": (
        "share", "Requests of the last 5 minutes that were answered with 500 and more.",
        _error_rate),
    "requestP99Ms": (
        "ms", "What 99 of 100 requests of the last 5 minutes took at most. Unknown without any.",
        _request_p99),
    "poolSaturation": (
        "share", "Connections in use of those a worker may have, of the fullest worker.",
        _gauge("pool.share")),
    "poolWaiting": (
        "1", "Callers that wait for a connection, of the worker with most.",
        _gauge("pool.waiting")),
    "connectionShare": (
        "share", "Connections to the server, of those there may be.",
        _now(figures.CONNECTION_SHARE)),
    "replicationLagSeconds": (
        "s", "How far the slowest replica is behind; 0 without one.",
        _now(figures.REPLICATION_LAG)),
    "deadlocks": ("1", "Deadlocks in the last 5 minutes.", _deadlocks),
    "databaseBytes": ("By", "The size of the database.", _gauge("database.bytes")),
    "diskFreeShare": (
        "share", "What is free of the embedded server's disk. Unknown with any other server.",
        _disk_free),
    "tickLagSeconds": (
        "s", "Since the listener's last look for changes, of the slowest worker of this machine.",
        _tick_lag),
    "healthCritical": ("1", "Checks of the health that are critical.", _health_critical),
    "healthWarn": ("1", "Checks of the health that warn.", _health_warn),
    "oldestTransactionSeconds": (
        "s", "How long the oldest open transaction of this database is open.",
        _now(figures.OLDEST_TRANSACTION)),
    "cacheHitRatio": (
        "share", "Blocks of the last 5 minutes that were in memory. Unknown below 1,000 blocks.",
        _cache_hit_ratio),
}  # fmt: skip
METRICS: Final = tuple(
    Metric(name=name, unit=unit, description=description)
    for name, (unit, description, _) in _READERS.items()
)
UNITS: Final[Mapping[str, str]] = {each.name: each.unit for each in METRICS}


async def read(source: Source, names: Collection[MetricName]) -> dict[MetricName, float | None]:
    """Read these metrics; None where one can't be read, which is logged."""
    look = Look(source)
    return {name: await _read(look, name) for name in names}


async def _read(look: Look, name: MetricName) -> float | None:
    try:
        return await _READERS[name][2](look)
    except _FAILURES as error:
        _log.warning("the metric %s could not be read: %s", name, error)
    except Exception:  # noqa: BLE001 -- a fault in one metric must not silence the rules of others
        _log.exception("the metric %s could not be read", name)
    return None
