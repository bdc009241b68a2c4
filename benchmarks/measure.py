"""Running contenders in interleaved rounds, and what one request cost each."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.cpu import tree_seconds
from benchmarks.load import Served

_MICRO = 1e6
_WARM_UP_REQUESTS = 10_000
_WARM_UP_RUNS = 12


@dataclass(frozen=True)
class Contender:
    """A server with a load for it. A pid of None: it has no such process, or it isn't counted."""

    name: str
    load: Callable[[float], Served]
    server_pid: int | None
    postgres_pid: int | None


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds: requests/s, milliseconds, and CPU in microseconds a request."""

    rate: float
    p50: float | None
    p99: float | None
    server: float | None
    postgres: float | None

    @property
    def total(self) -> float:
        """CPU of server and PostgreSQL, microseconds a request."""
        return (self.server or 0.0) + (self.postgres or 0.0)


@dataclass(frozen=True)
class Plan:
    """How long to measure: seconds a run, and runs of each contender."""

    seconds: float = 5
    rounds: int = 5


def interleaved(contenders: Sequence[Contender], plan: Plan) -> dict[str, Figures]:
    """Measure all in turn, round after round, so that a noisy minute touches each alike."""
    for contender in contenders:
        _warm_up(contender, plan.seconds)
    samples: dict[str, list[Figures]] = {contender.name: [] for contender in contenders}
    for _ in range(plan.rounds):
        for contender in contenders:
            samples[contender.name].append(_sample(contender, plan.seconds))
    return {name: _medians(figures) for name, figures in samples.items()}


def _warm_up(contender: Contender, seconds: float) -> None:
    """Load until a JIT compiler has seen enough, on a slow machine, too."""
    served = 0
    for _ in range(_WARM_UP_RUNS):
        served += contender.load(seconds).requests
        if served >= _WARM_UP_REQUESTS:
            return


def _sample(contender: Contender, seconds: float) -> Figures:
    before = _used(contender.server_pid), _used(contender.postgres_pid)
    served = contender.load(seconds)
    after = _used(contender.server_pid), _used(contender.postgres_pid)
    server, postgres = (
        None if a is None or b is None else (b - a) / served.requests * _MICRO
        for a, b in zip(before, after, strict=True)
    )
    return Figures(served.requests / served.seconds, served.p50, served.p99, server, postgres)


def _used(pid: int | None) -> float | None:
    return None if pid is None else tree_seconds(pid)


def _medians(samples: Sequence[Figures]) -> Figures:
    def median(name: str) -> float | None:
        values = [getattr(sample, name) for sample in samples]
        return None if None in values else statistics.median(values)

    return Figures(
        statistics.median(sample.rate for sample in samples),
        *(median(name) for name in ("p50", "p99", "server", "postgres")),
    )
