"""Node scripts that tests start: each prints a line of JSON for everything that happens."""

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.support.server import wait_until

HERE = Path(__file__).parent
SCRIPTS = HERE / "scripts"
NODE_MODULES = HERE / "node_modules"
SECONDS = 80.0
"""What anything may take that a client is waited for."""
Said = dict[str, Any]


@dataclass
class Script:
    """A running script."""

    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    def lines(self) -> list[Said]:
        """Give all that it has said."""
        whole = self.output.read_bytes().rpartition(b"\n")[0]
        return [json.loads(line) for line in whole.splitlines() if line]

    def wait_for(self, wanted: Callable[[Said], Any], what: str) -> Said:
        """Wait until it says such a thing, and give that; the first of them."""

        def found() -> list[Said]:
            matching = [line for line in self.lines() if wanted(line)]
            ended = self.process.poll() is not None
            assert matching or not ended, f"{what}: it has ended: {self.log.read_text('utf-8')}"
            return matching

        try:
            first: Said = wait_until(found, what, SECONDS)[0]
        except AssertionError:
            print(*self.lines()[-20:], self.log.read_text("utf-8"), sep="\n")  # noqa: T201 -- for whoever mends it
            raise
        return first

    def wait_for_rows(self, wanted: Callable[[list[Said]], Any], what: str) -> list[Said]:
        """Wait until it has told of such rows, and give them."""
        said = self.wait_for(lambda line: "rows" in line and wanted(line["rows"]), what)
        rows: list[Said] = said["rows"]
        return rows

    def tell(self, name: str, **arguments: Any) -> None:
        """Let it do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"name": name, **arguments}).encode() + b"\n")
        self.process.stdin.flush()

    def do(self, name: str, **arguments: Any) -> Any:
        """Let it do something, and give what came of it."""
        before = len(self._done(name))
        self.tell(name, **arguments)
        done = wait_until(lambda: self._done(name)[before:], f"{name} is done", SECONDS)[0]
        assert "failed" not in done, done
        return done.get("result")

    def _done(self, name: str) -> list[Said]:
        return [line for line in self.lines() if name in (line.get("did"), line.get("failed"))]


@contextmanager
def running(script: Path | str, **given: Any) -> Iterator[Script]:
    """Start a script of this folder, or another; it has ended after the block."""
    path = SCRIPTS / script
    with tempfile.NamedTemporaryFile() as output, tempfile.NamedTemporaryFile() as log:
        process = _start(["node", str(path), json.dumps(given)], output, log)
        try:
            yield Script(process, Path(output.name), Path(log.name))
        finally:
            process.kill()
            process.wait(SECONDS)
            if process.stdin is not None:
                process.stdin.close()


def _start(line: list[str], output: IO[bytes], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=output, stderr=log)
