"""P7: a workspace of 200 tasks as it was, with 100,000 of its changes journaled, and 1,000,000.

One client asks, one request after the other, each as of another tick of the whole time: so what is
measured is the answer, not the queue.
"""

import http.client
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from rich.table import Table

from benchmarks import data, roost_server
from benchmarks.cpu import tree_seconds
from benchmarks.postgres import Postgres, scratch
from benchmarks.processes import BenchError, Server
from benchmarks.stage import filled_roost
from benchmarks.table import Verdict, finish
from roost.db.target import DATABASE

_SIZES = (100_000, 1_000_000)
_TASKS_EACH = data.TASKS // data.TENANTS
_REQUESTS, _WARM_UP = 1_000, 100
_TENANT = 1
# A round changes each task once. Every fifth makes a tick, in a transaction of its own. And at each
# size as many tasks are deleted and others made: a read looks at the deletions since its tick.
_GONE = 25
_ROUNDS = """
do $$
begin
    for round in {first}..{last} loop
        update tasks set title = 'Round ' || round || left(title, 20), position = round,
            version = version + 1, updated_at = now()
        where workspace_id = '{tenant}';
        if round % {often} = 0 then
            delete from tasks where id = (
                select id from tasks where workspace_id = '{tenant}' order by created_at limit 1);
            insert into tasks (workspace_id, id, title, description)
            select '{tenant}', uuidv7(), 'New in round ' || round,
                repeat('Please look at the failing test and say why it fails. ', 4);
        end if;
        commit;
        if round % 5 = 0 then
            perform journal.make_tick();
            commit;
        end if;
    end loop;
end $$;
"""
_COUNT = "select count(*) from journal.journal where workspace_id = '{tenant}'"


@dataclass(frozen=True)
class Latency:
    """Of one kind of request, in milliseconds; `cpu` is Roost's and PostgreSQL's together."""

    p50: float
    p99: float
    most: float
    cpu: float


def run() -> None:
    """Measure and print."""
    measured: dict[str, dict[str, Latency]] = {}
    with scratch() as directory, filled_roost(directory, roost_server.UNKEPT) as (server, postgres):
        done = 0
        for size in _SIZES:
            done = _grow(postgres, size, done)
            measured[f"{size:,}"] = _measure(server, postgres)
    table = Table(title="P7  A workspace of 200 tasks as it was", title_justify="left")
    for heading in ("changes in its journal", "request", "p50 ms", "p99 ms", "most ms", "CPU ms"):
        table.add_column(heading, justify="left" if heading == "request" else "right")
    for size_name, latencies in measured.items():
        for name, found in latencies.items():
            figures = (f"{figure:.1f}" for figure in asdict(found).values())
            table.add_row(size_name, name, *figures)
    finish("p7", table, _verdicts(measured), [_NOTE], {
        size: {name: asdict(found) for name, found in latencies.items()}
        for size, latencies in measured.items()
    })  # fmt: skip


_NOTE = (
    f"{_REQUESTS} requests of each kind, as of ticks chosen by chance of all that were made;"
    " the first 200,000 tasks of 1,000 tenants are in the same tables and journal. At each size"
    f" {_GONE} of the 200 tasks were deleted and as many made."
)


def _verdicts(measured: dict[str, dict[str, Latency]]) -> list[Verdict]:
    few, many = measured.values()
    listed = next(iter(few))
    return [
        *(
            Verdict(f"p99 with {size} changes", found[listed].p99, 30, unit=" ms")
            for size, found in measured.items()
        ),
        Verdict(
            "CPU per request with ten times the changes",
            many[listed].cpu / few[listed].cpu,
            1.3,
            unit=" x",
        ),
    ]


def _grow(postgres: Postgres, size: int, done: int) -> int:
    """Change the tenant's tasks until its journal has that many entries; gives the last round."""
    tenant = data.tenant_id(_TENANT)
    known = int(postgres.psql(DATABASE, _COUNT.format(tenant=tenant)))
    last = done + (size - known) // _TASKS_EACH
    often = max((last - done) // _GONE, 1)
    rounds = _ROUNDS.format(first=done + 1, last=last, tenant=tenant, often=often)
    postgres.psql(DATABASE, rounds)
    postgres.psql(DATABASE, "vacuum analyze")
    postgres.psql(DATABASE, "checkpoint")
    return last


def _measure(server: Server, postgres: Postgres) -> dict[str, Latency]:
    ticks = [int(line) for line in postgres.psql(DATABASE, "select id from journal.tick").split()]
    tenant = data.tenant_id(_TENANT)
    task = postgres.psql(
        DATABASE,
        f"select id from tasks where workspace_id = '{tenant}' order by created_at limit 1",
    ).strip()
    chance = random.Random(7)  # noqa: S311 -- a choice of ticks, the same each time

    def then() -> int:
        return chance.choice(ticks)

    filtered = "/tasks?limit=20&status=pending&sort=-priority,title"
    paths: dict[str, Callable[[], str]] = {
        "GET /tasks?asOf= (20 of 200)": lambda: f"/tasks?limit=20&asOf={then()}",
        "GET /tasks?asOf= (a filter, an order)": lambda: f"{filtered}&asOf={then()}",
        "GET /tasks/{id}?asOf=": lambda: f"/tasks/{task}?asOf={then()}",
        "GET /tasks (now)": lambda: "/tasks?limit=20",
    }
    return {name: _ask(server, postgres, path) for name, path in paths.items()}


def _ask(server: Server, postgres: Postgres, path: Callable[[], str]) -> Latency:
    headers = roost_server.callers()[_TENANT - 1]
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    taken = []
    used = 0.0
    for number in range(_WARM_UP + _REQUESTS):
        if number == _WARM_UP:
            used = tree_seconds(server.pid) + tree_seconds(postgres.pid)
        target = roost_server.API + path()
        began = time.perf_counter()
        connection.request("GET", target, headers=headers)
        answer = connection.getresponse()
        content = answer.read()
        if number >= _WARM_UP:
            taken.append((time.perf_counter() - began) * 1e3)
        # A task may not have been made yet.
        if answer.status not in {200, 404}:
            msg = f"{target} gave {answer.status}: {content[:2000]!r}"
            raise BenchError(msg)
    connection.close()
    used = tree_seconds(server.pid) + tree_seconds(postgres.pid) - used
    cuts = statistics.quantiles(taken, n=100)
    return Latency(cuts[49], cuts[98], max(taken), used / _REQUESTS * 1e3)
