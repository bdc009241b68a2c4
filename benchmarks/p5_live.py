"""P5: from the commit to the client: 1,000 live clients of 100 workspaces, 100 commits a second."""

import asyncio
import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import asyncpg
from rich.table import Table

from benchmarks import data, live, roost_server
from benchmarks.cpu import tree_seconds
from benchmarks.live import Client
from benchmarks.postgres import Postgres, scratch
from benchmarks.processes import Server
from benchmarks.stage import filled_roost
from benchmarks.table import Verdict, finish
from roost.db.target import DATABASE

_CLIENTS, _RATE, _SECONDS = 1_000, 100, 20
_EACH = _CLIENTS // data.CALLERS
_MARK = re.compile(rb"commit (\d+)\.")
_LAST_WAIT = 5.0


@dataclass
class _Seen:
    """When each commit was made, and when each client heard of it."""

    made: dict[int, float] = field(default_factory=dict)
    heard: list[tuple[int, float]] = field(default_factory=list)

    def told(self, piece: bytes, now: float) -> None:
        """Note what a piece tells of."""
        for mark in _MARK.findall(piece):
            self.heard.append((int(mark), now))

    def latencies(self) -> list[float]:
        """Give them in milliseconds, in order."""
        return sorted(max(at - self.made[n], 0.0) * 1e3 for n, at in self.heard if n in self.made)


def run() -> None:
    """Measure and print."""
    live.allow_connections(_CLIENTS)
    with scratch() as directory, filled_roost(directory) as (server, postgres):
        began = _cpu(server, postgres)
        seen, lost = asyncio.run(_measure(server, postgres))
        ended = _cpu(server, postgres)
    found = seen.latencies()
    expected = _RATE * _SECONDS * _EACH
    table = Table(title="P5  From the commit to the client", title_justify="left")
    for heading in ("clients", "commits", "heard", "missing", "p50 ms", "p99 ms", "most ms",
                    "CPU ms a commit"):  # fmt: skip
        table.add_column(heading, justify="right")
    p50, p99 = statistics.median(found), found[int(len(found) * 0.99)]
    missing = expected - len(set(seen.heard)) + lost
    cpu = (ended - began) / len(seen.made) * 1e3
    figures = (f"{figure:.1f}" for figure in (p50, p99, found[-1], cpu))
    table.add_row(f"{_CLIENTS:,}", f"{len(seen.made):,}", f"{len(found):,}", str(missing), *figures)
    finish(
        "p5",
        table,
        [
            Verdict("p50", p50, 15, unit=" ms"),
            Verdict("p99", p99, 60, unit=" ms"),
            Verdict("events missing", missing, 0),
        ],
        [_NOTE],
        {"p50": p50, "p99": p99, "missing": missing, "cpu": cpu},
    )


_NOTE = (
    f"{_EACH} clients each of {data.CALLERS} workspaces, by server-sent events; each commit changes"
    " a task of one workspace. The clock starts when the commit is confirmed. CPU of Roost and"
    " PostgreSQL; one worker."
)


def _cpu(server: Server, postgres: Postgres) -> float:
    return tree_seconds(server.pid) + tree_seconds(postgres.pid)


async def _measure(server: Server, postgres: Postgres) -> tuple[_Seen, int]:
    seen = _Seen()
    clients: list[Client] = []
    loop = asyncio.get_running_loop()
    shape = {"table": "tasks", "columns": "workspace_id,id,title"}
    for caller in roost_server.callers():
        given = live.place(server, caller, **shape) | {"live_sse": "true"}
        asked = live.request(caller, given)
        for _ in range(_EACH):
            make = partial(Client, asked, seen.told)
            _, client = await loop.create_connection(make, "127.0.0.1", server.port)
            clients.append(client)
    await asyncio.sleep(1.0)
    await _commit(postgres, seen)
    expected = _RATE * _SECONDS * _EACH
    ends = loop.time() + _LAST_WAIT
    while len(seen.heard) < expected and loop.time() < ends:  # noqa: ASYNC110 -- many tell of it
        await asyncio.sleep(0.05)
    return seen, sum(client.lost for client in clients)


async def _commit(postgres: Postgres, seen: _Seen) -> None:
    """Change a task of one workspace after the other, at an even pace."""
    place = postgres.environment(DATABASE)
    connection = await asyncpg.connect(
        host=place["PGHOST"], port=int(place["PGPORT"]), user=place["PGUSER"], database=DATABASE
    )
    tasks = await _tasks(connection)
    loop = asyncio.get_running_loop()
    began = loop.time()
    for number in range(_RATE * _SECONDS):
        await asyncio.sleep(max(began + number / _RATE - loop.time(), 0))
        await connection.execute(
            "update tasks set title = $3 where workspace_id = $1 and id = $2",
            *tasks[number % len(tasks)],
            f"commit {number}.",
        )
        seen.made[number] = time.perf_counter()
    await connection.close()


async def _tasks(connection: asyncpg.Connection) -> Sequence[Sequence[object]]:
    """Give a task of each workspace by its key: workspace and id."""
    rows = await connection.fetch(
        "select workspace_id, min(id::text)::uuid as id from tasks"
        " where workspace_id = any($1::uuid[]) group by workspace_id",
        [data.tenant_id(number) for number in range(1, data.CALLERS + 1)],
    )
    return [tuple(row) for row in rows]
