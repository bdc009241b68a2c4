"""What a dead machine or a hard kill leaves behind does not keep a server from starting."""

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.db.embedded import Endpoint
from tests.db.embedded.observe import (
    alive,
    answers,
    crash,
    family,
    owner_credentials,
    postmaster,
    query,
    quick_server,
    wait_for,
)


@pytest.fixture
def crashed(made: Path) -> Path:
    """A data directory whose server and keeper were killed at once."""
    server = quick_server(made)
    server.start()
    crash(made)
    wait_for(lambda: not family(made))
    server.stop()
    assert (made / "postgres/data/postmaster.pid").exists()
    return made


def recovers(data_dir: Path) -> bool:
    """Start, read what was written before, stop."""
    with quick_server(data_dir) as endpoint:
        return query(endpoint, "SELECT n FROM kept") == 7


def claim(data_dir: Path, pid: int) -> None:
    """Write another process id into the dead server's pid file, in place."""
    pid_file = data_dir / "postgres/data/postmaster.pid"
    lines = pid_file.read_text().splitlines(keepends=True)
    pid_file.write_text("".join([f"{pid}\n", *lines[1:]]))
    for lock in (data_dir / "postgres/run").glob(".s.PGSQL.*.lock"):
        lock.write_text("".join([f"{pid}\n", *lock.read_text().splitlines(keepends=True)[1:]]))


def test_a_stale_pid_file_does_not_stop_a_start(crashed: Path) -> None:
    assert recovers(crashed)


def test_a_pid_that_belongs_to_another_program_now_is_not_believed(crashed: Path) -> None:
    # Of the server's own user: PostgreSQL itself sees through any other.
    with subprocess.Popen(  # type: ignore[call-overload]
        ["sleep", "600"],
        **owner_credentials(crashed),
    ) as other:
        claim(crashed, other.pid)
        try:
            assert recovers(crashed)
            assert other.poll() is None
        finally:
            other.kill()


def test_a_zombie_is_not_taken_for_a_server(crashed: Path) -> None:
    with subprocess.Popen(  # type: ignore[call-overload]
        ["true"],
        **owner_credentials(crashed),
    ) as other:
        wait_for(lambda: not alive(other.pid))
        claim(crashed, other.pid)
        assert recovers(crashed)


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe\n\n", b"-1\n", b"1\n"])
def test_a_damaged_pid_file_does_not_stop_a_start(crashed: Path, content: bytes) -> None:
    (crashed / "postgres/data/postmaster.pid").write_bytes(content)
    assert recovers(crashed)


@pytest.fixture
def orphan(made: Path) -> Iterator[Endpoint]:
    """A server that runs without a keeper, as one started by hand does."""
    server = quick_server(made)
    endpoint = server.start()
    binary = Path(f"/proc/{postmaster(made)}/exe").resolve()
    server.stop()
    with subprocess.Popen(
        [binary, "-D", made / "postgres/data", "-k", endpoint.socket_dir],
        stderr=subprocess.DEVNULL,
        **owner_credentials(made),  # type: ignore[call-overload]
    ) as process:
        threading.Thread(target=process.wait, daemon=True).start()
        wait_for(lambda: answers(endpoint))
        yield endpoint


def test_a_server_without_a_keeper_is_shut_down_first(made: Path, orphan: Endpoint) -> None:
    old = postmaster(made)
    assert answers(orphan)
    assert recovers(made)
    assert not alive(old)


def test_backends_that_outlive_their_server_are_ended(made: Path) -> None:
    server = quick_server(made)
    endpoint = server.start()
    busy = subprocess.Popen(
        [
            "/usr/bin/env",
            "psql",
            endpoint.url(),
            "-c",
            "SELECT sum(i) FROM generate_series(1, 1e10) i",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    active = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT sum%'"
    wait_for(lambda: query(endpoint, active) == 1)
    crash(made)
    assert query(server.start(), "SELECT n FROM kept") == 7
    assert query(server.start(), active) == 0
    busy.wait()
    server.stop()


def test_an_interrupted_initialisation_is_done_anew(made: Path) -> None:
    with quick_server(made):
        pass
    home = made / "postgres"
    (home / "data").rename(home / "data.new")
    (home / "data.new/PG_VERSION").unlink()
    with quick_server(made) as endpoint:
        assert answers(endpoint)
    assert not (home / "data.new").exists()
