"""P4: a browser's tasks with messages, by `roost migrate`, beside COPY of the same rows."""

import asyncio
import json
import random
import resource
import subprocess
import tempfile
import time
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
from rich.table import Table

from benchmarks import roost_server
from benchmarks.postgres import Postgres, embedded, scratch
from benchmarks.processes import BenchError
from benchmarks.table import Verdict, finish
from roost.db.target import DATABASE

_TASKS = (1_000, 10_000, 100_000)
_MESSAGES = 6
_LIMIT_MB = 512
_MOST_APART = 10_000
_APART = {
    "overwrite": (),
    "… without backup": ("--no-backup",),
    "… without verification": ("--no-verify",),
    "… without both": ("--no-backup", "--no-verify"),
}
_WORDS = [
    "the",
    "parser",
    "accepts",
    "what",
    "people",
    "type",
    "and",
    "then",
    "we",
    "look",
    "at",
    "the",
    "results",
    "of",
    "tests",
]


@dataclass(frozen=True)
class Run:
    """One command: its seconds, its CPU seconds, and its peak memory in bytes."""

    seconds: float
    cpu: float
    memory: int


def run() -> None:
    """Measure and print."""
    table = Table(title="P4  roost migrate, tasks with six messages each", title_justify="left")
    for heading in ("tasks", "file MB", "what", "seconds", "tasks/s", "items/s", "CPU s", "memory"):
        table.add_column(heading, justify="left" if heading == "what" else "right")
    figures: dict[str, Any] = {}
    for tasks in _TASKS:
        with scratch() as directory, embedded(directory / "roost") as postgres:
            figures[str(tasks)] = _measured(table, tasks, directory, postgres)
    largest = figures[str(_TASKS[-1])]
    items, size = _TASKS[-1] * (1 + _MESSAGES), largest["bytes"]
    verdicts = [
        Verdict(
            "items/s (tasks and messages)",
            items / largest["migrate"].seconds,
            10_000,
            at_most=False,
        ),
        Verdict(
            "of COPY's rate", largest["copy"] / largest["migrate"].seconds, 0.30, at_most=False
        ),
        Verdict("peak memory of the file's", largest["migrate"].memory / size, 2.0),
    ]
    notes = ["One run each on a fresh database; the whole command with its start, fsync on."]
    finish("p4", table, verdicts, notes, json.loads(json.dumps(figures, default=vars)))


def _measured(table: Table, tasks: int, directory: Path, postgres: Postgres) -> dict[str, Any]:
    data_dir, file = directory / "roost", directory / "export.json"
    _write(file, tasks)
    size = file.stat().st_size
    roost_server.command(data_dir, "user", "create", "p4@roost.example")
    found: dict[str, Any] = {"bytes": size}
    found["dry run"] = _command(data_dir, file, "--dry-run")
    found["migrate"] = _command(data_dir, file)
    found["again"] = _command(data_dir, file)
    _parts_apart(found, directory, data_dir, tasks)
    found["copy"] = asyncio.run(_copy(postgres))
    for what in ("dry run", "migrate", "again", *_APART):
        one: Run | None = found.get(what)
        if one is None:
            continue
        table.add_row(
            f"{tasks:,}",
            f"{size / 1e6:.0f}",
            what,
            f"{one.seconds:.1f}",
            f"{tasks / one.seconds:,.0f}",
            f"{tasks * (1 + _MESSAGES) / one.seconds:,.0f}",
            f"{one.cpu:.1f}",
            f"{one.memory / size:.2f} x",
        )
    rate = tasks / found["copy"]
    items = f"{rate * (1 + _MESSAGES):,.0f}"
    table.add_row(f"{tasks:,}", "", "COPY", f"{found['copy']:.1f}", f"{rate:,.0f}", items, "", "")
    return found


def _parts_apart(found: dict[str, Any], directory: Path, data_dir: Path, tasks: int) -> None:
    """Change every task, with backup and verification and without; each with a user of its own.

    A migration that only creates has no rows to back up.
    """
    if tasks > _MOST_APART:
        return
    first, changed = directory / "export.json", directory / "changed.json"
    _write(changed, tasks, title="Another")
    for number, (what, options) in enumerate(_APART.items()):
        user = f"p4-{number}@roost.example"
        roost_server.command(data_dir, "user", "create", user)
        _command(data_dir, first, user=user)
        found[what] = _command(data_dir, changed, "--conflict", "overwrite", *options, user=user)


def _command(data_dir: Path, file: Path, *options: str, user: str = "p4@roost.example") -> Run:
    """Run `roost migrate` as a process of its own."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            [
                *(str(roost_server.PROGRAM), "migrate", str(file), *options),
                *("--user", user, "--json", "--data-dir", str(data_dir)),
            ],
            stdout=said,
            env={"ROOST_DUMP_LIMIT_MB": str(_LIMIT_MB), "PATH": "/usr/bin:/bin"},
        )
        memory = 0
        while process.poll() is None:
            memory = max(memory, _peak(process.pid))
            time.sleep(0.05)
        if process.returncode != 0:
            msg = f"roost migrate ended with {process.returncode}"
            raise BenchError(msg)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Run(seconds, cpu, memory)


def _peak(pid: int) -> int:
    """The most memory that a process has had, in bytes; 0 when it has gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


async def _copy(postgres: Postgres) -> float:
    """Seconds in which COPY writes the rows that were migrated, into the same journaled tables."""
    place = postgres.environment(DATABASE)
    connection = await asyncpg.connect(
        host=place["PGHOST"], port=int(place["PGPORT"]), user=place["PGUSER"], database=DATABASE
    )
    try:
        rows: dict[str, tuple[list[str], Path]] = {}
        with tempfile.TemporaryDirectory() as folder:
            for table in ("tasks", "messages"):
                names = await connection.fetchval(
                    "select array_agg(attname::text order by attnum) from pg_attribute "
                    "where attrelid = $1::regclass and attnum > 0 and attgenerated = ''",
                    table,
                )
                rows[table] = names, Path(folder) / table
                query = f"select {', '.join(names)} from {table}"
                await connection.copy_from_query(query, output=rows[table][1], format="binary")
            await connection.execute("truncate tasks, messages")
            began = time.perf_counter()
            async with connection.transaction():
                for table, (names, file) in rows.items():
                    await connection.copy_to_table(
                        table, source=file, columns=names, format="binary"
                    )
            return time.perf_counter() - began
    finally:
        await connection.close()


def _write(file: Path, tasks: int, title: str = "Task") -> None:
    """Write an export without holding it."""
    chance = random.Random(1)  # noqa: S311 -- examples, the same each time
    with file.open("w", encoding="utf-8") as out:
        out.write('{"origin": "http://localhost:3000", "keys": {"task-store": "')
        out.write(_escaped('{"state":{"tasks":['))
        for number in range(tasks):
            text = json.dumps(_task(number, chance, title), separators=(",", ":"))
            out.write(_escaped(f"{',' if number else ''}{text}"))
        out.write(_escaped(']},"version":0}') + '"}}')


def _escaped(text: str) -> str:
    return json.dumps(text)[1:-1]


def _task(number: int, chance: random.Random, title: str) -> dict[str, Any]:
    def said(words: int) -> str:
        return " ".join(chance.choices(_WORDS, k=words))

    messages: list[dict[str, Any]] = []
    for each in range(_MESSAGES // 2):
        name = str(uuid.uuid5(uuid.NAMESPACE_URL, f"message-{number}-{each}"))
        data: dict[str, Any] = {"text": said(20), "id": name}
        messages.append({"role": "user", "type": "message", "data": data})
        data = {"type": "output_text", "text": said(60), "annotations": []}
        messages.append({"role": "assistant", "type": "message", "data": data})
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"task-{number}")),
        "title": f"{title} {number}: {said(8)}",
        "description": "",
        "messages": messages,
        "status": "DONE",
        "branch": "main",
        "repository": "example/parser",
        "mode": "code",
        "createdAt": "2025-06-19T07:57:36.128Z",
        "updatedAt": "2025-06-19T08:02:38.788Z",
    }
