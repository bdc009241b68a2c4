"""P9: from the command to the first 200, on an empty folder and again."""

import statistics
import time
from pathlib import Path

from rich.table import Table

from benchmarks import roost_server
from benchmarks.cpu import tree_seconds
from benchmarks.postgres import scratch
from benchmarks.table import Verdict, finish

_ROUNDS = 5
_COLD, _WARM = "empty folder", "warm"


def run() -> None:
    """Measure and print."""
    starts: dict[str, list[tuple[float, float]]] = {_COLD: [], _WARM: []}
    for _ in range(_ROUNDS):
        with scratch() as directory:
            for way in (_COLD, _WARM):
                starts[way].append(_start(directory))
    table = Table(title="P9  Start to the first 200 of /readyz", title_justify="left")
    for heading in ("start", "median s", "least", "most", "CPU s"):
        table.add_column(heading, justify="left" if heading == "start" else "right")
    medians = {}
    for way, both in starts.items():
        seconds, cpu = zip(*both, strict=True)
        medians[way] = statistics.median(seconds)
        figures = (medians[way], min(seconds), max(seconds), statistics.median(cpu))
        table.add_row(way, *(f"{figure:.2f}" for figure in figures))
    finish(
        "p9",
        table,
        [
            Verdict(_COLD, medians[_COLD], 4, unit=" s"),
            Verdict(_WARM, medians[_WARM], 1.5, unit=" s"),
        ],
        [
            f"{_ROUNDS} starts each, Python's byte code compiled, files in the page cache.",
            "CPU: of Roost's process, without PostgreSQL's.",
        ],
        {way: {"seconds and CPU": both} for way, both in starts.items()},
    )


def _start(directory: Path) -> tuple[float, float]:
    began = time.perf_counter()
    with roost_server.roost(directory / "roost", directory / "roost.log") as server:
        return time.perf_counter() - began, tree_seconds(server.pid)
