"""`python -m benchmarks [p1|…|doctor|executions|all]`: run benchmarks and print their tables."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from functools import partial

from benchmarks import (
    bulk,
    doctor,
    executions,
    journal_cost,
    p1_list,
    p2_again,
    p3_create,
    p4_migrate,
    p5_live,
    p6_fan_out,
    p7_asof,
    p9_start,
    p10_telemetry,
)
from benchmarks.measure import Plan
from benchmarks.processes import BenchError
from benchmarks.stage import stage

_NAMES = (
    "p1",
    "p2",
    "p3",
    "p4",
    "p5",
    "p6",
    "p7",
    "p9",
    "p10",
    "bulk",
    "journal",
    "doctor",
    "executions",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=(*_NAMES, "all"), default="all", metavar="NAME")
    parser.add_argument("--seconds", type=float, default=5, help="length of a run (5)")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each server (5)")
    options = parser.parse_args(arguments)
    chosen = _NAMES if "all" in options.names else tuple(n for n in _NAMES if n in options.names)
    _warn_if_busy()
    # Ended from outside, it still ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    try:
        _run(chosen, Plan(options.seconds, options.rounds))
    except BenchError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 1
    return 0


def _warn_if_busy() -> None:
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load > cores / 2:
        print(
            f"The machine is busy (load {load:.1f} on {cores} cores): trust only CPU per request,"
            " and that with care.",
            file=sys.stderr,
        )


def _run(chosen: Sequence[str], plan: Plan) -> None:
    alone: dict[str, Callable[[], None]] = {
        "p9": p9_start.run,
        "p10": partial(p10_telemetry.run, plan),
        "p2": partial(p2_again.run, plan),
        "bulk": bulk.run,
        "doctor": doctor.run,
        "executions": partial(executions.run, plan),
        "journal": partial(journal_cost.run, plan),
        "p4": p4_migrate.run,
        "p5": p5_live.run,
        "p6": p6_fan_out.run,
        "p7": p7_asof.run,
    }
    for name, run in alone.items():
        if name in chosen:
            run()
    if "p1" in chosen or "p3" in chosen:
        with stage() as all_servers:
            # Reading first: P3 adds rows.
            if "p1" in chosen:
                p1_list.run(all_servers, plan)
            if "p3" in chosen:
                p3_create.run(all_servers, plan)


if __name__ == "__main__":
    sys.exit(main())
