"""`roost bench`: measure the database of the settings, and hold it against the baseline."""

import asyncio
import json
import signal
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar
from rich.table import Table

from roost.cli.context import (
    AsJson,
    CommandError,
    DatabaseUrl,
    DataDir,
    opened,
    read_settings,
    ready,
    say,
)
from roost.db.pool import Database
from roost.db.target import Target
from roost.performance.benchmarks.model import SUITES, Change, Order, RunDetail

BaselineUse = Literal["save", "compare", "none"]
_COLOURS = {"regression": "red", "improvement": "green", "notEnough": "yellow", "same": "default"}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the command line asked for."""

    order: Order
    baseline: BaselineUse
    quiet: bool


def bench(  # noqa: PLR0913 -- a command line has as many options as it has
    *,
    suite: Annotated[
        list[str] | None,
        typer.Option(
            help=f"What to measure: {', '.join(SUITES)}; may be given several times. Default:"
            " all of them.",
            show_default=False,
        ),
    ] = None,
    repetitions: Annotated[
        int, typer.Option(help="Rounds; the first does not count.", min=3, max=20)
    ] = 5,
    max_seconds: Annotated[
        int, typer.Option(help="Time that all of it may take.", min=5, max=600)
    ] = 60,
    name: Annotated[str | None, typer.Option(help="What to call it.", show_default=False)] = None,
    baseline: Annotated[
        BaselineUse,
        typer.Option(
            help="compare: hold it against the baseline, if there is one; save: make it the"
            " baseline; none: neither."
        ),
    ] = "compare",
    fail_on_regression: Annotated[
        bool,
        typer.Option("--fail-on-regression", help="End with 1 when something became slower."),
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> None:
    """Measure the database, in a schema that is removed again; a server may run beside it."""
    given: dict[str, Any] = {"repetitions": repetitions, "maxSeconds": max_seconds, "name": name}
    for each in suite or ():
        if each not in SUITES:
            message = f"{each!r} is none of {', '.join(SUITES)}"
            raise typer.BadParameter(message, param_hint="--suite")
        given.setdefault("suites", []).append(each)
    try:
        order = msgspec.convert(given, Order)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(str(error)) from error
    with opened(*read_settings(data_dir, database_url)) as target:
        try:
            run = asyncio.run(_run(target, _Wanted(order, baseline, as_json)))
        except asyncio.CancelledError as error:
            message = "the benchmark was ended"
            raise CommandError(message) from error
    if as_json:
        print(json.dumps(msgspec.to_builtins(run)))  # noqa: T201 -- the command line speaks here
    else:
        _tell(run)
    if run.state != "completed":
        message = f"the benchmark was {run.state}" + (f": {run.error}" if run.error else "")
        raise CommandError(message)
    slower = [each for each in _changes(run) if each.verdict == "regression"]
    if fail_on_regression and slower:
        names = ", ".join(f"{each.suite}.{each.name}" for each in slower)
        message = f"slower than the baseline: {names}"
        raise CommandError(message)


async def _run(target: Target, wanted: _Wanted) -> RunDetail:
    # Here, for it loads everything: `roost --help` should not wait for that.
    from roost.performance.benchmarks import shelf  # noqa: PLC0415
    from roost.performance.benchmarks.service import Benchmarks  # noqa: PLC0415

    _end_on_terminate()
    prepared = await ready(target)
    database = await Database.connect(prepared.doctor or prepared.pool)
    try:
        if wanted.baseline == "compare" and await shelf.baseline(database) is not None:
            wanted.order.baseline = "latest"
        with _bar(quiet=wanted.quiet) as bar:
            task = bar.add_task("", total=None, suite="")

            def show(done: int, total: int, current: str | None) -> None:
                bar.update(task, completed=done, total=total, suite=current or "")

            run_id = await Benchmarks(database).run(wanted.order, show)
        run = await shelf.detail(database, run_id)
        if wanted.baseline == "save" and run.state == "completed":
            run = await shelf.make_baseline(database, run_id)
        return run
    finally:
        await database.close()


def _end_on_terminate() -> None:
    """Have SIGTERM end it as Ctrl-C does: the schema is removed first."""
    task = asyncio.current_task()
    if task is not None:
        with suppress(NotImplementedError):  # not on Windows
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


def _bar(*, quiet: bool) -> Bar:
    return Bar(
        TextColumn("{task.fields[suite]:<12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=quiet,
        transient=True,
    )


def _tell(run: RunDetail) -> None:
    """Print what was measured and, where there is a baseline, how it has changed."""
    console = Console()
    # Rich takes a file for 80 columns wide, and would cut the last ones off.
    console = console if console.is_terminal else Console(width=120)
    console.print(f"Benchmark {run.id}: {run.state}", _table(run), sep="\n")
    if run.is_cut:
        say("The time was over before all rounds were; --max-seconds gives it more.")
    if run.is_baseline:
        say("It is the baseline now.")
    for difference in run.comparison.differences if run.comparison else ():
        say(f"{difference.name} was {difference.before}, and is {difference.after}.")


def _table(run: RunDetail) -> Table:
    changes = {(each.suite, each.name): each for each in _changes(run)}
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("measure", no_wrap=True)
    heads = ["ops/s", "p50 ms", "p95 ms", "p99 ms"]
    for head in [*heads, "change", "95 % interval", "verdict"] if changes else heads:
        table.add_column(head, justify="right", no_wrap=True)
    for each in run.results:
        cells = [
            f"{each.suite}.{each.name}",
            f"{each.ops_per_second:,.0f}",
            *(f"{value:.2f}" for value in (each.p50_ms, each.p95_ms, each.p99_ms)),
        ]
        if change := changes.get((each.suite, each.name)):
            cells += [
                f"{change.change:+.0%}",
                f"{change.low:+.0%} to {change.high:+.0%}",
                f"[{_COLOURS[change.verdict]}]{change.verdict}[/]",
            ]
        table.add_row(*cells)
    return table


def _changes(run: RunDetail) -> list[Change]:
    return run.comparison.changes if run.comparison else []
