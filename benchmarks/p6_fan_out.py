"""P6: one change to 10,000 clients of one shape that wait on one worker."""

import asyncio
import time

import asyncpg
from rich.table import Table

from benchmarks import data, live, roost_server
from benchmarks.live import Client
from benchmarks.postgres import Postgres, scratch
from benchmarks.processes import Server
from benchmarks.stage import filled_roost
from benchmarks.table import Verdict, finish
from roost.db.target import DATABASE

_CLIENTS, _ROUNDS = 10_000, 3
_AT_ONCE = 200
_DEADLINE = 60.0


def run() -> None:
    """Measure and print."""
    live.allow_connections(_CLIENTS)
    table = Table(title="P6  One change to 10,000 clients", title_justify="left")
    for heading in ("clients wait by", "served", "all within s", "KB a client"):
        table.add_column(heading, justify="left" if heading.endswith("by") else "right")
    verdicts, measured = [], {}
    for name, more in (("long poll", {}), ("server-sent events", {"live_sse": "true"})):
        # A server of its own: memory that the one before has left would be counted as free.
        with scratch() as directory, filled_roost(directory) as (server, postgres):
            seconds, memory = asyncio.run(_measure(server, postgres, more))
        each = memory / _CLIENTS / 1000
        table.add_row(name, f"{_CLIENTS:,}", f"{max(seconds):.2f}", f"{each:.1f}")
        verdicts.append(Verdict(f"all served, {name}", max(seconds), 2, unit=" s"))
        verdicts.append(Verdict(f"memory a client, {name}", each, 40, unit=" KB"))
        measured[name] = {"seconds": seconds, "kilobytes": each}
    note = f"The slowest of {_ROUNDS} changes; from the commit to the last client's answer."
    finish("p6", table, verdicts, [note], measured)


async def _measure(
    server: Server, postgres: Postgres, more: dict[str, str]
) -> tuple[list[float], float]:
    """Seconds of each round, and bytes that the clients take in the server's memory."""
    place = postgres.environment(DATABASE)
    connection = await asyncpg.connect(
        host=place["PGHOST"], port=int(place["PGPORT"]), user=place["PGUSER"], database=DATABASE
    )
    caller = roost_server.callers()[0]
    shape = {"table": "tasks", "columns": "workspace_id,id,title"}
    live.place(server, caller, **shape)
    before = live.memory_of(server.pid)
    memory, seconds = 0.0, []
    for number in range(_ROUNDS):
        asked = live.request(caller, live.place(server, caller, **shape) | more)
        served: asyncio.Event = asyncio.Event()
        waiting = await _connect(server, asked, served)
        await asyncio.sleep(1.0)
        memory = max(memory, live.memory_of(server.pid) - before)
        await connection.execute(
            "update tasks set title = $2 where id = ("
            "select min(id::text)::uuid from tasks where workspace_id = $1)",
            data.tenant_id(1), f"change {number} {more}",
        )  # fmt: skip
        began = time.perf_counter()
        async with asyncio.timeout(_DEADLINE):
            await served.wait()
        seconds.append(time.perf_counter() - began)
        for transport in waiting:
            transport.abort()
        await asyncio.sleep(2.0)
    await connection.close()
    return seconds, memory


async def _connect(server: Server, asked: bytes, served: asyncio.Event) -> list[asyncio.Transport]:
    """Have all wait; `served` is set when the last has heard something."""
    loop = asyncio.get_running_loop()
    left = _CLIENTS

    def make() -> Client:
        heard = False

        def told(piece: bytes, now: float) -> None:
            nonlocal heard, left
            del piece, now
            if not heard:
                heard, left = True, left - 1
                if left == 0:
                    served.set()

        return Client(asked, told)

    made: list[asyncio.Transport] = []
    for _ in range(_CLIENTS // _AT_ONCE):
        several = (loop.create_connection(make, "127.0.0.1", server.port) for _ in range(_AT_ONCE))
        made += [transport for transport, _ in await asyncio.gather(*several)]
    return made
