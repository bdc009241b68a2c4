"""The client's side: hold the server, start it when nobody has."""

import json
import logging
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import quote

from roost.db.embedded import binaries, cluster, locks, privileges
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.keeper import Order
from roost.db.embedded.locations import PORT, Layout, prepare_data_dir
from roost.db.embedded.probe import Answer, probe

POLL_SECONDS = 0.005
PROGRESS_SECONDS = 5.0
STOP_SECONDS = 60.0

_log = logging.getLogger(__name__)
# The directory that holds the `roost` package; the keeper runs without site-packages.
_SOURCE = Path(__file__).resolve().parents[3]
_KEEPER = (
    "import sys; sys.path.append(sys.argv[1]);from roost.db.embedded.keeper import main; main()"
)


@dataclass(frozen=True)
class Endpoint:
    """Where a server accepts connections, and its major version."""

    socket_dir: Path
    port: int
    major: int

    def url(self, *, user: str = "postgres", database: str = "postgres") -> str:
        """Return a connection URL as libpq and asyncpg read it."""
        host = quote(str(self.socket_dir), safe="/")
        return (
            f"postgresql://{quote(user, safe='')}@/{quote(database, safe='')}"
            f"?host={host}&port={self.port}"
        )


class EmbeddedServer:
    """A hold on the PostgreSQL server of one data directory.

    The server runs while any process holds it, and ends with the last one however that ends,
    `kill -9` included. A forked child does not inherit the hold; it makes its own.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        """Name the server: Roost's data directory, the programs, and extra settings.

        The settings take effect when this call starts the server, not when it attaches.
        """
        self._data_dir = data_dir
        self._bin_dir = bin_dir
        self._settings = dict(settings or {})
        self._hold: int | None = None
        self._turn = threading.Lock()
        _instances.add(self)

    def __enter__(self) -> Endpoint:
        """Start or attach."""
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let go."""
        self.stop()

    def start(self) -> Endpoint:
        """Start the server or attach to it, and return once it accepts connections.

        Safe to call again, for example when the server was lost. Raises EmbeddedError.
        """
        layout = Layout(prepare_data_dir(self._data_dir))
        with self._turn:
            try:
                self._take_hold(layout)
                self._ensure_running(layout)
                return _endpoint(layout)
            except BaseException:
                self._let_go()
                raise

    def stop(self) -> None:
        """Let go of the server; the last holder waits until it has ended."""
        with self._turn:
            self._let_go()

    def _let_go(self) -> None:
        if self._hold is None:
            return
        hold, self._hold = self._hold, None
        try:
            _await_end(hold, Layout(self._data_dir.resolve()))
        finally:
            os.close(hold)

    def _take_hold(self, layout: Layout) -> None:
        if self._hold is not None:
            return
        hold = locks.open_lock(layout.clients_lock)
        patience = _Patience("waiting for the previous server to end")
        try:
            while not locks.try_shared(hold):
                patience.pause()
        except BaseException:
            os.close(hold)
            raise
        self._hold = hold

    def _ensure_running(self, layout: Layout) -> None:
        patience = _Patience("waiting for PostgreSQL to accept connections")
        while True:
            keeper_lock = locks.open_lock(layout.keeper_lock)
            try:
                if locks.try_exclusive(keeper_lock):
                    self._start_keeper(layout, keeper_lock)
                    return
            finally:
                os.close(keeper_lock)
            if _answers(layout):
                return
            patience.pause()

    def _start_keeper(self, layout: Layout, keeper_lock: int) -> None:
        chosen = binaries.find_binaries(self._bin_dir)
        read_end, write_end = os.pipe()
        clients_lock = locks.open_lock(layout.clients_lock)
        order = Order(
            data_dir=str(layout.data_dir),
            bin_dir=str(chosen.bin_dir),
            places=[str(place) for place in binaries.known_places()],
            settings=self._settings,
            clients_fd=clients_lock,
            keeper_fd=keeper_lock,
            status_fd=write_end,
        )
        try:
            _launch(order)
        finally:
            os.close(clients_lock)
            os.close(write_end)
        _follow(read_end)


def _launch(order: Order) -> None:
    """Start the keeper's process, which detaches itself: it is nobody's child."""
    # The last argument only names the process in ps.
    command = [
        *(sys.executable, "-I", "-S", "-c", _KEEPER, str(_SOURCE)),
        f"roost-postgres-keeper:{order.data_dir}",
    ]
    with subprocess.Popen(  # noqa: S603 - our own arguments, no shell
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(order.clients_fd, order.keeper_fd, order.status_fd),
        start_new_session=True,
    ) as process:
        _, complaint = process.communicate(order.encode())
    if process.returncode != 0:
        msg = f"The keeper did not start:\n{complaint.decode(errors='replace')}"
        raise EmbeddedError(msg)


def _follow(read_end: int) -> None:
    """Pass on what the keeper reports until the server is ready; EmbeddedError if it fails."""
    with open(read_end, encoding="utf-8") as lines:
        for line in lines:
            kind, text = json.loads(line)
            if kind == "ready":
                return
            if kind == "error":
                raise EmbeddedError(text)
            _log.info(text)
    msg = "The keeper ended while it started PostgreSQL. Start Roost again."
    raise EmbeddedError(msg)


def _answers(layout: Layout) -> bool:
    try:
        uid = layout.home.lstat().st_uid
        cluster.check_socket_dir(layout.socket_dir, uid)
    except FileNotFoundError:
        return False
    return probe(layout.socket, uid) is Answer.READY


def _endpoint(layout: Layout) -> Endpoint:
    cluster.check_socket_dir(layout.socket_dir, privileges.server_user(layout.home).uid)
    major = cluster.version_of(layout.cluster)
    if major is None:
        msg = f"{layout.cluster} has vanished. Start Roost again."
        raise EmbeddedError(msg)
    return Endpoint(layout.socket_dir, PORT, major)


def _await_end(hold: int, layout: Layout) -> None:
    """Release the hold and, if nobody else has one, wait until the server has ended."""
    last = locks.try_exclusive(hold)
    if not last and locks.try_shared(hold):
        return
    locks.release(hold)
    keeper_lock = locks.open_lock(layout.keeper_lock)
    deadline = time.monotonic() + STOP_SECONDS
    try:
        while time.monotonic() < deadline and not locks.try_shared(keeper_lock):
            if locks.try_shared(hold) and not locks.try_exclusive(hold):
                return
            locks.release(hold)
            time.sleep(POLL_SECONDS)
    finally:
        os.close(keeper_lock)


class _Patience:
    """Waits in small steps, without an end, and says so now and then."""

    def __init__(self, purpose: str) -> None:
        self._purpose = purpose
        self._said = self._began = time.monotonic()

    def pause(self) -> None:
        time.sleep(POLL_SECONDS)
        now = time.monotonic()
        if now - self._said > PROGRESS_SECONDS:
            self._said = now
            _log.info("%s, since %.0f s", self._purpose, now - self._began)


_instances: "weakref.WeakSet[EmbeddedServer]" = weakref.WeakSet()


def _forget_holds() -> None:
    """Close the copies a forked child got, or the child would keep its parent's server up."""
    for instance in _instances:
        hold, instance._hold = instance._hold, None  # noqa: SLF001
        instance._turn = threading.Lock()  # noqa: SLF001 - another thread may have had it
        if hold is not None:
            os.close(hold)


os.register_at_fork(after_in_child=_forget_holds)
