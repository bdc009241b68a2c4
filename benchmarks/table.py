"""Printing what was measured, and keeping it as JSON."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import Figures

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Verdict:
    """One line of a budget: what was measured against its bound."""

    what: str
    measured: float
    bound: float
    at_most: bool = True
    unit: str = ""

    @property
    def met(self) -> bool:
        """Whether the budget is kept."""
        return self.measured <= self.bound if self.at_most else self.measured >= self.bound

    def __str__(self) -> str:
        """Say it in a line."""
        sign = "≤" if self.at_most else "≥"
        word = "met" if self.met else "MISSED"
        measured, bound = (_number(value) + self.unit for value in (self.measured, self.bound))
        return f"{word:6}  {self.what}: {measured} ({sign} {bound})"


def report(
    name: str,
    title: str,
    figures: Mapping[str, Figures],
    verdicts: Sequence[Verdict],
    notes: Sequence[str] = (),
) -> None:
    """Print a table of servers with its verdicts."""
    table = Table(title=title, title_justify="left")
    table.add_column("server")
    headings = (
        "requests/s",
        "p50 ms",
        "p99 ms",
        "server µs/req",
        "PostgreSQL µs/req",
        "CPU µs/req",
    )
    for heading in headings:
        table.add_column(heading, justify="right")
    for server, f in figures.items():
        cells = (f.rate, f.p50, f.p99, f.server, f.postgres, f.total)
        table.add_row(server, *("-" if cell is None else _number(cell) for cell in cells))
    finish(name, table, verdicts, notes, {server: asdict(f) for server, f in figures.items()})


def finish(
    name: str,
    table: Table,
    verdicts: Sequence[Verdict],
    notes: Sequence[str],
    measured: Mapping[str, object],
) -> None:
    """Print a table, its verdicts and notes, and write all of it under `results/`."""
    console = Console(width=120)
    console.print()
    console.print(table)
    for line in (*map(str, verdicts), *notes):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    RESULTS.mkdir(exist_ok=True)
    document = {
        "benchmark": name,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "measured": measured,
        "verdicts": [{**asdict(verdict), "met": verdict.met} for verdict in verdicts],
        "notes": list(notes),
    }
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    (RESULTS / f"{name}.json").write_text(text, encoding="utf-8")


def _number(value: float) -> str:
    if value >= 100:  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"  # noqa: PLR2004
