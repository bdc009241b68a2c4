"""One scrape shows all workers, and what a killed one counted stays counted."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from roost.telemetry import Instrument, Metrics, PoolState, Telemetry
from roost.telemetry.metrics import Snapshot
from roost.telemetry.workers import WorkerDirectory

_HITS = Instrument("counter", "hits", "{hit}", "Hits.")
_OPEN = Instrument("updown", "open", "{thing}", "Open.")
_TIMES = Instrument("histogram", "times", "s", "Times.", (1.0, 2.0))

# A worker that counts what it is told on stdin and says when it has.
_WORKER = """
import sys
from pathlib import Path
from roost.telemetry import Metrics, Instrument
metrics = Metrics(Path(sys.argv[1]))
hits = metrics.number(Instrument("counter", "hits", "{hit}", "Hits."))
opened = metrics.number(Instrument("updown", "open", "{thing}", "Open."))
times = metrics.distribution(Instrument("histogram", "times", "s", "Times.", (1.0, 2.0)))
opened.add(1)
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        hits.add(1)
        times.record(1.5)
    print("done", flush=True)
"""


class Worker:
    """A worker process."""

    def __init__(self, directory: Path) -> None:
        """Start it and wait until it counts."""
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WORKER, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._expect("ready")

    def count(self, times: int) -> None:
        """Have it count so often."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{times}\n")
        self.process.stdin.flush()
        self._expect("done")

    def kill(self) -> None:
        """End it as the kernel would when memory is short."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def _expect(self, word: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == word


@contextmanager
def workers(directory: Path) -> Iterator[Callable[[], Worker]]:
    """Give a way to start workers; all end with the test."""
    started: list[Worker] = []

    def start() -> Worker:
        started.append(Worker(directory))
        return started[-1]

    try:
        yield start
    finally:
        for worker in started:
            worker.kill()


def value(snapshot: Snapshot, instrument: Instrument) -> tuple[float, ...]:
    """Return the values of one instrument's only series."""
    [found] = [values for series, values in snapshot.items() if series.instrument == instrument]
    return found


def test_a_scrape_of_any_worker_shows_the_sum(tmp_path: Path) -> None:
    with workers(tmp_path) as start:
        start().count(3)
        start().count(4)
        own = Metrics(tmp_path)
        own.number(_HITS).add(10)
        total = WorkerDirectory(tmp_path).total(own)
    assert value(total, _HITS) == (17,)
    assert value(total, _OPEN) == (2,)
    assert value(total, _TIMES) == (0, 7, 0, 10.5)


def test_totals_never_fall_when_workers_are_killed_and_replaced(tmp_path: Path) -> None:
    own = Metrics(tmp_path)
    directory = WorkerDirectory(tmp_path)
    own.number(_HITS).add(1)
    with workers(tmp_path) as start:
        for number in range(1, 4):
            worker = start()
            worker.count(100)
            worker.kill()
            for _ in range(2):
                total = directory.total(own)
                assert value(total, _HITS) == (1 + number * 100,)
                assert value(total, _TIMES)[1] == number * 100
        alive = start()
        alive.count(5)
        total = WorkerDirectory(tmp_path).total(own)
    assert value(total, _HITS) == (306,)
    assert value(total, _OPEN) == (1,), "a dead worker has nothing open"
    assert len(list(tmp_path.glob("*.cells"))) == 2, "the dead leave no files"


def test_a_crash_while_folding_neither_loses_nor_doubles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Metrics(tmp_path)
    directory = WorkerDirectory(tmp_path)
    with workers(tmp_path) as start:
        worker = start()
        worker.count(100)
        worker.kill()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", _crash)
        with pytest.raises(KeyboardInterrupt):
            directory.total(own)
    for _ in range(2):
        assert value(directory.total(own), _HITS) == (100,)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", _crash)
        assert value(directory.total(own), _HITS) == (100,)


def test_scrapes_at_the_same_time_agree(tmp_path: Path) -> None:
    own = Metrics(tmp_path)
    with workers(tmp_path) as start:
        for _ in range(3):
            worker = start()
            worker.count(10)
            worker.kill()
        seen: list[float] = []

        def scrape() -> None:
            directory = WorkerDirectory(tmp_path)
            seen.extend(value(directory.total(own), _HITS)[0] for _ in range(20))

        threads = [Thread(target=scrape) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == [30.0] * 80


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    directory = tmp_path / "new"
    own = Metrics(directory)
    WorkerDirectory(directory).total(own)
    assert directory.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.glob("*.cells"))


async def test_gauges_of_a_worker_are_fresh_for_a_scrape_of_another(tmp_path: Path) -> None:
    env = {"ROOST_METRICS_DIR": str(tmp_path)}
    one = Telemetry.from_environment(env, service_version="1")
    other = Telemetry.from_environment(env, service_version="1")
    one.observer_of("main", "roost", lambda: PoolState(size=5, used=4, limit=9, waiting=0))
    ended = asyncio.Event()

    async def lifespan(_scope: object, _receive: object, _send: object) -> None:
        await ended.wait()

    serving = asyncio.create_task(one.middleware(lifespan)({"type": "lifespan"}, _none, _ignore))
    async with asyncio.timeout(10):
        while b'state="used"} 4.0' not in other.render_metrics()[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    ended.set()
    await serving
    one.shutdown()
    assert b'state="used"} 4.0' not in other.render_metrics()[0], "it is gone"


def test_a_figure_that_is_no_sum_is_that_of_the_worst_worker(tmp_path: Path) -> None:
    age = Instrument("gauge", "test.age", "s", "Since something.")
    workers = [Metrics(tmp_path) for _ in range(3)]
    for metrics, seconds in zip(workers, (2.0, 9.0, 4.0), strict=True):
        metrics.number(age).set(seconds)
    total = WorkerDirectory(tmp_path).total(workers[0])
    assert [values for series, values in total.items() if series.instrument == age] == [(9.0,)]


async def _none() -> dict[str, object]:
    return {}


async def _ignore(_message: object) -> None:
    return None


def _crash(*_arguments: object, **_options: object) -> None:
    raise KeyboardInterrupt
