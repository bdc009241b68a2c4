"""What the cache tells of itself."""

from typing import Any, Final

from roost.cache.coherent import Cache
from roost.telemetry.metrics import Instrument, Metrics, Observations

_READS: Final = Instrument(
    "counter",
    "roost.cache.reads",
    "{read}",
    "Reads that could be kept: `hit`; `shared`, another worker had kept it; `joined`, one read for "
    "several; `miss`; `newer`, something was committed a moment ago; `off`, the database is not "
    "listened to.",
)
_DROPPED: Final = Instrument(
    "counter", "roost.cache.dropped", "{entry}", "Entries dropped because something touched them."
)
_BYTES: Final = Instrument("updown", "roost.cache.size", "By", "Memory that entries take.")
_ENTRIES: Final = Instrument("updown", "roost.cache.entries", "{entry}", "Entries that are kept.")
_RESULTS: Final = ("hit", "shared", "joined", "miss", "newer", "off")


def watch(metrics: Metrics, cache: Cache[Any]) -> None:
    """Have its counts told with the other metrics."""

    def reads() -> Observations:
        return [((("result", name),), float(cache.counts[name])) for name in _RESULTS]

    metrics.observe(_READS, reads)
    metrics.observe(_DROPPED, lambda: [((), float(cache.counts["dropped"]))])
    metrics.observe(_BYTES, lambda: [((), float(cache.entries.bytes))])
    metrics.observe(_ENTRIES, lambda: [((), float(len(cache.entries)))])
