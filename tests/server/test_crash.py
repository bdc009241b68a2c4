"""kill -9 of whatever there is, during writes: what was acknowledged is there afterwards."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.db.embedded.observe import family, keeper, postmaster
from tests.support.server import API, Server, serving, wait_until

pytestmark = pytest.mark.timeout(300)


class Writer(threading.Thread):
    """Makes tasks as fast as they are acknowledged, and remembers each that was."""

    def __init__(self, server: Server, token: str) -> None:
        super().__init__(daemon=True)
        self._client = server.client(token)
        self._over = threading.Event()
        self.acknowledged: list[str] = []
        self.odd: list[str] = []

    def run(self) -> None:
        while not self._over.is_set():
            # A connection that is cut, or a refusal, acknowledges nothing.
            with suppress(httpx.HTTPError):
                answer = self._client.post(f"{API}/tasks", json={"title": "kept"})
                if answer.status_code == 201:
                    self.acknowledged.append(answer.json()["data"]["id"])
                elif answer.status_code != 503 or "retry-after" not in answer.headers:
                    self.odd.append(answer.text)

    def stop(self) -> None:
        self._over.set()
        self.join()
        self._client.close()


@contextmanager
def writing(server: Server, token: str, known: list[str]) -> Iterator[Writer]:
    """Write within the block; what was acknowledged is added to the known."""
    writer = Writer(server, token)
    writer.start()
    try:
        wait_until(lambda: len(writer.acknowledged) > 10, "it writes")
        yield writer
    finally:
        writer.stop()
        known += writer.acknowledged
        failures = [line for line in server.logged.splitlines() if "a request failed" in line]
        assert not writer.odd, failures


def see_all(server: Server, token: str, known: list[str]) -> None:
    """Every acknowledged task is there."""
    found: set[str] = set()
    with server.client(token) as client:
        params: dict[str, Any] = {"limit": 100, "sort": "createdAt"}
        while True:
            answer = client.get(f"{API}/tasks", params=params)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found |= {task["id"] for task in page["data"]}
            if (cursor := page["pagination"]["nextCursor"]) is None:
                break
            params["cursor"] = cursor
    assert set(known) - found == set()


def backend(data_dir: Path) -> int:
    """Find a connection's process of the running server."""

    def found() -> list[int]:
        backends = []
        for task in Path(f"/proc/{postmaster(data_dir)}/task").iterdir():
            for child in (task / "children").read_text().split():
                with suppress(OSError):
                    if b"roost_app" in Path(f"/proc/{child}/cmdline").read_bytes():
                        backends.append(int(child))
        return backends

    return random.choice(wait_until(found, "there is a connection"))  # type: ignore[no-any-return]


VICTIMS: dict[str, Callable[[Path], int]] = {
    "a connection of postgres": backend,
    "postgres": postmaster,
    "the keeper of postgres": keeper,
}


def kill_beneath(server: Server, token: str, data_dir: Path, victim: str, known: list[str]) -> None:
    """Kill a part of the database during writes; the server must come back by itself."""
    with writing(server, token, known) as writer:
        os.kill(VICTIMS[victim](data_dir), signal.SIGKILL)
        seen = len(writer.acknowledged)
        wait_until(lambda: len(writer.acknowledged) > seen + 20, f"writing again: {victim}")
    wait_until(server.answers, "it is ready again")
    see_all(server, token, known)


def kill_server(server: Server, token: str, known: list[str]) -> None:
    """Kill the server during writes."""
    with writing(server, token, known):
        server.kill()


def test_every_acknowledged_write_survives_each_kill(data_dir: Path) -> None:
    known: list[str] = []
    with serving("--data-dir", data_dir) as server:
        token = server.token()
        for victim in VICTIMS:
            kill_beneath(server, token, data_dir, victim, known)
        kill_server(server, token, known)
    # Its database ends by itself, without a hold on the next start.
    with serving("--data-dir", data_dir) as server:
        see_all(server, token, known)
        assert server.stop() == 0
    wait_until(lambda: not family(data_dir), "the database has ended")


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_every_acknowledged_write_survives_twenty_kills(data_dir: Path) -> None:
    known: list[str] = []
    rng = random.Random(20)
    token = ""
    left = 20
    while left:
        with serving("--data-dir", data_dir) as server:
            token = token or server.token()
            see_all(server, token, known)
            while left:
                left -= 1
                victim = rng.choice([*VICTIMS, "the server"])
                if victim == "the server":
                    kill_server(server, token, known)
                    break
                kill_beneath(server, token, data_dir, victim, known)
    with serving("--data-dir", data_dir) as server:
        see_all(server, token, known)
        assert server.stop() == 0
