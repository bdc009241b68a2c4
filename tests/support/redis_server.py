"""A Redis server of a test's own, on a socket that nobody else has."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as NoConnectionError

from tests.support.server import wait_until

DEADLINE_SECONDS = 20.0


class RedisServer:
    """A server that can be ended and started again; it keeps nothing on disk."""

    def __init__(self, program: str, directory: Path) -> None:
        self._program = program
        self._directory = directory
        self._socket = directory / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("--port", "0", "--save", "", "--appendonly", "no", "--dir", self._directory)
        self._process = subprocess.Popen(
            [self._program, *options, "--unixsocket", self._socket],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self._answers, "Redis answers", DEADLINE_SECONDS)

    def kill(self) -> None:
        """End it at once, if it runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(DEADLINE_SECONDS)
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Let it hang for the block: it is there and does not answer."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @contextmanager
    def client(self) -> Iterator[Redis]:
        """Give a client of it."""
        with Redis.from_url(self.url, decode_responses=True) as client:
            yield client

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, "Redis has ended"
        try:
            with self.client() as client:
                return bool(client.ping())
        except NoConnectionError:
            return False


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Start a server for the block; skips the test where there is no such program."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server here")
    # Not in pytest's directories: the path of a socket must be short.
    with tempfile.TemporaryDirectory(prefix="roost-redis-") as directory:
        server = RedisServer(program, Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.kill()
