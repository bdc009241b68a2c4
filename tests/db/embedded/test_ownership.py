"""Who keeps the server alive, and what is left when somebody dies."""

import subprocess
import sys
from pathlib import Path

import pytest

from roost.db.embedded import EmbeddedServer
from tests.db.embedded.observe import (
    alive,
    answers,
    family,
    keeper,
    kill,
    postmaster,
    query,
    quick_server,
    start_holder,
    wait_for,
)

FORKING = """
import os, sys, time
from pathlib import Path
from roost.db.embedded import EmbeddedServer
server = EmbeddedServer(Path(sys.argv[1]), settings={"fsync": "off"})
server.start()
child = os.fork()
if child:
    print(child, flush=True)
time.sleep(600)
"""


def test_a_server_is_durable_checked_and_closed_to_the_network(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as endpoint:
        for name, value in {
            "fsync": "on",
            "full_page_writes": "on",
            "synchronous_commit": "on",
            "data_checksums": "on",
            "listen_addresses": "",
            "server_encoding": "UTF8",
        }.items():
            assert query(endpoint, f"SHOW {name}") == value
        assert str(query(endpoint, "SHOW server_version")).startswith(str(endpoint.major))
        assert endpoint.socket_dir.stat().st_mode & 0o077 == 0


def test_a_second_process_attaches_and_inherits_the_server(data_dir: Path) -> None:
    first = start_holder(data_dir)
    assert first.answer().startswith("holds")
    with quick_server(data_dir) as endpoint:
        server = postmaster(data_dir)
        first.let_go()
        assert query(endpoint, "SELECT 1") == 1
        assert postmaster(data_dir) == server
    assert family(data_dir) == set()


def test_a_killed_last_holder_leaves_no_server_behind(made: Path) -> None:
    holder = start_holder(made)
    assert holder.answer().startswith("holds")
    assert family(made)
    holder.kill()
    wait_for(lambda: not family(made))
    # It was shut down in good order: nothing is left to recover from.
    assert not (made / "postgres/data/postmaster.pid").exists()


def test_a_killed_starter_leaves_the_server_to_the_other_holder(made: Path) -> None:
    starter = start_holder(made)
    assert starter.answer().startswith("holds")
    with quick_server(made) as endpoint:
        starter.kill()
        assert query(endpoint, "SELECT 1") == 1


def test_two_processes_starting_at_once_share_one_new_server(data_dir: Path) -> None:
    holders = [start_holder(data_dir) for _ in range(4)]
    answers_given = {holder.answer() for holder in holders}
    assert len(answers_given) == 1
    url = answers_given.pop().removeprefix("holds ")
    assert query(url, "SELECT 1") == 1
    for holder in holders:
        holder.let_go()
    assert family(data_dir) == set()


def test_stop_returns_after_the_server_has_ended_and_a_restart_finds_the_data(
    made: Path,
) -> None:
    server = quick_server(made)
    server.start()
    server.stop()
    assert family(made) == set()
    assert query(server.start(), "SELECT n FROM kept") == 7
    server.stop()
    server.stop()


def test_a_killed_keeper_takes_the_server_with_it_and_the_next_start_recovers(
    made: Path,
) -> None:
    server = quick_server(made)
    server.start()
    running = postmaster(made)
    kill(keeper(made))
    wait_for(lambda: not alive(running))
    wait_for(lambda: not family(made))
    # The same holder asks again; it never let go.
    assert query(server.start(), "SELECT n FROM kept") == 7
    server.stop()


def test_a_start_right_after_the_keeper_was_killed_recovers(made: Path) -> None:
    server = quick_server(made)
    server.start()
    kill(keeper(made))
    assert query(server.start(), "SELECT n FROM kept") == 7
    server.stop()


def test_a_killed_server_comes_back_at_the_same_socket(made: Path) -> None:
    with quick_server(made) as endpoint:
        for _ in range(2):
            killed = postmaster(made)
            kill(killed)
            wait_for(lambda killed=killed: postmaster_is_new(made, killed))  # type: ignore[misc]
            wait_for(lambda: answers(endpoint))
            assert query(endpoint, "SELECT n FROM kept") == 7


def postmaster_is_new(data_dir: Path, old: int) -> bool:
    """Tell whether another server than `old` has written its process id."""
    try:
        now = postmaster(data_dir)
    except (OSError, ValueError):
        return False
    return now != old and alive(now)


def test_a_server_that_keeps_dying_is_given_up_and_a_new_start_brings_it_back(
    made: Path,
) -> None:
    server = quick_server(made)
    server.start()
    guard = keeper(made)
    while alive(guard):
        try:
            running = postmaster(made)
        except (OSError, ValueError):
            continue
        if alive(running):
            kill(running)
    wait_for(lambda: not family(made))
    assert "giving up" in (made / "postgres/server.log").read_text()
    assert query(server.start(), "SELECT 1") == 1
    server.stop()


def test_a_forked_child_does_not_keep_its_killed_parents_server_up(made: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, made], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        try:
            assert family(made)
            parent.kill()
            wait_for(lambda: not family(made))
            assert alive(child)
        finally:
            kill(child)


@pytest.mark.parametrize("moment", ["keeper", "server"])
def test_acknowledged_writes_survive_a_kill(made: Path, moment: str) -> None:
    server = quick_server(made)
    endpoint = server.start()
    query(endpoint, "TRUNCATE kept")
    for n in range(20):
        query(endpoint, f"INSERT INTO kept VALUES ({n})")
    kill({"keeper": keeper, "server": postmaster}[moment](made))
    assert query(server.start(), "SELECT count(*) FROM kept") == 20
    server.stop()
