"""Starting servers on loopback, waiting until they answer, and ending them again."""

import http.client
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_POLL_SECONDS = 0.005
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0


class BenchError(Exception):
    """A benchmark can't go on; the message says why and what to do."""


@dataclass(frozen=True)
class Server:
    """A running server of one process tree."""

    pid: int
    port: int


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(  # noqa: PLR0913 -- what starting a process takes
    command: Sequence[str | Path],
    *,
    port: int,
    ready_path: str,
    log: Path,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Iterator[Server]:
    """Run a server and give it once it answers `ready_path` with less than 500; end it after."""
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        ) as process,
    ):
        try:
            _await_answer(process, port, ready_path, time.monotonic() + _START_SECONDS, log)
            yield Server(process.pid, port)
        finally:
            _end(process)


def status_of(port: int, path: str) -> int | None:
    """Give the status of a GET, or None while nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _await_answer(
    process: subprocess.Popen[bytes], port: int, path: str, deadline: float, log: Path
) -> None:
    while True:
        status = status_of(port, path)
        if status is not None and status < http.client.INTERNAL_SERVER_ERROR:
            return
        if process.poll() is not None:
            msg = f"{process.args!r} ended with {process.returncode}: {_tail(log)}"
            raise BenchError(msg)
        if time.monotonic() > deadline:
            msg = f"{process.args!r} does not answer {path}: {_tail(log)}"
            raise BenchError(msg)
        time.sleep(_POLL_SECONDS)


def _tail(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-2000:]


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
