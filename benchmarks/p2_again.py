"""P2: the page of P1 again, unchanged: out of the cache, and as 304, beside P1 itself."""

import http.client
from dataclasses import replace
from functools import partial

from benchmarks import load, roost_server, tools
from benchmarks.load import Request
from benchmarks.measure import Contender, Plan, interleaved
from benchmarks.postgres import scratch
from benchmarks.stage import filled_roost
from benchmarks.table import Verdict, report

_P1, _KEPT, _SAME = "P1: nothing kept (ROOST_CACHE_MB=0)", "out of the cache", "304"


def run(plan: Plan) -> None:
    """Measure and print. Both servers share one database."""
    program = tools.wrk()
    with (
        scratch() as directory,
        filled_roost(directory, roost_server.UNKEPT) as (without, postgres),
        roost_server.roost(directory / "roost", directory / "kept.log") as server,
    ):
        page = roost_server.list_request(server)
        asked = (
            (_P1, without, roost_server.list_request(without)),
            (_KEPT, server, page),
            (_SAME, server, _with_tags(page)),
        )
        contenders = [
            Contender(name, partial(load.wrk, program, request), each.pid, postgres.pid)
            for name, each, request in asked
        ]
        figures = interleaved(contenders, plan)
    report(
        "p2",
        "P2  The page of P1 again, unchanged",
        figures,
        [
            Verdict(f"requests/s of P1: {name}", figures[name].rate / figures[_P1].rate, 3.0,
                    at_most=False, unit=" x")
            for name in (_KEPT, _SAME)
        ],
    )  # fmt: skip


def _with_tags(request: Request) -> Request:
    """The same, by callers who say which page they have."""
    connection = http.client.HTTPConnection("127.0.0.1", request.port, timeout=30)
    callers = []
    for caller in request.callers:
        connection.request("GET", request.path, headers=dict(caller))
        answer = connection.getresponse()
        answer.read()
        callers.append({**caller, "If-None-Match": answer.headers["etag"]})
    connection.close()
    return replace(request, callers=callers)
