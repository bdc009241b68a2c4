"""Agents at work: claims, steps, states and timelines."""

import http.client
import json
import random
import statistics
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from rich.table import Table

from benchmarks import data, load, roost_server, tools
from benchmarks.load import Request
from benchmarks.measure import Contender, Plan, interleaved
from benchmarks.postgres import PgBench, Postgres, scratch
from benchmarks.processes import BenchError, Server
from benchmarks.stage import LIMIT, filled_roost
from benchmarks.table import Verdict, finish, report
from roost.db.target import DATABASE

_WAITING = 4_000
"""Tasks that wait for a claim, in each caller's workspace."""
_RUN_OF, _IN_BATCH, _ASKED = 10_000, 20, 1_000
_ONE, _MANY = "one step a request", f"{_IN_BATCH} steps a request"
_RANK = "array_position('{urgent,high,medium,low}'::text[], priority)"


def run(plan: Plan) -> None:
    """Measure and print."""
    program = tools.wrk()
    with scratch() as directory, filled_roost(directory, roost_server.UNKEPT) as (server, postgres):
        postgres.psql(DATABASE, _waiting())
        runs = [_claim(server, caller) for caller in roost_server.callers()]
        _claims(program, server, postgres, plan)
        _steps(program, server, postgres, plan, runs)
        _travels(server, roost_server.callers()[0], runs[0])


def _waiting() -> str:
    tenant, user = (
        f"{data.id_sql(kind, 'c')}::uuid" for kind in (data.TENANT_KIND, data.USER_KIND)
    )
    return f"""
set session_replication_role = replica;
insert into tasks (workspace_id, id, title, priority, labels, created_by, created_at)
select {tenant}, gen_random_uuid(), 'Waits ' || i,
    ('{{low,medium,high,urgent}}'::text[])[1 + i % 4], '{{bug,backend}}', {user},
    timestamptz '2026-01-01' + i * interval '1 second'
from generate_series(1, {data.CALLERS}) c, generate_series(1, {_WAITING}) i;
vacuum analyze tasks;
checkpoint;
"""


def _claims(program: str, server: Server, postgres: Postgres, plan: Plan) -> None:
    headers = [{**each, "Content-Type": "application/json"} for each in roost_server.callers()]
    body = json.dumps({"agent": "benchmark"})
    request = Request(server.port, f"{roost_server.API}/executions/claim", headers, "POST", body)
    tenant = data.id_sql(data.TENANT_KIND, ":caller")
    bare = f"""\\set caller random(1, {data.CALLERS})
update tasks set status = 'in_progress', version = version + 1, updated_at = now()
where workspace_id = {tenant}::uuid and id = (
    select id from tasks where workspace_id = {tenant}::uuid and status = 'pending'
        and archived_at is null
    order by {_RANK}, created_at, id limit 1 for no key update skip locked)
returning id;
"""
    limit = PgBench(postgres, DATABASE, "postgres", bare, load.CONNECTIONS)
    contenders = [
        Contender(roost_server.NAME, partial(load.wrk, program, request), server.pid, postgres.pid),
        Contender(LIMIT, limit, None, postgres.pid),
    ]
    figures = interleaved(contenders, plan)
    left = int(postgres.psql(DATABASE, "select count(*) from tasks where title like 'Waits%'"
                             " and status = 'pending'"))  # fmt: skip
    if left < data.CALLERS * _WAITING / 20:
        msg = f"only {left} tasks were left at the end: claims may have found nothing"
        raise BenchError(msg)
    ratio = figures[roost_server.NAME].rate / figures[LIMIT].rate
    report(
        "claims",
        "Claims",
        figures,
        [Verdict("claims/s of pgbench", ratio, 0.3, at_most=False, unit=" x")],
        ["Both write the journal. Roost also makes the run, and gives task and environment."],
    )


def _claim(server: Server, caller: Mapping[str, str]) -> str:
    answer = _ask(server, caller, "POST", "/executions/claim",
                  {"agent": "benchmark", "leaseSeconds": 86_400})  # fmt: skip
    return str(answer["data"]["id"])


def _state(number: int, files: int = 20) -> dict[str, Any]:
    """A state of about a hundred bytes a file, of which a little changes each time."""
    chance = random.Random(0)  # noqa: S311 -- the same each time
    listed = {f"src/file_{n}.py": f"{chance.getrandbits(256):064x}" for n in range(files)}
    return {"files": listed | {f"src/file_{number % files}.py": str(number)}, "step": number}


def _steps(program: str, server: Server, postgres: Postgres, plan: Plan, runs: list[str]) -> None:
    headers = [{**each, "Content-Type": "application/json"} for each in roost_server.callers()]

    def step(number: int) -> dict[str, Any]:
        call = {"tool": "bash", "arguments": ["make", "test"], "number": number}
        return {"type": "tool_call", "data": call, "state": _state(number)}

    # A prime number of bodies, so that each run gets them all.
    ones = [json.dumps(step(number)) for number in range(7)]
    manys = [
        json.dumps({"steps": [step(number * _IN_BATCH + n) for n in range(_IN_BATCH)]})
        for number in range(7)
    ]
    paths = [f"{roost_server.API}/executions/{run}/steps" for run in runs]
    callers = headers * len(ones)
    asked = {
        _ONE: Request(server.port, "", callers, "POST", "", 201, paths, ones),
        _MANY: Request(
            server.port, "", callers, "POST", "", 201, [f"{path}/batch" for path in paths], manys
        ),
    }
    contenders = [
        Contender(name, partial(load.wrk, program, request), server.pid, postgres.pid)
        for name, request in asked.items()
    ]
    figures = interleaved(contenders, plan)
    report(
        "steps",
        "Steps recorded, each with a state of 2 KB",
        figures,
        [
            Verdict("steps/s, one a request", figures[_ONE].rate, 1_000, at_most=False),
            Verdict(
                f"steps/s, {_IN_BATCH} a request",
                figures[_MANY].rate * _IN_BATCH,
                1_000,
                at_most=False,
            ),
        ],
    )


def _travels(server: Server, caller: Mapping[str, str], run: str) -> None:
    """Measure one reader of one long run, one request after the other."""
    place = f"/executions/{run}"
    recorded = int(_ask(server, caller, "GET", place)["data"]["stepCount"])
    for first in range(recorded, recorded + _RUN_OF, 200):
        steps = [
            {"type": "message", "data": {"n": n}, "state": _state(n, files=200)}
            for n in range(first, first + 200)
        ]
        _ask(server, caller, "POST", f"{place}/steps/batch", {"steps": steps})
    chance = random.Random(1)  # noqa: S311 -- the same each time

    def at_random(_: int) -> str:
        return f"{place}/state?step={chance.randint(recorded + 1, recorded + _RUN_OF)}"

    states = _times(server, caller, at_random, _ASKED)
    pages: list[float] = []
    cursor = ""
    while True:
        started = time.perf_counter()
        page = _ask(server, caller, "GET", f"{place}/timeline?limit=100{cursor}")
        pages.append((time.perf_counter() - started) * 1000)
        following = page["pagination"]["nextCursor"]
        if following is None:
            break
        cursor = f"&cursor={following}"
    early, late = (statistics.median(part) for part in (pages[1:11], pages[-11:-1]))
    p99 = statistics.quantiles(states, n=100)[98]
    p50 = statistics.median(states)
    title = f"A run of {recorded + _RUN_OF:,} steps, its state 20 KB"
    table = Table("read", "p50 ms", "p99 ms", title=title, title_justify="left")
    table.add_row("the state at a step", f"{p50:.1f}", f"{p99:.1f}")
    table.add_row("timeline, the first pages of 100", f"{early:.1f}", "")
    table.add_row("timeline, the last pages of 100", f"{late:.1f}", "")
    finish(
        "travel",
        table,
        [
            Verdict("p99 of the state at a step", p99, 20, unit=" ms"),
            Verdict("the last pages of the timeline", late / early, 1.5, unit=" x the first"),
        ],
        [],
        {"state": {"p50": p50, "p99": p99}, "early": early, "late": late},
    )


def _times(
    server: Server, caller: Mapping[str, str], path: Callable[[int], str], count: int
) -> list[float]:
    found = []
    for number in range(count + 50):
        started = time.perf_counter()
        _ask(server, caller, "GET", path(number))
        if number >= 50:  # noqa: PLR2004 -- the first ones warm it up
            found.append((time.perf_counter() - started) * 1000)
    return found


def _ask(
    server: Server, caller: Mapping[str, str], method: str, path: str, body: object = None
) -> Any:  # noqa: ANN401 -- JSON
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    headers = {**caller, "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body)
    connection.request(method, f"{roost_server.API}{path}", content, headers)
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status >= 300:  # noqa: PLR2004 -- not a success
        msg = f"{method} {path} gave {answer.status}: {text[:500]!r}"
        raise BenchError(msg)
    return json.loads(text)
