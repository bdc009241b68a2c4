"""The cluster's files: making it, its settings, and what a dead server left in it."""

import contextlib
import os
import pwd
import re
import shutil
import signal
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from roost.db.embedded import processes
from roost.db.embedded.binaries import Binaries
from roost.db.embedded.errors import EmbeddedError
from roost.db.embedded.locations import Layout

SUPERUSER = "postgres"
INCLUDE = "include_if_exists = 'embedded.conf'"
# No process can have it: above the largest pid_max. The shared-memory check stays in force.
IMPOSSIBLE_PID = b"4194305"
DEFAULTS: Mapping[str, str] = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "max_wal_size": "1GB",
    "wal_buffers": "16MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "unix_socket_permissions": "0700",
}
_BUILTIN_PROVIDER = 17
_LIBC_PROVIDER = 15
_SETTING_NAME = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?", re.IGNORECASE)
_FAST_SECONDS = 60.0
_IMMEDIATE_SECONDS = 10.0

Say = Callable[[str], None]


def version_of(cluster: Path) -> int | None:
    """Return the major version that made a cluster, or None where there is no cluster."""
    try:
        fd = os.open(cluster / "PG_VERSION", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    try:
        text = os.read(fd, 16).decode("ascii", "replace").strip()
    finally:
        os.close(fd)
    if not text.isdigit():
        msg = f"{cluster / 'PG_VERSION'} is damaged: {text!r}. Restore the directory from a backup."
        raise EmbeddedError(msg)
    return int(text)


def initialise(layout: Layout, binaries: Binaries, settings: Mapping[str, str]) -> None:
    """Make a new cluster, complete or not at all."""
    try:
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        msg = (
            f"PostgreSQL needs a user with a name, and user {os.geteuid()} has none. Add it to "
            f"/etc/passwd, run Roost as a user who is in it, or set DATABASE_URL."
        )
        raise EmbeddedError(msg) from error
    fresh = fresh_directory(layout)
    run_initdb(fresh, binaries, checksums=True, durable=settings.get("fsync") != "off")
    fresh.rename(layout.cluster)


def fresh_directory(layout: Layout) -> Path:
    """Return the place where a new cluster is made, cleared of an interrupted attempt."""
    fresh = layout.home / "data.new"
    stop_processes(fresh)
    if fresh.exists():
        shutil.rmtree(fresh)
    return fresh


def run_initdb(directory: Path, binaries: Binaries, *, checksums: bool, durable: bool) -> None:
    """Run initdb: one superuser, UTF-8, a collation that no update of the system changes."""
    major = binaries.major
    if major >= _BUILTIN_PROVIDER:
        locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    elif major >= _LIBC_PROVIDER:
        locale = ["--locale-provider=libc", "--locale=C.UTF-8"]
    else:
        locale = ["--locale=C.UTF-8"]
    command: list[str | Path] = [
        binaries.tool("initdb"),
        f"--pgdata={directory}",
        f"--username={SUPERUSER}",
        "--encoding=UTF8",
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        *locale,
    ]
    if checksums:
        command.append("--data-checksums")
    elif major >= 18:  # noqa: PLR2004 - the version that turned them on by default
        command.append("--no-data-checksums")
    if not durable:
        command.append("--no-sync")
    processes.run(command, cwd=directory.parent)
    with (directory / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write(f"\n# Roost's settings; ALTER SYSTEM wins over them.\n{INCLUDE}\n")


def write_settings(cluster: Path, binaries: Binaries, settings: Mapping[str, str]) -> None:
    """Write embedded.conf: the defaults, what the binaries offer, and the caller's settings."""
    merged = dict(DEFAULTS)
    if binaries.has_library("pg_stat_statements"):
        merged["shared_preload_libraries"] = "pg_stat_statements"
    merged.update(settings)
    lines = [f"{name} = {_quoted(name, value)}\n" for name, value in sorted(merged.items())]
    fresh = cluster / "embedded.conf.new"
    fresh.write_text("".join(lines), encoding="utf-8")
    fresh.rename(cluster / "embedded.conf")


def _quoted(name: str, value: str) -> str:
    if not _SETTING_NAME.fullmatch(name) or any(c in value for c in "\0\r\n"):
        msg = f"{name!r} = {value!r} is not a PostgreSQL setting. Correct the embedded settings."
        raise EmbeddedError(msg)
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def clear_the_way(layout: Layout, say: Say) -> None:
    """Remove what a dead server left. Only the holder of the keeper's lock may call this.

    A server that is still up without a keeper is shut down first.
    """
    stop_processes(layout.cluster, say)
    pid_file = layout.cluster / "postmaster.pid"
    with contextlib.suppress(FileNotFoundError):
        lines = pid_file.read_bytes().splitlines(keepends=True)
        fresh = pid_file.with_name("postmaster.pid.new")
        fresh.write_bytes(b"".join([IMPOSSIBLE_PID + b"\n", *lines[1:]]))
        fresh.rename(pid_file)
    layout.socket.unlink(missing_ok=True)
    layout.socket.with_name(f"{layout.socket.name}.lock").unlink(missing_ok=True)


def stop_processes(cluster: Path, say: Say | None = None) -> None:
    """Shut down every process that works in a cluster, the harder the longer it takes."""
    steps = (
        (signal.SIGINT, _FAST_SECONDS),
        (signal.SIGQUIT, _IMMEDIATE_SECONDS),
        (signal.SIGKILL, _IMMEDIATE_SECONDS),
    )
    for number, patience in steps:
        deadline = time.monotonic() + patience
        remaining = set(processes.processes_of(cluster))
        if remaining and say:
            say(f"shutting down processes left over in {cluster}")
        for pid in _leaders(cluster, remaining, number):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        while remaining and time.monotonic() < deadline:
            time.sleep(0.01)
            remaining = set(processes.processes_of(cluster))
        if not remaining:
            return
    msg = f"The processes {sorted(remaining)} hold {cluster} and do not end. Stop them."
    raise EmbeddedError(msg)


def _leaders(cluster: Path, pids: set[int], number: signal.Signals) -> set[int]:
    """Pick whom to tell: the postmaster, who tells its children, unless it is gone or deaf."""
    if number == signal.SIGKILL:
        return pids
    try:
        first = (cluster / "postmaster.pid").read_bytes().split(b"\n", 1)[0]
    except FileNotFoundError:
        return pids
    postmaster = int(first) if first.strip().isdigit() else 0
    return {postmaster} if postmaster in pids else pids


def prepare_socket_dir(layout: Layout) -> None:
    """Create the socket's directory; refuse one that is not private to this user."""
    directory = layout.socket_dir
    with contextlib.suppress(FileExistsError):
        directory.mkdir(mode=0o700)
    check_socket_dir(directory, os.geteuid())


def remove_socket_dir(layout: Layout) -> None:
    """Remove the socket's directory if it lies outside the home, after the server has ended."""
    if not layout.socket_dir.is_relative_to(layout.home):
        with contextlib.suppress(OSError):
            layout.socket_dir.rmdir()


def check_socket_dir(directory: Path, uid: int) -> None:
    """Raise EmbeddedError unless a directory is the user's own and closed to others."""
    found = directory.lstat()
    private = stat.S_ISDIR(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077 == 0
    if found.st_uid != uid or not private:
        msg = (
            f"{directory} is needed for the database's socket and is not a private directory of "
            f"user {uid}. Find out who made it, then remove it."
        )
        raise EmbeddedError(msg)
