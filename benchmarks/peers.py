"""The peers on Node.js and PostgreSQL, started with the benchmarks' rows."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import data, tools
from benchmarks.load import Request
from benchmarks.postgres import Postgres, embedded
from benchmarks.processes import Server, free_port, running

HONO = "Hono + Drizzle + pg + Zod"
HONO_PREPARED = "the same, queries prepared"
NEXTJS = "Next.js 16 + Drizzle + pg + Zod"
DATABASE = "peers"
_PATH = "/api/v1/tasks"


@contextmanager
def database(directory: Path) -> Iterator[Postgres]:
    """Run a PostgreSQL as Roost's own, with the peers' tables and rows."""
    with embedded(directory / "peers") as postgres:
        postgres.psql("postgres", f"create database {DATABASE}")
        schema = (tools.PEERS / "tasks" / "schema.sql").read_text(encoding="utf-8")
        postgres.psql(DATABASE, schema + data.INSERT_TASKS + _insert_tokens())
        postgres.psql(DATABASE, "vacuum analyze")
        postgres.psql(DATABASE, "checkpoint")
        yield postgres


@contextmanager
def hono(directory: Path, postgres: Postgres, *, prepared: bool = False) -> Iterator[Server]:
    """Run Hono on its Node.js adapter, one process; `prepared`: with Drizzle's prepare()."""
    port = free_port()
    with running(
        ["node", "dist/server.js"],
        port=port,
        ready_path=_PATH,
        log=directory / "hono.log",
        cwd=tools.node_peers() / "hono",
        env={**_environment(postgres, port), "DRIZZLE_PREPARED": str(int(prepared))},
    ) as server:
        yield server


@contextmanager
def nextjs(directory: Path, postgres: Postgres) -> Iterator[Server]:
    """Run `next start`, the production server."""
    port = free_port()
    peers = tools.node_peers()
    program = peers / "node_modules" / "next" / "dist" / "bin" / "next"
    with running(
        ["node", program, "start", "--hostname", "127.0.0.1", "--port", str(port)],
        port=port,
        ready_path=_PATH,
        log=directory / "nextjs.log",
        cwd=peers / "nextjs",
        env=_environment(postgres, port),
    ) as server:
        yield server


def list_request(server: Server) -> Request:
    """Ask for a page of 20 tasks and the total."""
    return Request(server.port, f"{_PATH}?limit=20", _callers())


def create_request(server: Server) -> Request:
    """Make a new task."""
    headers = [{**caller, "Content-Type": "application/json"} for caller in _callers()]
    return Request(server.port, _PATH, headers, "POST", json.dumps(data.NEW_TASK), 201)


def _environment(postgres: Postgres, port: int) -> dict[str, str]:
    return {
        **postgres.environment(DATABASE),
        "NODE_ENV": "production",
        "NEXT_TELEMETRY_DISABLED": "1",
        "PORT": str(port),
    }


def _token(number: int) -> str:
    return f"benchmark-caller-{number}"


def _callers() -> list[dict[str, str]]:
    numbers = range(1, data.CALLERS + 1)
    return [{"Authorization": f"Bearer {_token(number)}"} for number in numbers]


def _insert_tokens() -> str:
    rows = ", ".join(
        f"('{hashlib.sha256(_token(n).encode()).hexdigest()}',"
        f" '{data.user_id(n)}', '{data.tenant_id(n)}')"
        for n in range(1, data.TENANTS + 1)
    )
    return f"insert into access_tokens (token_hash, user_id, workspace_id) values {rows};"
