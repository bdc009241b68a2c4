"""Roost itself: `roost serve` on a data directory of its own, with the benchmarks' rows."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.load import Request
from benchmarks.postgres import Postgres, embedded
from benchmarks.processes import BenchError, Server, free_port, running
from roost.db.roles import APP_ROLE
from roost.db.statements import Statement
from roost.db.target import DATABASE
from roost.identity.access.credentials import digest, new_access_token
from roost.tasks.queries import TASKS
from roost.web.lists import page_statement
from roost.web.paging import SortKey

NAME = "Roost"
PROGRAM = Path(sys.executable).parent / "roost"
API = "/api/v1"
ROLE = APP_ROLE
UNKEPT: Mapping[str, str] = {"ROOST_CACHE_MB": "0"}
"""Every request reads: what the others, who keep nothing, are measured beside."""
QUIET: Mapping[str, str] = {"OTEL_SDK_DISABLED": "true", **UNKEPT}


@contextmanager
def roost(
    data_dir: Path, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run `roost serve` with one worker and, unless told otherwise, its defaults."""
    port = free_port()
    with running(
        [PROGRAM, "serve", "--data-dir", data_dir, "--port", str(port)],
        port=port,
        ready_path="/readyz",
        log=log,
        env=environment,
    ) as server:
        yield server


def command(data_dir: Path, *arguments: str) -> dict[str, Any]:
    """Run a `roost` command with `--json` on a data directory, and give its document."""
    run = subprocess.run(
        [PROGRAM, *arguments, "--json", "--data-dir", data_dir],
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        msg = f"roost {arguments[0]} failed: {run.stdout}{run.stderr}"
        raise BenchError(msg)
    document: dict[str, Any] = json.loads(run.stdout)
    return document


@contextmanager
def database(data_dir: Path) -> Iterator[Postgres]:
    """Open the database of a server that has run once, filled with the benchmarks' rows."""
    with embedded(data_dir) as postgres:
        postgres.psql(DATABASE, _people() + data.INSERT_TASKS)
        postgres.psql(DATABASE, "vacuum analyze")
        postgres.psql(DATABASE, "checkpoint")
        yield postgres


def list_request(server: Server) -> Request:
    """Ask for a page of 20 tasks and the total."""
    return Request(server.port, f"{API}/tasks?limit=20", callers())


def create_request(server: Server) -> Request:
    """Make a new task."""
    headers = [{**caller, "Content-Type": "application/json"} for caller in callers()]
    return Request(server.port, f"{API}/tasks", headers, "POST", json.dumps(data.NEW_TASK), 201)


def callers() -> list[dict[str, str]]:
    """Give the headers of each caller."""
    return [{"Authorization": f"Bearer {token}"} for token in _tokens()[: data.CALLERS]]


def list_script() -> str:
    """Give the statement Roost sends for `list_request`, for pgbench."""
    statement = page_statement(TASKS, (), (SortKey("createdAt", descending=True),), by_cursor=False)
    number = ":caller"
    return f"\\set caller random(1, {data.CALLERS})\n" + _for_pgbench(
        statement,
        {
            "workspace_id": data.id_sql(data.TENANT_KIND, number),
            "user_id": data.id_sql(data.USER_KIND, number),
            "limit": "20",
            "offset": "0",
        },
    )


def insert_script() -> str:
    """Write one insert into the journaled table, for pgbench: the tenant's context and the row."""
    number = ":caller"
    task = data.NEW_TASK
    labels = "{" + ",".join(task["labels"]) + "}"
    tenant = data.id_sql(data.TENANT_KIND, number)
    user = data.id_sql(data.USER_KIND, number)
    return f"""\\set caller random(1, {data.CALLERS})
with tenant as materialized (
    select set_config('roost.workspace_id', {tenant}, true)::uuid as id,
        set_config('roost.actor_id', {user}, true)::uuid as actor
)
insert into tasks
    (workspace_id, id, title, description, status, priority, repository, branch, labels, created_by)
select id, uuidv7(), '{task["title"]}', '{task["description"]}', '{task["status"]}',
    '{task["priority"]}', '{task["repository"]}', '{task["branch"]}', '{labels}', actor
from tenant
returning id;
"""


def _for_pgbench(statement: Statement, values: Mapping[str, str]) -> str:
    """Write SQL for the statement's places; everything else stays as Roost sends it."""
    known = {**{name: str(value) for name, value in statement.constants.items()}, **values}
    # pgbench takes a colon before a word for a variable, in literals, too.
    sql = re.sub(r"(?<!:):(?=\w)", ":' || '", statement.sql)
    sql = re.sub(r"\$(\d+)", lambda place: known[statement.places[int(place[1]) - 1]], sql)
    return " ".join(sql.split()) + ";\n"


def _people() -> str:
    """Write SQL that makes every tenant's user, workspace, membership and access token."""
    hashes = ", ".join(
        f"({n}, '\\x{digest(token).hex()}'::bytea)" for n, token in enumerate(_tokens(), start=1)
    )
    user, tenant = (
        f"{data.id_sql(kind, 'n')}::uuid" for kind in (data.USER_KIND, data.TENANT_KIND)
    )
    return f"""
create temporary table people as select n, hash, {user} as user_id, {tenant} as workspace_id
from (values {hashes}) given (n, hash);
insert into users (id, email) select user_id, 'user-' || n || '@roost.example' from people;
insert into workspaces (id, slug, name, created_by)
select workspace_id, 'tenant-' || n, 'Tenant ' || n, user_id from people;
insert into memberships (workspace_id, id, user_id, role)
select workspace_id, gen_random_uuid(), user_id, 'owner' from people;
insert into access_tokens (workspace_id, id, user_id, name, token_hash, hint, scopes)
select workspace_id, gen_random_uuid(), user_id, 'benchmark', hash, '0000', '{{*}}' from people;
"""


@cache
def _tokens() -> list[str]:
    return [new_access_token() for _ in range(data.TENANTS)]
