"""Where a log-in leads, and the address it comes back to."""

from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost import errors
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.login.return_to import AFTER_LOGIN, is_local, way_back
from tests.identity.conftest import World
from tests.identity.login_world import API, front
from tests.support.providers import OpenId, open_desk

SITE = "https://roost.example"
BAD = [
    "https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil.example",
    "/\t/evil.example", "/%09/evil.example", "/%2f/evil.example", "/%5cevil.example",
    "/%2F%2Fevil.example", "/a//b", "javascript:alert(1)", "docs", "", "/a b",
    "/a\r\nset-cookie: x",
    "/\u2028", "/\x00", "/a%0d%0ab", "///", "/ä", "/" + "a" * 2000, " /docs", "/docs ", "/<script>",
    "https:/docs", "http:docs", "/@evil.example\\..", "?a", "#a",
]  # fmt: skip
GOOD = ["/", "/docs", "/docs?a=1&b=/x//y", "/tasks/1#m-2", "/a/../b", "/invitations/Ab-_9", "/%20",
        "/migrate/connect?origin=http%3A%2F%2F%5B%3A%3A1%5D%3A3000&state=aB3._~-9"]  # fmt: skip


@pytest.mark.parametrize("path", BAD)
def test_a_way_that_could_leave_is_refused(path: str) -> None:
    assert not is_local(path)
    if path:
        with pytest.raises(ProblemError) as caught:
            way_back(path)
        assert caught.value.entry is errors.RETURN_REFUSED


@pytest.mark.parametrize("path", GOOD)
def test_a_path_of_ones_own_is_taken_as_it_is(path: str) -> None:
    assert way_back(path) == path


@given(st.text("/\\:.?#@%25fcFe \t\n\rahtps", max_size=14))
def test_whatever_is_taken_stays_on_the_site(path: str) -> None:
    if is_local(path):
        # As RFC 3986 says, and as browsers do: they read \ as /, and leave white space out.
        for read in (path, path.replace("\\", "/"), "".join(path.split())):
            assert urlsplit(urljoin(SITE + "/x/y", read))[:2] == ("https", "roost.example")


def test_another_address_is_taken_only_when_it_was_named_exactly() -> None:
    known = ("https://console.example/start",)
    assert way_back(known[0], known) == known[0]
    assert way_back(None, known) == AFTER_LOGIN
    for near in (known[0] + "/", known[0] + "?x", "https://console.example", known[0].upper()):
        with pytest.raises(ProblemError):
            way_back(near, known)


async def test_a_refused_way_back_begins_nothing(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId()) as desk:
        environment = {
            **desk.settings(),
            "ROOST_LOGIN_REDIRECTS": "https://console.example/a, http://localhost:5173/b",
        }
        async with front(world, authenticator, environment) as roost, roost.browser() as browser:
            for way in ("//evil.example", "https://console.example/b", "x" * 3000):
                answer = await browser.start("oidc", returnTo=way)
                assert (answer.status_code, answer.json()["code"]) == (400, "RETURN_REFUSED")
                page = await browser.client.get("/login", params={"returnTo": way})
                assert page.status_code == 400
            assert await roost.count("login_attempts") == 0
            assert (await browser.start("oidc", returnTo="http://localhost:5173/b")).is_redirect


async def test_what_goes_to_the_provider_is_all_there_and_secret_parts_stay_here(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId()) as desk:
        environment = {**desk.settings(), "ROOST_PUBLIC_URL": "https://roost.example"}
        async with front(world, authenticator, environment) as roost, roost.browser() as browser:
            answer = await browser.start("oidc")
            sent = parse_qs(urlsplit(answer.headers["location"]).query)
            assert sent["redirect_uri"] == ["https://roost.example/api/v1/auth/oidc/callback"]
            assert sent["code_challenge_method"] == ["S256"]
            assert sent["scope"] == ["openid profile email"]
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("roost_login=")
            for attribute in ("HttpOnly", "SameSite=Lax", "Path=/api", "Max-Age=600", "Secure"):
                assert attribute in cookie
            assert answer.headers["cache-control"] == "no-store"
            row = await world.owner.fetchrow("select * from login_attempts")
            stored = b"".join(value for value in row.values() if isinstance(value, bytes))
            for secret in (sent["state"][0], sent["nonce"][0]):
                assert len(secret) >= 43
                assert secret.encode() not in stored


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("localhost:8787", "http://localhost:8787"),
        ("[::1]:8787", "http://[::1]:8787"),
        ("localhost", "http://localhost"),
        ("roost.example", None),
        ("127.0.0.1.evil.example", None),
        ("localhost.evil.example:80", None),
        ("localhost:80@evil.example", None),
        ("evil.example#localhost", None),
        ("localhost/x", None),
        ("", None),
    ],
)
async def test_without_a_public_address_only_this_machine_is_believed(
    world: World, authenticator: DatabaseAuthenticator, host: str, expected: str | None
) -> None:
    with open_desk(OpenId()) as desk:
        environment = {**desk.settings(), "ROOST_PUBLIC_URL": ""}
        async with front(world, authenticator, environment) as roost, roost.browser() as browser:
            answer = await browser.client.get(f"{API}/auth/oidc/login", headers={"host": host})
            if expected is None:
                assert answer.status_code == 400
                if "/" not in host and "#" not in host:
                    assert answer.json()["code"] == "PUBLIC_URL_NEEDED"
                    assert "ROOST_PUBLIC_URL" in answer.json()["hint"]
            else:
                sent = parse_qs(urlsplit(answer.headers["location"]).query)
                assert sent["redirect_uri"] == [f"{expected}/api/v1/auth/oidc/callback"]
