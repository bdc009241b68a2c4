"""Bulk: 10,000 tasks through `POST /tasks/batch`, and through `roost migrate`."""

import http.client
import json
import statistics
import time
import uuid
from pathlib import Path

from rich.table import Table

from benchmarks import data, roost_server
from benchmarks.postgres import scratch
from benchmarks.processes import BenchError, Server
from benchmarks.table import finish

_TASKS = 10_000
_BATCH = 1_000
_ROUNDS = 3


def run() -> None:
    """Measure and print."""
    batch, migrate = [], []
    for _ in range(_ROUNDS):
        with scratch() as directory:
            data_dir = directory / "roost"
            with roost_server.roost(data_dir, directory / "roost.log") as server:
                batch.append(_batches(server, _token(data_dir, "batch@roost.example")))
                migrate.append(_migrate(data_dir, directory / "export.json"))
    table = Table(title=f"Bulk  {_TASKS:,} tasks", title_justify="left")
    for heading in ("way", "items/s", "seconds"):
        table.add_column(heading, justify="left" if heading == "way" else "right")
    ways = {
        f"POST /tasks/batch, {_TASKS // _BATCH} of {_BATCH:,}": batch,
        "roost migrate FILE (the whole command)": migrate,
    }
    for way, seconds in ways.items():
        median = statistics.median(seconds)
        table.add_row(way, f"{_TASKS / median:,.0f}", f"{median:.2f}")
    finish(
        "bulk",
        table,
        [],
        [f"Medians of {_ROUNDS} runs on fresh databases; one client, one request at a time."],
        {"batch": batch, "migrate": migrate},
    )


def _token(data_dir: Path, email: str) -> str:
    roost_server.command(data_dir, "user", "create", email)
    made = roost_server.command(data_dir, "token", "create", "--name", "bench", "--user", email)
    return str(made["token"])


def _batches(server: Server, token: str) -> float:
    """Seconds that all batches took."""
    operations = [{"op": "create", "task": data.NEW_TASK}] * _BATCH
    body = json.dumps({"operations": operations})
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = time.perf_counter()
    try:
        for _ in range(_TASKS // _BATCH):
            connection.request("POST", f"{roost_server.API}/tasks/batch", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status >= http.client.BAD_REQUEST:
                msg = f"POST /tasks/batch gave {answer.status}: {content[:2000]!r}"
                raise BenchError(msg)
    finally:
        connection.close()
    return time.perf_counter() - began


def _migrate(data_dir: Path, file: Path) -> float:
    """Seconds that the command took on an export of as many tasks."""
    state = {"state": {"tasks": [_stored(n) for n in range(_TASKS)]}, "version": 0}
    export = {
        "origin": "http://localhost:3000",
        "capturedAt": "2026-01-01T00:00:00.000Z",
        "keys": {"task-store": json.dumps(state, separators=(",", ":"))},
    }
    file.write_text(json.dumps(export), encoding="utf-8")
    email = "migrate@roost.example"
    roost_server.command(data_dir, "user", "create", email)
    began = time.perf_counter()
    done = roost_server.command(data_dir, "migrate", str(file), "--user", email)
    seconds = time.perf_counter() - began
    if done["counts"]["created"] != _TASKS:
        msg = f"roost migrate did not create {_TASKS} tasks: {done['counts']}"
        raise BenchError(msg)
    return seconds


def _stored(number: int) -> dict[str, object]:
    """One task as a browser's store holds it, with two messages."""
    text = f"Task {number}: make the parser accept what people really type"
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"benchmark-{number}")),
        "title": text,
        "description": "",
        "messages": [
            {"role": "user", "type": "message", "data": {"id": f"m{number}", "text": text}},
            {
                "role": "assistant",
                "type": "message",
                "data": {
                    "type": "output_text",
                    "text": "Done. The test passes now.",
                    "annotations": [],
                },
            },
        ],
        "status": "DONE",
        "branch": "main",
        "sessionId": "",
        "repository": "example/parser",
        "mode": "code",
        "hasChanges": False,
        "isArchived": False,
        "createdAt": "2025-06-19T07:57:36.128Z",
        "updatedAt": "2025-06-19T08:02:38.788Z",
    }
