"""`roost migrate` as a process of its own, beside nobody or beside another."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from roost.db.roles import OWNER_ROLE
from tests.fixtures import garbage
from tests.migration.bench import BROWSER, GARBAGE, store, task
from tests.support.schema import as_role

ROOST = Path(sys.executable).parent / "roost"


class Shell:
    """Calls the command on one database; `beside` is its address for whom no policy binds."""

    def __init__(self, url: str, place: Path) -> None:
        self.beside = url
        self.environment = os.environ | {
            "DATABASE_URL": as_role(url, OWNER_ROLE),
            "ROOST_DATA_DIR": str(place),
            "OTEL_SDK_DISABLED": "true",
        }
        self.place = place

    def call(self, *arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ROOST, "migrate", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def document(self, *arguments: object, status: int = 0) -> dict[str, Any]:
        done = self.call(*arguments, "--json")
        assert done.returncode == status, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def file(self, keys: dict[str, str]) -> Path:
        path = self.place / f"{uuid4().hex}.json"
        path.write_text(json.dumps(keys), encoding="utf-8")
        return path


@pytest.fixture
def shell(fresh_roost_database: str, tmp_path: Path) -> Shell:
    return Shell(fresh_roost_database, tmp_path)


async def counted(url: str, *tables: str) -> list[int]:
    connection = await asyncpg.connect(url)
    try:
        return [await connection.fetchval(f"select count(*) from {name}") for name in tables]
    finally:
        await connection.close()


def test_a_fresh_database_gets_its_first_user_and_the_browsers_data(shell: Shell) -> None:
    first = shell.document(BROWSER)
    assert first["state"] == "completed"
    assert first["counts"]["created"] == first["counts"]["create"] > 50
    assert first["kinds"]["task"] == {"create": 40}
    assert first["problems"] == []
    second = shell.call(BROWSER)
    assert second.returncode == 0
    assert second.stdout == ""
    assert "completed" in second.stderr
    row = next(line for line in second.stderr.splitlines() if " task " in line)
    assert [word for word in row.split() if word.isdigit()] == ["40"]


def test_a_damaged_export_fails_with_the_item_and_what_to_do(shell: Shell) -> None:
    done = shell.call(GARBAGE)
    assert done.returncode == 1
    assert "NOT_JSON" in done.stderr
    assert "--continue-on-error" in done.stderr
    assert garbage.FAKE_GITHUB not in done.stderr
    document = shell.document(GARBAGE, status=1)
    assert document["state"] == "failed"
    assert document["error"]["code"] == "ITEM_INVALID"
    rest = shell.document(GARBAGE, "--continue-on-error", "--batch-size", 7)
    assert rest["state"] == "completed"
    assert len(rest["problems"]) == rest["counts"]["invalid"] == 13
    assert garbage.FAKE_GITHUB not in json.dumps(rest)


def test_a_dry_run_only_looks(shell: Shell) -> None:
    document = shell.document(BROWSER, "--dry-run")
    assert document["state"] == "planned"
    tables = ("tasks", "messages", "environments", "documents")
    assert asyncio.run(counted(shell.beside, *tables)) == [0, 0, 0, 0]


def test_backup_and_verification_can_be_left_out(shell: Shell) -> None:
    first = shell.file({"task-store": store(task(1))})
    changed = shell.file({"task-store": store(task(1, title="another"))})
    shell.document(first)
    done = shell.document(changed, "--conflict", "overwrite", "--no-backup", "--no-verify")
    assert done["state"] == "completed"
    assert done["config"]["backupBeforeMigration"] is False
    assert done["config"]["validateAfterMigration"] is False
    assert asyncio.run(counted(shell.beside, "migration_backups")) == [0]
    shell.document(first, "--conflict", "overwrite")
    assert asyncio.run(counted(shell.beside, "migration_backups")) == [1]


@pytest.mark.parametrize(
    ("mode", "state", "status"),
    [
        (["--conflict", "skip"], "completed", 0),
        (["--conflict", "Auto_Overwrite"], "completed", 0),
        ([], "awaiting_resolution", 1),
    ],
)
def test_conflicts_go_as_they_were_told_to(
    shell: Shell, mode: Sequence[str], state: str, status: int
) -> None:
    shell.document(shell.file({"task-store": store(task(1))}))
    changed = shell.file({"task-store": store(task(1, title="another"))})
    document = shell.document(changed, *mode, status=status)
    assert document["state"] == state
    assert document["counts"]["conflict"] == 1


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["/no/such/file"], 1, "cannot be read"),
        ([str(BROWSER), "--conflict", "guess"], 2, "guess"),
        ([str(BROWSER), "--user", "nobody@roost.example"], 1, "no user"),
        ([str(BROWSER), "--batch-size", "0"], 2, "batch-size"),
        ([__file__], 1, "no JSON object"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    shell: Shell, arguments: list[str], status: int, said: str
) -> None:
    done = shell.call(*arguments)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


async def test_killed_in_the_middle_and_run_again_nothing_is_missing_or_doubled(
    shell: Shell,
) -> None:
    url = shell.environment["DATABASE_URL"]
    file = shell.file({"task-store": store(*map(task, range(200)))})
    watcher = await asyncpg.connect(url)
    await watcher.execute("set role roost_owner")
    for least in (1, 40):
        process = await asyncio.create_subprocess_exec(
            ROOST, "migrate", str(file), "--batch-size", "1", "--json", env=shell.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        async with asyncio.timeout(60):
            while process.returncode is None and await _written(watcher) < least:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert process.returncode is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        await process.wait()
        assert await _states(watcher) == ["applying"]
    await watcher.close()
    document = await asyncio.to_thread(shell.document, file)
    assert document["state"] == "completed"
    assert document["counts"]["same"] == 200
    rows = await _counts_of_everything(url)
    assert rows == {"tasks": 200, "messages": 400}


async def _written(watcher: asyncpg.Connection) -> int:
    found = await watcher.fetchval(
        "select coalesce(max((progress->>'done')::int), 0) from migrations where state = 'applying'"
    )
    return int(found)


async def _states(watcher: asyncpg.Connection) -> list[str]:
    return [row["state"] for row in await watcher.fetch("select state from migrations")]


async def _counts_of_everything(url: str) -> dict[str, int]:
    connection = await asyncpg.connect(url.replace(f"//{OWNER_ROLE}@", "//postgres@"))
    try:
        return {
            name: await connection.fetchval(f"select count(*) from {name}")
            for name in ("tasks", "messages")
        }
    finally:
        await connection.close()
