"""PocketBase as a peer: one Go process on SQLite, with the benchmarks' rows."""

import http.client
import json
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import data, tools
from benchmarks.load import Request
from benchmarks.postgres import Postgres
from benchmarks.processes import BenchError, Server, free_port, running

NAME = "PocketBase 0.40"
_RECORDS = "/api/collections/tasks/records"
_ADMIN = {"identity": "bench@roost.example", "password": "not-a-secret-" * 2}
_STAMP = 'YYYY-MM-DD HH24:MI:SS.MS"Z"'


@dataclass(frozen=True)
class PocketBase:
    """A running PocketBase and a log-in token for each caller."""

    server: Server
    tokens: list[str]

    def list_request(self) -> Request:
        """Ask for a page of 20 tasks and the total."""
        callers = [{"Authorization": token} for token in self.tokens]
        return Request(self.server.port, f"{_RECORDS}?perPage=20&sort=-createdAt", callers)

    def create_request(self) -> Request:
        """Make a new task, of the first caller: its body names its owner."""
        body = {**data.NEW_TASK, "mode": "code", "createdBy": _user(1)}
        headers = {"Authorization": self.tokens[0], "Content-Type": "application/json"}
        return Request(self.server.port, _RECORDS, [headers], "POST", json.dumps(body))


@contextmanager
def pocketbase(directory: Path, source: Postgres, database: str) -> Iterator[PocketBase]:
    """Run PocketBase with the tasks of a PostgreSQL database."""
    program, port = tools.pocketbase(), free_port()
    migrations = tools.PEERS / "pocketbase" / "pb_migrations"
    places = [f"--dir={directory / 'pocketbase'}", f"--migrationsDir={migrations}"]
    _call(program, "migrate", "up", *places)
    # The administrator, who may make tokens for others.
    _call(program, "superuser", "upsert", *_ADMIN.values(), *places)
    _copy_rows(directory / "pocketbase" / "data.db", source, database)
    with running(
        [program, "serve", f"--http=127.0.0.1:{port}", *places],
        port=port,
        ready_path="/api/health",
        log=directory / "pocketbase.log",
    ) as server:
        yield PocketBase(server, _tokens(port))


def _call(program: Path, *arguments: str) -> None:
    run = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if run.returncode != 0:
        msg = f"PocketBase: {arguments[0]} failed: {run.stdout}{run.stderr}"
        raise BenchError(msg)


def _user(number: int) -> str:
    return f"u{number:014d}"


def _copy_rows(file: Path, source: Postgres, database: str) -> None:
    """Write users and tasks into the SQLite file, dates and empty values as PocketBase has them."""
    stamps = ("due_at", "completed_at", "archived_at", "created_at", "updated_at")
    dates = {
        name: f"coalesce(to_char({name} at time zone 'UTC', '{_STAMP}'), '')" for name in stamps
    }
    rows = source.psql(
        database,
        f"""select json_build_array(
            't' || right(id::text, 12) || '00', workspace_id, title, description, status, priority,
            mode, coalesce(environment_id::text, ''), coalesce(repository, ''),
            coalesce(branch, ''), coalesce(assignee_id::text, ''),
            'u00' || right(created_by::text, 12), to_json(labels)::text, {dates["due_at"]},
            {dates["completed_at"]}, {dates["archived_at"]}, coalesce(status_message, ''),
            has_changes, pull_request::text, position, metadata::text, version,
            {dates["created_at"]}, {dates["updated_at"]})
        from tasks order by position""",
    )
    names = (
        "id, workspaceId, title, description, status, priority, mode, environmentId, repository,"
        " branch, assigneeId, createdBy, labels, dueAt, completedAt, archivedAt, statusMessage,"
        " hasChanges, pullRequest, position, metadata, version, createdAt, updatedAt"
    )
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executemany(
            "insert into users (id, email, name, tokenKey, password, verified)"
            " values (?, ?, ?, ?, '-', true)",
            (
                (_user(n), f"user-{n}@roost.example", f"User {n}", f"{n:050d}")
                for n in range(1, data.TENANTS + 1)
            ),
        )
        places = ", ".join("?" * len(names.split(",")))
        connection.executemany(
            f"insert into tasks ({names}) values ({places})",
            (json.loads(line) for line in rows.splitlines()),
        )
        connection.execute("analyze")


def _tokens(port: int) -> list[str]:
    path = "/api/collections/_superusers/auth-with-password"
    admin = _post(port, path, _ADMIN, {})["token"]
    made = []
    for number in range(1, data.CALLERS + 1):
        path = f"/api/collections/users/impersonate/{_user(number)}"
        answer = _post(port, path, {"duration": 86_400}, {"Authorization": str(admin)})
        made.append(str(answer["token"]))
    return made


def _post(
    port: int, path: str, body: Mapping[str, object], headers: Mapping[str, str]
) -> dict[str, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        sent = {"Content-Type": "application/json", **headers}
        connection.request("POST", path, json.dumps(body), sent)
        answer = connection.getresponse()
        content = answer.read()
    finally:
        connection.close()
    if answer.status != http.client.OK:
        msg = f"PocketBase: POST {path} gave {answer.status}: {content!r}"
        raise BenchError(msg)
    parsed: dict[str, object] = json.loads(content)
    return parsed
