"""Clients of live sync that cost little: raw sockets on which something is waited for."""

import asyncio
import http.client
import resource
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from benchmarks.processes import BenchError, Server

_PATH = "/v1/shape"
_END_OF_HEAD = b"\r\n\r\n"


def allow_connections(count: int) -> None:
    """Let this process, and those that it starts, have so many; BenchError when it may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 1_000
    if soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        msg = f"{wanted} open files are needed, {hard} allowed: run it as root, or raise ulimit -n"
        raise BenchError(msg) from None


def place(server: Server, headers: Mapping[str, str], **shape: str) -> dict[str, str]:
    """Read a shape to its end, and give the parameters of who goes on live from there."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    given = {**shape, "offset": "-1"}
    while True:
        connection.request("GET", f"{_PATH}?{urlencode(given)}", headers=dict(headers))
        answer = connection.getresponse()
        answer.read()
        if answer.status != 200:  # noqa: PLR2004 -- as it is known
            msg = f"{_PATH} answered {answer.status}"
            raise BenchError(msg)
        got = answer.headers
        given |= {"offset": got["electric-offset"], "handle": got["electric-handle"]}
        if got["electric-up-to-date"] is not None:
            connection.close()
            return {**given, "live": "true", "cursor": ""}


class Client(asyncio.Protocol):
    """One that waits: `told` gets every piece of what comes after the head, and when."""

    def __init__(self, request: bytes, told: Callable[[bytes, float], None]) -> None:
        self._request = request
        self._told = told
        self._head: bytearray | None = bytearray()
        self.lost = False

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401 -- asyncio's
        """Ask."""
        transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        now = time.perf_counter()
        if self._head is not None:
            self._head += data
            end = self._head.find(_END_OF_HEAD)
            if end < 0:
                return
            if not self._head.startswith(b"HTTP/1.1 200"):
                self.lost = True
            data, self._head = bytes(self._head[end + len(_END_OF_HEAD) :]), None
        if data:
            self._told(data, now)

    def connection_lost(self, error: Exception | None) -> None:
        """Note it."""
        del error
        self.lost = True


def request(headers: Mapping[str, str], given: Mapping[str, str]) -> bytes:
    """Write a request."""
    lines = [f"GET {_PATH}?{urlencode(given)} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def memory_of(pid: int) -> int:
    """Give what a process has in memory, in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:  # noqa: PTH123 -- no file
        return next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmRSS"))
