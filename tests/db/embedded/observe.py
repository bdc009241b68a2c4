"""Watching and ending the processes of an embedded server from outside."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import asyncpg

from roost.db.embedded import EmbeddedServer, Endpoint

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
DEADLINE_SECONDS = 30.0

# Another process that holds a server: reports its endpoint, and lets go when told.
HOLDER = """
import sys
from pathlib import Path
from roost.db.embedded import EmbeddedError, EmbeddedServer
server = EmbeddedServer(
    Path(sys.argv[1]),
    bin_dir=Path(sys.argv[2]) if sys.argv[2:] else None,
    settings={"fsync": "off"},
)
try:
    endpoint = server.start()
except EmbeddedError as error:
    print("error", error, flush=True)
    sys.exit(1)
print("holds", endpoint.url(), flush=True)
sys.stdin.read()
server.stop()
"""


def quick_server(data_dir: Path, bin_dir: Path | None = None) -> EmbeddedServer:
    """Return a server that does not wait for the disk, which only a power cut could tell."""
    return EmbeddedServer(data_dir, bin_dir=bin_dir, settings={"fsync": "off"})


@dataclass
class Holder:
    """A process that holds a server."""

    process: subprocess.Popen[str]

    def answer(self) -> str:
        """Return its first line: `holds URL` or `error ...`."""
        return _pipe(self.process.stdout).readline().strip()

    def let_go(self) -> None:
        """Have it stop in good order."""
        _pipe(self.process.stdin).close()
        assert self.process.wait(DEADLINE_SECONDS) == 0
        self._close()

    def kill(self) -> None:
        """End it with SIGKILL."""
        self.process.kill()
        self.process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            _pipe(pipe).close()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def start_holder(data_dir: Path, bin_dir: Path | None = None, **options: object) -> Holder:
    """Start a process that holds the server of a data directory."""
    command = [sys.executable, "-c", HOLDER, str(data_dir), *([str(bin_dir)] if bin_dir else [])]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload]
    )
    return Holder(process)


def query(endpoint: Endpoint | str, statement: str) -> object:
    """Run one statement over a connection of its own and return its first value."""
    url = endpoint if isinstance(endpoint, str) else endpoint.url()

    async def fetch() -> object:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    with ThreadPoolExecutor(1) as executor:
        return executor.submit(lambda: asyncio.run(fetch())).result()


def answers(endpoint: Endpoint | str) -> bool:
    """Tell whether a server accepts a connection."""
    try:
        query(endpoint, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds; fail at the deadline."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come about in time"
        time.sleep(0.01)


def postmaster(data_dir: Path) -> int:
    """Return the process id of a running server."""
    return int((data_dir / "postgres/data/postmaster.pid").read_text().split("\n", 1)[0])


def keeper(data_dir: Path) -> int:
    """Return the process id of a running server's keeper."""
    status = Path(f"/proc/{postmaster(data_dir)}/status").read_text()
    return int(status.split("PPid:")[1].split()[0])


def alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def family(data_dir: Path) -> set[int]:
    """Return the ids of every process that works for a server: keeper, waiter, postgres."""
    marks = (f"roost-postgres-keeper:{data_dir}", f"{data_dir}/postgres/data")
    found = set()
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            line = (entry / "cmdline").read_bytes().decode(errors="replace")
            if any(mark in line for mark in marks) and alive(int(entry.name)):
                found.add(int(entry.name))
    return found


def kill(pid: int) -> None:
    """End a process with SIGKILL and wait until it has ended."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not alive(pid))


def crash(data_dir: Path) -> None:
    """Kill server and keeper so that neither does anything more, as a power cut would."""
    guard, running = keeper(data_dir), postmaster(data_dir)
    os.kill(guard, signal.SIGSTOP)
    kill(running)
    kill(guard)


def owner_credentials(data_dir: Path) -> dict[str, object]:
    """Return the arguments that make `subprocess` run a program as a cluster's owner."""
    owner = (data_dir / "postgres").stat()
    if os.geteuid() != 0:
        return {}
    return {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
