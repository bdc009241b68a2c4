"""Whose word is believed on where a request comes from, over real sockets."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import asyncpg
import pytest

from roost.cli.listen import Listen
from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from tests.support.schema import _database, as_role
from tests.support.server import API, Server, serving

TRUSTED = "127.0.0.1,10.0.0.0/8"
FORWARDED = "x-forwarded-for"
LINK = f"{API}/auth/link"
pytestmark = pytest.mark.timeout(240)


class Place(NamedTuple):
    """A server and its database."""

    server: Server
    database_url: str


class Seen(NamedTuple):
    """Where Roost thinks that a log-in came from, and whether it came by https."""

    address: str
    secure: bool


@pytest.fixture(scope="module")
def trusting(postgres: Endpoint, template: str) -> Iterator[Place]:
    """A server that trusts this machine and a network."""
    del template
    with _database(postgres) as url:
        owner = as_role(url, OWNER_ROLE)
        extra = {"ROOST_TRUSTED_PROXIES": TRUSTED}
        with serving("--database-url", owner, extra=extra) as server:
            yield Place(server, owner)


@pytest.fixture(scope="module")
def wary(postgres: Endpoint, template: str) -> Iterator[Place]:
    """A server that trusts nobody, whatever uvicorn's own variable says."""
    del template
    with _database(postgres) as url:
        owner = as_role(url, OWNER_ROLE)
        with serving("--database-url", owner, extra={"FORWARDED_ALLOW_IPS": "*"}) as server:
            yield Place(server, owner)


async def _new_link(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        user = await connection.fetchval("select id from users")
        return await administration.create_login_link(connection, user)
    finally:
        await connection.close()


def log_in(place: Place, *headers: tuple[str, str]) -> Seen:
    """Log in with some headers; gives what came of them."""
    secret = asyncio.run(_new_link(place.database_url))
    with place.server.client() as client:
        answer = client.get(LINK, params={"token": secret}, headers=list(headers))
        assert answer.status_code == 303, answer.text
        cookie = {"cookie": f"roost_session={answer.cookies['roost_session']}"}
        client.cookies.clear()
        me = client.get(f"{API}/users/me", headers=cookie).json()["data"]["id"]
        sessions = client.get(f"{API}/users/{me}/sessions", headers=cookie).json()["data"]
    current = next(session for session in sessions if session["current"])
    return Seen(current["address"], "; Secure" in answer.headers["set-cookie"])


def test_nobody_is_believed_unless_trusted(wary: Place) -> None:
    forged = ((FORWARDED, "203.0.113.9"), ("x-forwarded-proto", "https"))
    assert log_in(wary, *forged) == ("127.0.0.1", False)


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        (["203.0.113.9"], "203.0.113.9"),
        (["203.0.113.9:4711"], "203.0.113.9"),
        (["2001:db8::7"], "2001:db8::7"),
        # What the client has forged is left of what the proxy has appended.
        (["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
        (["198.51.100.1", "203.0.113.9"], "203.0.113.9"),
        (["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
        (["10.9.9.9, 203.0.113.9"], "203.0.113.9"),
        # A second proxy, that is trusted too.
        (["198.51.100.1, 203.0.113.9, 10.1.2.3"], "203.0.113.9"),
        # Nothing of use: it stays the proxy.
        ([""], "127.0.0.1"),
    ],
)
def test_a_trusted_proxy_is_believed_on_the_last_that_is_not(
    trusting: Place, forwarded: list[str], address: str
) -> None:
    headers = [(FORWARDED, value) for value in forwarded]
    assert log_in(trusting, *headers) == (address, False)


def test_a_trusted_proxy_is_believed_on_the_scheme(trusting: Place) -> None:
    assert log_in(trusting, ("x-forwarded-proto", "https")) == ("127.0.0.1", True)


def test_limits_count_each_client_of_a_trusted_proxy(trusting: Place) -> None:
    def status(address: str) -> int:
        return client.get(LINK, params={"token": "x"}, headers={FORWARDED: address}).status_code

    with trusting.server.client() as client:
        # The left-most word changes each time, and changes nothing.
        tries = [status(f"198.51.100.{number}, 203.0.113.77") for number in range(40)]
        assert 429 in tries
        assert status("203.0.113.78") == 401


def test_a_trusted_ipv4_proxy_is_known_by_its_ipv6_name_too() -> None:
    listen = Listen("::", 0, 1, ("192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32"))
    assert listen.trusted == [
        *("192.0.2.1/32", "10.0.0.0/8", "2001:db8::/32"),
        *("::ffff:192.0.2.1/128", "::ffff:10.0.0.0/104"),
    ]
    assert Listen("::", 0, 1).trusted == []
