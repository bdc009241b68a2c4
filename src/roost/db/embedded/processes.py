"""Child processes that cannot outlive their parent, and the processes of a cluster."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from roost.db.embedded.errors import EmbeddedError

# What the keeper waits for. Blocked from its first moment on, so that none is ever lost.
AWAITED = frozenset({signal.SIGCHLD, signal.SIGINT, signal.SIGQUIT})

# A fast shutdown, for `postgres`; a cancel, for its other programs.
GENTLE_END = signal.SIGINT

_PR_SET_PDEATHSIG = 1
_CANNOT_EXEC = 127
_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have the kernel send this process a signal when its parent's current thread ends."""
    if sys.platform != "linux":
        return
    _libc.prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def spawn(command: Sequence[str | Path], log: Path, on_parent_death: signal.Signals) -> int:
    """Start a program with its output appended to the log, and return its process id.

    Call it from the main thread of a process with one thread: the program gets
    `on_parent_death` when that thread ends.
    """
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _become(command, log, on_parent_death, parent)
    return pid


def _become(
    command: Sequence[str | Path], log: Path, on_parent_death: signal.Signals, parent: int
) -> NoReturn:
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        output = open_log(log)
        os.dup2(output, 1)
        os.dup2(output, 2)
        die_with_parent(on_parent_death, parent)
        os.execve(  # noqa: S606 - no shell is wanted
            command[0], [os.fspath(part) for part in command], environment(os.environ)
        )
    finally:
        os._exit(_CANNOT_EXEC)


def run(command: Sequence[str | Path], cwd: Path) -> str:
    """Run a program of PostgreSQL to its end, return its output; EmbeddedError when it fails."""
    parent = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        die_with_parent(signal.SIGKILL, parent)

    done = subprocess.run(  # noqa: S603 - our own arguments, no shell
        command,
        check=False,
        cwd=cwd,
        env=environment(os.environ),
        preexec_fn=prepare,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if done.returncode != 0:
        msg = f"{Path(command[0]).name} failed (exit status {done.returncode}):\n{done.stdout}"
        raise EmbeddedError(msg)
    return done.stdout


def environment(base: Mapping[str, str]) -> dict[str, str]:
    """Return what PostgreSQL's programs get to see: no PG* variable may redirect them."""
    passed = {k: base[k] for k in ("PATH", "LD_LIBRARY_PATH", "TMPDIR") if k in base}
    return passed | {"LC_ALL": "C", "TZ": "UTC"}


def open_log(path: Path) -> int:
    """Open a log for appending; only ever done as the user who owns its directory."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)


def processes_of(cluster: Path) -> Iterator[int]:
    """Yield the live `postgres` processes that work in a cluster's directory.

    Where there is no /proc none is seen.
    """
    try:
        wanted = cluster.stat()
    except FileNotFoundError:
        return
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (entry / "comm").read_text() != "postgres\n":
                continue
            if os.path.samestat((entry / "cwd").stat(), wanted):
                yield int(entry.name)


def rotate_log(path: Path, limit: int = 10_000_000) -> None:
    """Set a log of more than so many bytes aside, replacing the one set aside before."""
    with contextlib.suppress(FileNotFoundError):
        if path.lstat().st_size > limit:
            path.rename(path.with_name(f"{path.name}.1"))
