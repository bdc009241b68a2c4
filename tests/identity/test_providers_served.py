"""Logging in by a real OpenID provider, over sockets, and in a browser."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from oidc_provider_mock import (  # type: ignore[import-untyped]  # it has no types
    User,
    run_server_in_thread,
)
from playwright.sync_api import Browser, Error, Page, sync_playwright

from roost.db.roles import OWNER_ROLE
from tests.identity.test_providers import ACCOUNT, CLAIMS, GIT_PERSON
from tests.support.providers import (
    AnthropicIssuer,
    AnthropicProfile,
    Desk,
    GitHub,
    OpenAI,
    open_desk,
)
from tests.support.schema import as_role
from tests.support.server import API, Server, run, serving

CHROMIUM = "/usr/bin/chromium"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
MOLLY = User(
    sub="molly", claims={"email": "molly@example.test", "email_verified": True, "name": "M"}
)


def picture(page: Page, path: Path) -> None:
    """Have it to look at. A browser on a busy machine fails to take one now and then."""
    try:
        page.screenshot(path=path)
    except Error:
        page.screenshot(path=path)


@pytest.fixture
def issuer() -> Iterator[str]:
    """The address of a real OpenID provider."""
    with run_server_in_thread(require_nonce=True, user_claims=(MOLLY,)) as server:
        yield f"http://localhost:{server.server_port}"


def _settings(issuer: str) -> dict[str, str]:
    return {
        "ROOST_OIDC_ISSUER": issuer,
        "ROOST_OIDC_CLIENT_ID": "roost",
        "ROOST_OIDC_CLIENT_SECRET": "hush",
        "ROOST_OIDC_NAME": "The Mock",
        "ROOST_LOG_LEVEL": "debug",
    }


@pytest.fixture
def owner_url(fresh_roost_database: str) -> str:
    """The URL of the owner of a database with the whole schema."""
    return as_role(fresh_roost_database, OWNER_ROLE)


@contextmanager
def _log_in(server: Server, provider: str, **form: str) -> Iterator[httpx.Client]:
    """Log in as a browser does, by redirects; gives the client with its session."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        answer = client.get(f"{API}/auth/{provider}/login")
        assert answer.status_code == 303, answer.text
        target = answer.headers["location"]
        with httpx.Client(timeout=20) as outside:
            back = outside.post(target, data=form) if form else outside.get(target)
        assert back.status_code == 302, back.text
        done = client.get(back.headers["location"])
        assert (done.status_code, done.headers["location"]) == (303, "/docs"), done.text
        yield client


def test_a_real_openid_provider_logs_its_user_in_over_http(owner_url: str, issuer: str) -> None:
    with (
        serving("--database-url", owner_url, extra=_settings(issuer)) as server,
        _log_in(server, "oidc", sub="molly") as client,
    ):
        me = client.get(f"{API}/users/me").json()["data"]
        assert (me["email"], me["name"]) == ("molly@example.test", "M")
        with _log_in(server, "oidc", sub="molly") as again:
            assert again.get(f"{API}/users/me").json()["data"]["id"] == me["id"]
        assert "hush" not in server.logged
        assert "code=" not in server.logged
        assert "state=" not in server.logged


@pytest.mark.parametrize(
    ("provider", "desk"),
    [
        ("github", GitHub(person=dict(GIT_PERSON))),
        ("openai", OpenAI(person=dict(CLAIMS))),
        ("anthropic", AnthropicIssuer(person=dict(CLAIMS))),
        ("anthropic", AnthropicProfile(person=dict(ACCOUNT))),
    ],
    ids=["github", "openai", "anthropic", "anthropic by profile"],
)
def test_each_preset_logs_in_over_sockets(owner_url: str, provider: str, desk: Desk) -> None:
    with open_desk(desk) as opened:
        environment = opened.settings()  # type: ignore[attr-defined]  # each kind has them
        with (
            serving("--database-url", owner_url, extra=environment) as server,
            _log_in(server, provider) as client,
        ):
            assert client.get(f"{API}/users/me").json()["data"]["role"] == "owner"
            assert not opened.refused
            assert not any(secret in server.logged for secret in opened.issued)


def test_doctor_says_whether_each_provider_answers(owner_url: str, issuer: str) -> None:
    environment = {
        **_settings(issuer),
        "ROOST_GITHUB_CLIENT_ID": "i",
        "ROOST_GITHUB_CLIENT_SECRET": "very-hidden",
        "ROOST_GONE_CLIENT_ID": "i",
        "ROOST_GONE_ISSUER": f"{issuer}/elsewhere",
    }
    done = run("doctor", "--json", "--database-url", owner_url, extra=environment)
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert checks["log-in by The Mock"]["status"] == "ok"
    assert checks["log-in by GitHub"]["status"] == "ok"
    assert checks["log-in by Gone"]["status"] == "failed"
    assert "ROOST_PUBLIC_URL" in checks["public address"]["fix"]
    assert "very-hidden" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("trusted", "warned"), [({}, True), ({"ROOST_TRUSTED_PROXIES": "127.0.0.1"}, False)]
)
def test_doctor_warns_of_a_public_address_without_a_trusted_proxy(
    owner_url: str,
    trusted: dict[str, str],
    warned: bool,  # noqa: FBT001 -- a table's column
) -> None:
    environment = {"ROOST_PUBLIC_URL": "https://roost.example.com", **trusted}
    done = run("doctor", "--json", "--database-url", owner_url, extra=environment)
    checks = {one["name"]: one for one in json.loads(done.stdout)["checks"]}
    assert ("trusted proxies" in checks) is warned
    if warned:
        assert checks["trusted proxies"]["status"] == "warning"
        assert "ROOST_TRUSTED_PROXIES" in checks["trusted proxies"]["fix"]


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Debian's browser."""
    if not Path(CHROMIUM).exists():
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


def _agree(page: Page, subject: str) -> None:
    """Fill in the provider's own form."""
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name="Authorize").click()


def test_in_a_browser_people_log_in_link_a_second_provider_and_log_out(
    owner_url: str, issuer: str, chromium: Browser, tmp_path: Path
) -> None:
    with open_desk(GitHub(person=dict(GIT_PERSON))) as github:
        environment = {**_settings(issuer), **github.settings()}
        with serving("--database-url", owner_url, extra=environment) as server:
            context = chromium.new_context()
            page = context.new_page()
            problems: list[str] = []
            page.on("console", lambda said: problems.append(f"{said.location['url']}: {said.text}"))
            page.goto(f"{server.url}/login?returnTo=/docs%23identities")
            page.get_by_role("link", name="Log in with The Mock").click()
            _agree(page, "molly")
            page.wait_for_url(f"{server.url}/docs#identities")
            me = context.request.get(f"{server.url}{API}/users/me").json()["data"]
            assert me["email"] == "molly@example.test"

            cookies = {one["name"]: one for one in context.cookies()}
            for name in ("roost_session", "roost_login"):
                assert cookies[name]["httpOnly"]
                assert cookies[name]["sameSite"] == "Lax"

            page.goto(f"{server.url}/account")
            assert "molly@example.test" in page.inner_text("main, body")
            picture(page, tmp_path / "account.png")
            page.get_by_role("button", name="Add GitHub").click()
            picture(page, tmp_path / "add.png")
            page.get_by_role("link", name="Go on to GitHub").click()
            page.wait_for_url(f"{server.url}/account")
            assert page.get_by_role("listitem").count() == 2
            where = f"{server.url}{API}/users/{me['id']}/identities"
            linked = context.request.get(where).json()["data"]
            assert {one["provider"] for one in linked} == {"oidc", "github"}

            page.get_by_role("button", name="Log out").click()
            page.wait_for_url(f"{server.url}/login")
            assert context.request.get(f"{server.url}{API}/users/me").status == 401
            page.get_by_role("link", name="Log in with GitHub").click()
            page.wait_for_url(f"{server.url}/docs")
            again = context.request.get(f"{server.url}{API}/users/me").json()["data"]
            assert again["id"] == me["id"], "the linked identity is the same user's"
            ours = [
                one
                for one in problems
                if one.startswith(server.url) and not re.search("favicon|Clear-Site-Data", one)
            ]
            assert not ours, "no page breaks its own policy"


def test_in_a_browser_a_refusal_is_a_page_that_leads_back(
    owner_url: str, issuer: str, chromium: Browser, tmp_path: Path
) -> None:
    with serving("--database-url", owner_url, extra=_settings(issuer)) as server:
        page = chromium.new_page()
        page.goto(f"{server.url}{API}/auth/oidc/login")
        page.get_by_role("button", name="Deny").click()
        page.wait_for_url(f"{server.url}{API}/auth/oidc/callback?*")
        assert page.get_by_role("heading", level=1).inner_text() == "The log-in was refused"
        picture(page, tmp_path / "refused.png")
        page.get_by_role("link", name="Go to the log-in page").click()
        page.wait_for_url(f"{server.url}/login")
        picture(page, tmp_path / "login.png")
