"""What a worker's listener tells of itself: how far behind it is, and who waits for it."""

from typing import Final

from roost.journal.listener import Heard, Listener
from roost.telemetry.metrics import Instrument, Metrics

_STALL: Final = 1.0
_LAG: Final = Instrument(
    "histogram",
    "roost.ticks.lag",
    "s",
    "From the look at the database that found a change until all of the worker was told of it.",
    (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0),
)
_WINDOW: Final = Instrument(
    "histogram",
    "roost.ticks.window",
    "{table}",
    "Tables that were touched between two ticks, each counted for each workspace.",
    (1, 2, 5, 10, 25, 50, 100, 250, 1000),
)
_STALLS: Final = Instrument(
    "counter", "roost.ticks.stalls", "{stall}", "Changes that took over a second to be told."
)
_LOSSES: Final = Instrument(
    "counter", "roost.ticks.losses", "{loss}", "How often the database could not be looked at."
)
_AGE: Final = Instrument(
    "gauge", "roost.ticks.age", "s", "Since the last look at the database that succeeded."
)
_WAITING: Final = Instrument(
    "updown", "roost.sync.waiting", "{request}", "Requests that wait for changes."
)


def watch(metrics: Metrics, listener: Listener) -> None:
    """Have them told with the other metrics."""
    lags, windows = metrics.distribution(_LAG), metrics.distribution(_WINDOW)
    stalls = metrics.number(_STALLS)
    ticker = listener.ticker

    def told(heard: Heard, lag: float) -> None:
        lags.record(lag)
        windows.record(sum(map(len, heard.touched.values())))
        if lag > _STALL:
            stalls.add(1)

    listener.when_told(told)
    metrics.observe(_LOSSES, lambda: [((), float(ticker.losses))])
    metrics.observe(_AGE, lambda: [((), ticker.age)])
    metrics.observe(_WAITING, lambda: [((), float(ticker.live))])
