"""Limits over HTTP: a real server of two workers, and the Redis they share."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from tests.support.redis_server import RedisServer, redis_server
from tests.support.schema import _database, as_role
from tests.support.server import API, Server, document, run, serving

LINK = f"{API}/auth/link?token=unknown"
TOKENS = f"{API}/tokens"
pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    """A server that stays up."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def pair(redis: RedisServer, postgres: Endpoint, template: str) -> Iterator[Server]:
    """Roost in two workers that share that Redis."""
    del template
    extra = {"ROOST_REDIS_URL": redis.url}
    with (
        _database(postgres) as url,
        serving("--database-url", as_role(url, OWNER_ROLE), "--workers", "2", extra=extra) as pair,
    ):
        yield pair


def refused_after(server: Server, request: httpx.Request, most: int) -> tuple[int, httpx.Response]:
    """Send a request until it is refused; gives how often it was not, and the refusal."""
    for sent in range(most + 1):
        # A connection of its own: it goes to whichever worker takes it.
        with server.client() as client:
            answer = client.send(request)
        if answer.status_code == 429:
            return sent, answer
    pytest.fail(f"none of {most} requests was refused")


def check_refusal(answer: httpx.Response, name: str, quota: int) -> None:
    """See that a refusal says what the limit is and when to come again."""
    wait = answer.headers["retry-after"]
    assert 1 <= int(wait) <= 60 / quota + 1
    assert answer.headers["ratelimit"] == f'"{name}";r=0;t={wait}'
    assert answer.headers["ratelimit-policy"] == f'"{name}";q={quota};w=60'
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "RATE_LIMITED"


def test_workers_count_tokens_for_each_user_together(pair: Server) -> None:
    token = pair.token()
    began = time.monotonic()
    with pair.client(token) as client:
        request = client.build_request("POST", TOKENS, json={"name": "more"})
        made = client.send(request)
        assert made.status_code == 201
        assert made.headers["ratelimit-policy"] == '"tokens";q=30;w=60'
        assert made.headers["ratelimit"].startswith('"tokens";r=28;t=')
    let_in, answer = refused_after(pair, request, 100)
    check_refusal(answer, "tokens", 30)
    # One was made to log in with, one above.
    assert 28 <= let_in <= 28 + (time.monotonic() - began) / 2 + 1


def test_workers_count_log_in_links_for_each_address_together(
    pair: Server, redis: RedisServer
) -> None:
    with redis.client() as client:
        client.flushall()
    began = time.monotonic()
    let_in, answer = refused_after(pair, httpx.Request("GET", pair.url + LINK), 100)
    check_refusal(answer, "login", 20)
    assert 20 <= let_in <= 20 + (time.monotonic() - began) / 3 + 1


def test_doctor_says_whether_redis_answers(
    redis: RedisServer, fresh_roost_database: str, data_dir: Path
) -> None:
    options = ("--database-url", as_role(fresh_roost_database, OWNER_ROLE), "--data-dir", data_dir)
    well = document("doctor", *options, extra={"ROOST_REDIS_URL": redis.url})
    checks = {check["name"]: check for check in well["checks"]}
    assert checks["Redis"]["status"] == "ok"
    nowhere = {"ROOST_REDIS_URL": f"unix://:hidden@{data_dir}/none.sock"}
    ill = run("doctor", "--json", *options, extra=nowhere)
    assert ill.returncode == 1
    assert '"Redis","status":"failed"' in ill.stdout.replace(": ", ":").replace(", ", ",")
    assert "hidden" not in ill.stdout + ill.stderr


def test_a_url_redis_cannot_use_stops_the_start(data_dir: Path) -> None:
    extra = {"ROOST_REDIS_URL": "redis://127.0.0.1?db=first"}
    done = run("serve", "--port", "0", "--data-dir", data_dir, extra=extra)
    assert done.returncode == 1
    assert "ROOST_REDIS_URL" in done.stderr
