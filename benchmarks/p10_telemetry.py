"""P10: what telemetry costs a request: P1 with it on, as it is by default, and off."""

from functools import partial

from benchmarks import load, roost_server, tools
from benchmarks.measure import Contender, Plan, interleaved
from benchmarks.postgres import scratch
from benchmarks.stage import filled_roost
from benchmarks.table import Verdict, report

_ON, _OFF = "telemetry on (default)", "telemetry off (OTEL_SDK_DISABLED=true)"


def run(plan: Plan) -> None:
    """Measure and print. Both servers share one database."""
    program = tools.wrk()
    with (
        scratch() as directory,
        filled_roost(directory, roost_server.UNKEPT) as (on, postgres),
        roost_server.roost(directory / "roost", directory / "quiet.log", roost_server.QUIET) as off,
    ):
        contenders = [
            Contender(
                name,
                partial(load.wrk, program, roost_server.list_request(server)),
                server.pid,
                postgres.pid,
            )
            for name, server in ((_ON, on), (_OFF, off))
        ]
        figures = interleaved(contenders, plan)
    more = (figures[_ON].total / figures[_OFF].total - 1) * 100
    report(
        "p10",
        "P10  Telemetry on against off, the request of P1",
        figures,
        [Verdict("more CPU per request with telemetry", more, 15, unit=" %")],
    )
