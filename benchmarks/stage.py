"""The stage of P1 and P3: Roost, its peers and the database's limit, all with the same rows."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks import load, peers, pocketbase, roost_server, tools
from benchmarks.load import Request
from benchmarks.measure import Contender
from benchmarks.pocketbase import PocketBase
from benchmarks.postgres import PgBench, Postgres, scratch
from benchmarks.processes import Server
from roost.db.target import DATABASE

LIMIT = "pgbench, the same statement (the limit)"


@dataclass(frozen=True)
class Stage:
    """Everything that runs, idle until it is measured."""

    roost: Server
    roost_postgres: Postgres
    nextjs: Server
    hono: Server
    hono_prepared: Server
    peers_postgres: Postgres
    pocketbase: PocketBase

    def contenders(
        self,
        roost: Callable[[Server], Request],
        node: Callable[[Server], Request],
        pocket: Callable[[PocketBase], Request],
        script: str,
        clients: int,
    ) -> tuple[list[Contender], dict[str, int]]:
        """Give each server its request, tried once; with the size of each answer in bytes."""
        requests: Mapping[str, tuple[Request, int, int | None]] = {
            peers.NEXTJS: (node(self.nextjs), self.nextjs.pid, self.peers_postgres.pid),
            peers.HONO: (node(self.hono), self.hono.pid, self.peers_postgres.pid),
            peers.HONO_PREPARED: (
                node(self.hono_prepared),
                self.hono_prepared.pid,
                self.peers_postgres.pid,
            ),
            pocketbase.NAME: (pocket(self.pocketbase), self.pocketbase.server.pid, None),
            roost_server.NAME: (roost(self.roost), self.roost.pid, self.roost_postgres.pid),
        }
        sizes = {name: len(load.once(request)) for name, (request, _, _) in requests.items()}
        limit = PgBench(self.roost_postgres, DATABASE, roost_server.ROLE, script, clients)
        program = tools.wrk()
        return [
            *(
                Contender(name, partial(load.wrk, program, request), server, postgres)
                for name, (request, server, postgres) in requests.items()
            ),
            Contender(LIMIT, limit, None, self.roost_postgres.pid),
        ], sizes


@contextmanager
def stage() -> Iterator[Stage]:
    """Start all; the first time, that installs and builds them."""
    tools.wrk()
    tools.node_peers()
    tools.pocketbase()
    with ExitStack() as stack:
        directory = stack.enter_context(scratch())
        peers_postgres = stack.enter_context(peers.database(directory))
        pocket = stack.enter_context(
            pocketbase.pocketbase(directory, peers_postgres, peers.DATABASE)
        )
        roost, postgres = stack.enter_context(filled_roost(directory, roost_server.UNKEPT))
        yield Stage(
            roost=roost,
            roost_postgres=postgres,
            nextjs=stack.enter_context(peers.nextjs(directory, peers_postgres)),
            hono=stack.enter_context(peers.hono(directory, peers_postgres)),
            hono_prepared=stack.enter_context(peers.hono(directory, peers_postgres, prepared=True)),
            peers_postgres=peers_postgres,
            pocketbase=pocket,
        )


@contextmanager
def filled_roost(
    directory: Path, environment: Mapping[str, str] | None = None
) -> Iterator[tuple[Server, Postgres]]:
    """Run Roost: started once to make its tables, then filled, then started for the measurement."""
    data_dir = directory / "roost"
    log = directory / "roost.log"
    with roost_server.roost(data_dir, log):
        pass
    with (
        roost_server.database(data_dir) as postgres,
        roost_server.roost(data_dir, log, environment) as server,
    ):
        yield server, postgres
