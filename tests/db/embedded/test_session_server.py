"""The server the tests share."""

import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from roost.db.embedded import Endpoint
from tests.db.embedded.observe import family, query, wait_for
from tests.support.postgres import ROOT, reachable_directory, session_server

REPOSITORY = Path(__file__).parents[3]

KILLED_RUN = """
import time
from tests.support.postgres import session_server
with session_server("killed") as endpoint:
    print(endpoint.url(), flush=True)
    time.sleep(600)
"""

RUN = """
import os
from roost.db.embedded import Endpoint
import pytest

@pytest.mark.parametrize("turn", range(8))
def test_where(postgres: Endpoint, turn: int) -> None:
    with open({report!r}, "a") as file:
        file.write(os.environ["PYTEST_XDIST_WORKER"] + " " + postgres.url() + chr(10))
"""


@pytest.mark.parametrize("turn", range(4))
async def test_every_test_gets_an_empty_database_of_its_own(
    scratch_database: str, turn: int
) -> None:
    connection = await asyncpg.connect(scratch_database)
    try:
        await connection.execute("CREATE TABLE mine (turn int)")
        await connection.execute("INSERT INTO mine VALUES ($1)", turn)
        assert await connection.fetchval("SELECT sum(turn) FROM mine") == turn
    finally:
        await connection.close()


def test_the_shared_server_has_room_and_does_not_wait_for_the_disk(postgres: Endpoint) -> None:
    assert query(postgres, "SHOW max_connections") == "300"
    assert query(postgres, "SHOW fsync") == "off"


def test_two_users_of_a_run_share_one_server_and_the_last_removes_it() -> None:
    with session_server("shared") as first:
        with session_server("shared") as second:
            assert first == second
        assert query(first, "SELECT 1") == 1
        assert (ROOT / "run-shared").exists()
    assert not (ROOT / "run-shared").exists()


def test_what_a_killed_run_left_is_removed_by_the_next() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED_RUN], stdout=subprocess.PIPE, cwd=REPOSITORY, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("postgresql://")
        run.kill()
    directory = ROOT / "run-killed"
    assert directory.exists()
    wait_for(lambda: not family(directory / "data"))
    with reachable_directory():
        assert not directory.exists()


@pytest.mark.long
def test_all_workers_of_a_session_share_one_server(tmp_path: Path) -> None:
    report = tmp_path / "report"
    (tmp_path / "test_where.py").write_text(RUN.format(report=str(report)))
    (tmp_path / "conftest.py").write_text("from tests.support.postgres import postgres\n")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-n2",
            "--dist=each",
            "-q",
            "--rootdir",
            tmp_path,
            tmp_path,
        ],
        check=True,
        cwd=REPOSITORY,
    )
    lines = [line.split() for line in report.read_text().splitlines()]
    assert {worker for worker, _ in lines} == {"gw0", "gw1"}
    assert len({url for _, url in lines}) == 1
