"""`roost bench` as a process of its own."""

import asyncio
import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from roost.db.roles import OWNER_ROLE
from tests.support.schema import as_role
from tests.support.server import ROOST, environment, run

QUICK = ("bench", "--suite", "lists", "--repetitions", "5")


@pytest.fixture
def shell(fresh_roost_database: str, tmp_path: Path) -> "Shell":
    return Shell(fresh_roost_database, tmp_path)


class Shell:
    """Calls the command on one database."""

    def __init__(self, url: str, place: Path) -> None:
        self.url = url
        self.variables = {"DATABASE_URL": as_role(url, OWNER_ROLE), "ROOST_DATA_DIR": str(place)}

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(*arguments, extra=self.variables)

    def document(self, *arguments: str, status: int = 0) -> Any:
        done = self.call(*arguments, "--json")
        assert done.returncode == status, done.stderr
        return json.loads(done.stdout)

    def ask(self, sql: str) -> Any:
        async def asked() -> Any:
            connection = await asyncpg.connect(self.url)
            try:
                return await connection.fetchval(sql)
            finally:
                await connection.close()

        return asyncio.run(asked())

    @property
    def schemas(self) -> int:
        number = self.ask("select count(*) from pg_namespace where nspname ~ '^roost_bench_'")
        return int(number)

    def started(self) -> subprocess.Popen[bytes]:
        """Start a long one, and wait until it measures."""
        process = subprocess.Popen(
            [ROOST, "bench", "--repetitions", "20", "--json"],
            env=environment(self.variables),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 60
        while not self.ask("select exists (select from performance.benchmark_run where done > 0)"):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert self.schemas == 1
        return process


@pytest.fixture
def started(shell: Shell) -> Iterator[subprocess.Popen[bytes]]:
    process = shell.started()
    yield process
    process.kill()
    process.communicate()


def test_it_measures_saves_a_baseline_and_compares(shell: Shell) -> None:
    first = shell.document(*QUICK, "--baseline", "save")
    assert first["state"] == "completed"
    assert first["isBaseline"]
    assert first["comparison"] is None
    assert first["environment"]["measuredBy"] == "command"
    second = shell.document(*QUICK)
    assert second["comparison"]["baselineId"] == first["id"]
    assert shell.document(*QUICK, "--baseline", "none")["comparison"] is None
    done = shell.call(*QUICK)
    assert done.returncode == 0, done.stderr
    for word in ("lists.page", "ops/s", "p50", "p95", "p99", "change"):
        assert word in done.stdout, done.stdout
    assert shell.schemas == 0


def test_a_regression_ends_with_1_where_that_is_wanted(shell: Shell) -> None:
    first = shell.document(*QUICK, "--baseline", "save")
    [measure] = first["results"]
    for name in ("figuresMs", "roundMediansMs"):
        measure[name] = [value / 20 for value in measure[name]]
    shell.ask(
        f"with u as (update performance.benchmark_run set results = '{json.dumps([measure])}'"
        " returning 1) select count(*) from u"
    )
    assert shell.document(*QUICK)["comparison"]["verdict"] == "regression"
    done = shell.call(*QUICK, "--fail-on-regression")
    assert done.returncode == 1
    assert "slower than the baseline: lists.page" in done.stderr
    assert "regression" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_it_finds_no_schema(
    shell: Shell, started: subprocess.Popen[bytes], number: signal.Signals
) -> None:
    started.send_signal(number)
    _, said = started.communicate(timeout=20)
    assert started.returncode != 0
    assert b"Traceback" not in said
    assert shell.schemas == 0
    assert shell.ask("select state from performance.benchmark_run") == "cancelled"


def test_beside_one_that_runs_it_is_refused_and_after_a_kill_it_cleans_up(
    shell: Shell, started: subprocess.Popen[bytes]
) -> None:
    done = shell.call(*QUICK)
    assert done.returncode == 1
    assert "is running" in done.stderr
    started.kill()
    started.communicate()
    assert shell.schemas == 1
    done = shell.call(*QUICK)
    assert done.returncode == 1
    assert "is running" in done.stderr
    left = "select max(lease_until) - clock_timestamp() from performance.benchmark_run"
    assert shell.ask(left).total_seconds() < 30  # for so long a killed run is in the way
    shell.ask(
        "with u as (update performance.benchmark_run set lease_until = clock_timestamp()"
        " returning 1) select count(*) from u"
    )
    assert shell.call(*QUICK).returncode == 0
    assert shell.schemas == 0
