"""Roost as people start it: real processes, on a port that the system chooses."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import httpx

ROOST = Path(sys.executable).with_name("roost")
DEADLINE_SECONDS = 60.0
API = "/api/v1"
_OURS = ("ROOST_", "DATABASE_", "DB_", "OTEL_", "PG")


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Give this process's environment without what would steer Roost, and `extra`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, **(extra or {})}


def run(
    *arguments: str | Path, extra: Mapping[str, str] | None = None, stdin: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run `roost` to its end; its status and output are the answer."""
    return subprocess.run(
        [ROOST, *arguments],
        env=environment(extra),
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )


def document(*arguments: str | Path, extra: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Run `roost … --json`, which must work; gives its document."""
    done = run(*arguments, "--json", extra=extra)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def wait_until(condition: Callable[[], Any], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Wait until the condition gives something true, and give that; fail at the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        time.sleep(0.02)
    return found


@dataclass
class Server:
    """A running `roost serve`."""

    process: subprocess.Popen[bytes]
    output: IO[bytes]
    log: IO[bytes]
    url: str = ""

    @property
    def said(self) -> str:
        """What it has printed on standard output."""
        return Path(self.output.name).read_text(encoding="utf-8")

    @property
    def logged(self) -> str:
        """What it has printed on standard error."""
        return Path(self.log.name).read_text(encoding="utf-8")

    @property
    def link(self) -> str | None:
        """The log-in link it has printed, if it has."""
        words = self.said.split()
        return next((word for word in words if "/auth/link?token=" in word), None)

    def client(self, token: str | None = None, **options: Any) -> httpx.Client:
        """Give a client of it, with a token or without a credential; to be closed."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, **options)

    def token(self, **fields: Any) -> str:
        """Log in by the link, which can be done once, and make a token."""
        assert self.link is not None
        with self.client() as client:
            assert client.get(self.link).status_code == 303
            answer = client.post(
                f"{API}/tokens", json={"name": "tests", **fields}, headers={"origin": self.url}
            )
            assert answer.status_code == 201, answer.text
            return str(answer.json()["data"]["token"])

    def answers(self, path: str = "/readyz") -> bool:
        """Whether a plain GET succeeds now."""
        with suppress(httpx.HTTPError):
            return httpx.get(self.url + path, timeout=5).status_code == 200
        return False

    def workers(self) -> set[int]:
        """Give the process ids of its workers, when it has several."""
        workers = set()
        for pid in _children(self.process.pid):
            with suppress(OSError):  # it may end between the two looks
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    workers.add(pid)
        return workers

    def stop(self) -> int:
        """Ask it to end, and give its exit status."""
        self.process.terminate()
        return self.process.wait(DEADLINE_SECONDS)

    def kill(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait(DEADLINE_SECONDS)

    def await_ready(self) -> None:
        """Wait for the line that says it is ready."""

        def line() -> str | None:
            assert self.process.poll() is None, f"it ended: {self.logged}"
            ready = [text for text in self.said.splitlines() if " is ready at " in text]
            return ready[0] if ready else None

        self.url = wait_until(line, "the server is ready").split()[-1]


def _children(pid: int) -> set[int]:
    found = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            found |= {int(child) for child in (task / "children").read_text().split()}
    return found


@contextmanager
def starting(
    *options: str | Path,
    extra: Mapping[str, str] | None = None,
    command: Sequence[str] = ("serve",),
) -> Iterator[Server]:
    """Start `roost serve`, or another `command`, on a port of the system's choice.

    It has ended after the block.
    """
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as log:
        line: Sequence[str | Path] = [ROOST, *command, "--port", "0", *options]
        process = subprocess.Popen(line, env=environment(extra), stdout=output, stderr=log)
        server = Server(process, output, log)
        try:
            yield server
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(DEADLINE_SECONDS)
                except subprocess.TimeoutExpired:
                    server.kill()


@contextmanager
def serving(
    *options: str | Path,
    extra: Mapping[str, str] | None = None,
    command: Sequence[str] = ("serve",),
) -> Iterator[Server]:
    """Start `roost serve`, or another `command`, and wait until it is ready."""
    with starting(*options, extra=extra, command=command) as server:
        server.await_ready()
        yield server
