"""The sum over all workers, living and dead, so that a scrape of any one shows the whole.

Every worker has a file of cells in one directory. Whoever is scraped sums them under the
directory's lock. What a dead worker counted is folded into `departed.json` and its file removed;
the names folded are written with the sums, in one rename, so that a crash in between neither
loses nor doubles anything: totals only ever grow.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from roost.telemetry.cells import SUFFIX
from roost.telemetry.metrics import Metrics, Series, Snapshot, add_snapshot, read_snapshot

_MONOTONE = frozenset({"counter", "histogram"})


class _Departed(msgspec.Struct):
    folded: list[str] = []
    series: list[tuple[Series, tuple[float, ...]]] = []


class WorkerDirectory:
    """The directory the workers of one server share."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._ledger = directory / "departed.json"

    def total(self, own: Metrics) -> Snapshot:
        """Return the sum of every worker's series; gauges of living workers only."""
        own.publish()
        with self._locked():
            departed = self._read_ledger()
            living: list[Snapshot] = []
            dead: list[tuple[str, Snapshot]] = []
            leftovers: list[Path] = []
            for path in sorted(self._directory.glob(f"*{SUFFIX}")):
                if path.name in departed.folded:
                    leftovers.append(path)
                elif path == own.cells.path or _is_locked(path):
                    living.append(read_snapshot(path.read_bytes()))
                else:
                    dead.append((path.name, read_snapshot(path.read_bytes())))
            total = dict(departed.series)
            for _, snapshot in dead:
                add_snapshot(total, _monotone(snapshot))
            if dead or leftovers:
                self._fold(total, [name for name, _ in dead], leftovers)
            for snapshot in living:
                add_snapshot(total, snapshot)
            return total

    def _fold(self, total: Snapshot, names: list[str], leftovers: list[Path]) -> None:
        for path in leftovers:
            path.unlink(missing_ok=True)
        ledger = _Departed(folded=names, series=list(total.items()))
        draft = self._ledger.with_suffix(".draft")
        draft.write_bytes(msgspec.json.encode(ledger))
        draft.replace(self._ledger)
        for name in names:
            (self._directory / name).unlink(missing_ok=True)

    def _read_ledger(self) -> _Departed:
        try:
            return msgspec.json.decode(self._ledger.read_bytes(), type=_Departed)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Departed()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        descriptor = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _monotone(snapshot: Snapshot) -> Snapshot:
    return {s: values for s, values in snapshot.items() if s.instrument.kind in _MONOTONE}


def _is_locked(path: Path) -> bool:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
