"""What a server's answer to a connection attempt means."""

import os
import shutil
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.db.embedded import EmbeddedError, EmbeddedServer, find_binaries
from roost.db.embedded.probe import Answer, probe
from tests.db.embedded.observe import query


def refusal(sqlstate: str) -> bytes:
    """Return an ErrorResponse message."""
    fields = f"SFATAL\0C{sqlstate}\0Msomething\0\0".encode()
    return b"E" + struct.pack("!i", 4 + len(fields)) + fields


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    """A socket that listens and says nothing yet."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket"))
        server.listen()
        yield server


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (refusal("57P03"), Answer.STARTING),
        (refusal("53300"), Answer.READY),
        (refusal("3D000"), Answer.READY),
        (b"R" + struct.pack("!ii", 8, 0), Answer.READY),
        (b"", Answer.STARTING),
        (b"E\0", Answer.STARTING),
        (b"E" + struct.pack("!i", -5), Answer.READY),
    ],
)
def test_an_answer_tells_whether_the_server_is_ready(
    listener: socket.socket, message: bytes, answer: Answer
) -> None:
    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(message)

    thread = threading.Thread(target=serve)
    thread.start()
    assert probe(Path(listener.getsockname()), os.geteuid()) is answer
    thread.join()


def test_a_socket_of_another_user_is_refused(listener: socket.socket) -> None:
    with pytest.raises(EmbeddedError, match="belongs to a process of user"):
        probe(Path(listener.getsockname()), os.geteuid() + 1)


def test_nobody_listening_is_silence(tmp_path: Path, listener: socket.socket) -> None:
    assert probe(tmp_path / "none", os.geteuid()) is Answer.SILENT
    listener.close()
    assert probe(tmp_path / "socket", os.geteuid()) is Answer.SILENT


@pytest.mark.long
def test_a_server_that_takes_long_to_start_is_waited_for(
    data_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    real = find_binaries(None).bin_dir
    slow = data_dir.with_name("slow")
    slow.mkdir()
    for name, delay in (("initdb", ""), ("postgres", '[ "$1" = --version ] || sleep 12\n')):
        (slow / name).write_text(f'#!/bin/sh\n{delay}exec "{real / name}" "$@"\n')
        (slow / name).chmod(0o755)
    try:
        with caplog.at_level("INFO"), EmbeddedServer(data_dir, bin_dir=slow) as endpoint:
            assert query(endpoint, "SELECT 1") == 1
    finally:
        shutil.rmtree(slow)
    assert "still starting" in caplog.text
