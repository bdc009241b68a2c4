"""The keeper: a small process, the parent of `postgres`, that lives while anybody uses it.

It is started by the first client and belongs to none. Every client holds a shared lock; when
the kernel has released the last one, however its holder ended, the keeper stops the server.
"""

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from roost.db.embedded import cluster, privileges, processes, provision, upgrade
from roost.db.embedded.binaries import Binaries
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import Layout
from roost.db.embedded.supervisor import Supervisor


@dataclass(frozen=True)
class Order:
    """What the client that starts a keeper tells it, as JSON on its standard input."""

    data_dir: str
    bin_dir: str
    places: Sequence[str]
    settings: Mapping[str, str]
    clients_fd: int
    keeper_fd: int
    status_fd: int

    def encode(self) -> bytes:
        """Return the order as JSON."""
        return json.dumps(asdict(self)).encode()


class Status:
    """The way back to the client that waits: lines of JSON, `[kind, text]`."""

    def __init__(self, fd: int) -> None:
        """Report to the pipe `fd`, and once finished to standard error, the log."""
        self._fd: int | None = fd

    def say(self, text: str) -> None:
        """Report progress."""
        self._write("progress", text)

    def finish(self, kind: str, text: str = "") -> None:
        """Report `ready` or `error` and close."""
        self._write(kind, text)
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _write(self, kind: str, text: str) -> None:
        if self._fd is None:
            # Nobody waits any more; the log is standard error by now.
            sys.stderr.write(f"roost keeper: {kind}: {text}\n")
            sys.stderr.flush()
            return
        try:
            os.write(self._fd, json.dumps([kind, text]).encode() + b"\n")
        except BrokenPipeError:
            os.close(self._fd)
            self._fd = None


def main() -> None:
    """Run the keeper; the entry point of its process."""
    signal.pthread_sigmask(signal.SIG_BLOCK, processes.AWAITED)
    # Only the end of the clients ends the server: a service manager signals everybody at once,
    # while the clients still finish their requests.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    order = Order(**json.load(sys.stdin))
    if os.fork():
        os._exit(0)
    for fd in (order.clients_fd, order.keeper_fd, order.status_fd):
        os.set_inheritable(fd, False)  # noqa: FBT003 - takes no keyword
    status = Status(order.status_fd)
    try:
        _keep(order, status)
    except EmbeddedError as error:
        status.finish("error", str(error))
        os._exit(1)
    except OSError as error:
        status.finish("error", f"The keeper cannot go on: {error}. Correct that and start again.")
        os._exit(1)
    except BaseException:  # noqa: BLE001 - whatever it is, the client has to hear of it
        status.finish("error", f"The keeper failed:\n{traceback.format_exc()}")
        os._exit(1)
    os._exit(0)


def _keep(order: Order, status: Status) -> None:
    layout = Layout(Path(order.data_dir))
    user = privileges.server_user(layout.home)
    binaries = provision.settle(layout, Binaries(Path(order.bin_dir)), user)
    keeps_binaries = order.settings.get("fsync") != "off"
    if keeps_binaries and os.geteuid() == 0:
        provision.preserve(layout, binaries)
    places = [*provision.kept(layout), *map(Path, order.places)]
    privileges.step_down(user)
    os.umask(0o077)
    os.chdir("/")
    _redirect_output(layout)
    cluster.prepare_socket_dir(layout)
    cluster.clear_the_way(layout, status.say)
    upgrade.settle_interrupted(layout, status.say)
    made_by = cluster.version_of(layout.cluster)
    if made_by is None:
        status.say(f"making a new database in {layout.cluster}")
        cluster.initialise(layout, binaries, order.settings)
    elif made_by != binaries.major:
        upgrade.upgrade(layout, binaries, places, order.settings, status.say)
    cluster.write_settings(layout.cluster, binaries, order.settings)
    supervisor = Supervisor(layout, binaries, order.clients_fd, status.say)
    supervisor.start((order.keeper_fd, order.status_fd))
    status.finish("ready")
    if keeps_binaries:
        provision.preserve(layout, binaries)
    if made_by not in (None, binaries.major):
        upgrade.collect_statistics(layout, binaries)
    supervisor.run()
    cluster.remove_socket_dir(layout)


def _redirect_output(layout: Layout) -> None:
    processes.rotate_log(layout.log)
    null = os.open(os.devnull, os.O_RDWR)
    log = processes.open_log(layout.log)
    for target, fd in ((0, null), (1, log), (2, log)):
        os.dup2(fd, target)
