"""Running `postgres` as a child: start, restart after a crash, stop with the last client."""

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from roost.db.embedded import cluster, locks, processes
from roost.db.embedded.binaries import Binaries
from roost.db.embedded.cluster import Say
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import PORT, Layout
from roost.db.embedded.probe import Answer, probe

PROBE_SECONDS = 0.005
PROGRESS_SECONDS = 5.0
# So many deaths within the window end the keeper.
RESTART_LIMIT = 5
RESTART_WINDOW_SECONDS = 60.0
FIRST_DELAY_SECONDS = 0.1
FAST_SHUTDOWN_SECONDS = 60.0
LOG_TAIL_BYTES = 4000


class Supervisor:
    """Keeps one server running until nobody holds the clients' lock."""

    def __init__(self, layout: Layout, binaries: Binaries, clients_fd: int, say: Say) -> None:
        """Name the server, the descriptor of the clients' lock, and where to report."""
        self._layout = layout
        self._binaries = binaries
        self._clients_fd = clients_fd
        self._say = say
        self._waiter: int | None = None
        self._server: int | None = None
        self._stopping = False
        self._deaths: deque[float] = deque(maxlen=RESTART_LIMIT)

    def start(self, unneeded_by_waiter: tuple[int, ...]) -> None:
        """Start the server and wait until it accepts connections; EmbeddedError if it ends."""
        self._waiter = self._start_waiter(unneeded_by_waiter)
        log_start = self._layout.log.stat().st_size
        self._start_server()
        if not self._await_ready():
            if self._stopping:
                return
            msg = (
                f"PostgreSQL ended while it started. Its log, {self._layout.log}, says:\n"
                f"{_tail(self._layout.log, log_start)}"
            )
            raise EmbeddedError(msg)

    def run(self) -> None:
        """Watch the server until it is to stop and has stopped."""
        while self._server is not None or not self._stopping:
            if self._server is None:
                self._restart()
            elif self._stopping:
                self._stop()
            else:
                self._wait(None)

    def _start_waiter(self, unneeded: tuple[int, ...]) -> int:
        """Fork a process that ends when no client holds the lock: a lock cannot be selected on.

        Its descriptor is ours too, so the lock it gets is the keeper's.
        """
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            try:
                processes.die_with_parent(signal.SIGKILL, parent)
                for fd in unneeded:
                    os.close(fd)
                locks.wait_exclusive(self._clients_fd)
            finally:
                os._exit(0)
        return pid

    def _start_server(self) -> None:
        layout = self._layout
        command: list[str | Path] = [
            self._binaries.tool("postgres"),
            "-D",
            layout.cluster,
            "-k",
            layout.socket_dir,
            "-p",
            str(PORT),
        ]
        self._server = processes.spawn(command, layout.log, processes.GENTLE_END)

    def _await_ready(self) -> bool:
        """Wait as long as it takes: recovery after a crash may be long and is no failure."""
        started = said = time.monotonic()
        while self._server is not None:
            if probe(self._layout.socket, os.geteuid()) is Answer.READY:
                return True
            self._wait(PROBE_SECONDS)
            if self._stopping:
                self._stop()
            if time.monotonic() - said > PROGRESS_SECONDS:
                said = time.monotonic()
                self._say(f"PostgreSQL is still starting, since {said - started:.0f} s")
        return False

    def _restart(self) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        if len(self._deaths) == RESTART_LIMIT and now - self._deaths[0] < RESTART_WINDOW_SECONDS:
            msg = f"PostgreSQL ended {RESTART_LIMIT} times in a short while; giving up."
            raise EmbeddedError(msg)
        recent = sum(now - death < RESTART_WINDOW_SECONDS for death in self._deaths)
        resume = now + (FIRST_DELAY_SECONDS * 2 ** (recent - 1) if recent > 1 else 0)
        while not self._stopping and (left := resume - time.monotonic()) > 0:
            self._wait(left)
        if self._stopping:
            return
        self._say("PostgreSQL ended unasked; starting it again")
        cluster.clear_the_way(self._layout, self._say)
        self._start_server()
        self._await_ready()

    def _stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            deadline = time.monotonic() + FAST_SHUTDOWN_SECONDS
            if self._server is not None:
                os.kill(self._server, number)
            while self._server is not None and (left := deadline - time.monotonic()) > 0:
                self._wait(left)

    def _wait(self, seconds: float | None) -> None:
        """Wait for something to happen, at most so long, and note what did."""
        if seconds is None:
            received = signal.sigwait(processes.AWAITED)
        else:
            info = signal.sigtimedwait(processes.AWAITED, seconds)
            received = signal.Signals(info.si_signo) if info else signal.SIGCHLD
        if received != signal.SIGCHLD:
            self._stopping = True
        for child in _ended_children():
            if child == self._server:
                self._server = None
            elif child == self._waiter:
                self._stopping = True


def _ended_children() -> Iterator[int]:
    with contextlib.suppress(ChildProcessError):
        while (child := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            yield child


def _tail(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read(LOG_TAIL_BYTES).decode("utf-8", "replace").strip()
