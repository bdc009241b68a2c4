"""Several workers behind one port."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from tests.support.schema import _database, as_role
from tests.support.server import API, Server, serving, wait_until

COUNT = re.compile(
    r'^http_server_request_duration_seconds_count\{.*"/api/v1/tasks".*\} (\S+)', re.MULTILINE
)
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def pair(postgres: Endpoint, template: str) -> Iterator[Server]:
    """A server of two workers."""
    del template
    with (
        _database(postgres) as url,
        serving("--database-url", as_role(url, OWNER_ROLE), "--workers", "2") as server,
    ):
        yield server


@pytest.fixture(scope="module")
def owner_token(pair: Server) -> str:
    return pair.token()


@contextmanager
def only(pair: Server, worker: int) -> Iterator[None]:
    """Hold all workers but one, which must do all the work then."""
    others = pair.workers() - {worker}
    for other in others:
        os.kill(other, signal.SIGSTOP)
    try:
        yield
    finally:
        for other in others:
            os.kill(other, signal.SIGCONT)


def status(pair: Server, token: str) -> int:
    # A connection of its own: it goes to whoever takes it.
    with pair.client(token) as client:
        return client.get(f"{API}/tasks").status_code


def test_each_worker_serves(pair: Server, owner_token: str) -> None:
    workers = pair.workers()
    assert len(workers) == 2
    for worker in workers:
        with only(pair, worker):
            assert status(pair, owner_token) == 200


def test_a_revoked_token_is_refused_by_every_worker_at_once(pair: Server, owner_token: str) -> None:
    with pair.client(owner_token) as owner:
        made = owner.post(f"{API}/tokens", json={"name": "short"}).json()["data"]
        for worker in pair.workers():
            with only(pair, worker):
                assert status(pair, made["token"]) == 200  # and it is remembered there
        assert owner.delete(f"{API}/tokens/{made['id']}").status_code == 204
    for worker in pair.workers():
        with only(pair, worker):
            wait_until(lambda: status(pair, made["token"]) == 401, "it is refused", 2)


def requests(pair: Server) -> float:
    with pair.client() as client:
        return sum(float(found) for found in COUNT.findall(client.get("/metrics").text))


def test_a_killed_worker_is_replaced_and_what_it_counted_is_kept(
    pair: Server, owner_token: str
) -> None:
    workers = pair.workers()
    for worker in workers:
        with only(pair, worker):
            assert status(pair, owner_token) == 200
    seen = [requests(pair) for _ in range(4)]
    assert seen[0] >= 2
    victim = min(workers)
    os.kill(victim, signal.SIGKILL)
    fresh = wait_until(
        lambda: len(pair.workers()) == 2 and pair.workers() - workers, "it is replaced"
    )
    seen += [requests(pair) for _ in range(4)]
    with only(pair, fresh.pop()):
        assert wait_until(pair.answers, "the new one answers")
        assert status(pair, owner_token) == 200
        seen.append(requests(pair))
    seen.append(requests(pair))
    assert seen == sorted(seen)
    assert seen[-1] > seen[0]


def test_all_end_with_0_and_leave_nothing(pair: Server) -> None:
    workers = pair.workers()
    assert pair.stop() == 0
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
