"""The pop-up window in a real browser: the page that asked is told, and nobody else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from roost.db.roles import OWNER_ROLE
from roost.migration.pages import SNIPPET
from tests.support.browsers import CHROMIUM, pages
from tests.support.schema import as_role
from tests.support.server import API, Server, serving

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
STATE = "a-state-of-the-page"
LISTEN = "() => { window.heard = []; addEventListener('message', one => heard.push(one)); }"
OPEN = """
([server, origin, state]) => {
  const query = new URLSearchParams({origin, state});
  window.popup = open(`${server}/migrate/connect?${query}`, "connect", "popup,width=520");
}
"""
HEARD = "() => heard.map(one => ({...one.data, origin: one.origin, ours: one.source === popup}))"
LAST = """
() => new Promise((resolve) => {
  addEventListener("message", (one) => { if (one.data === "last") resolve(); });
  postMessage("last", "*");
})
"""
ASK = """
([url, token]) => fetch(url, {method: "POST", credentials: "omit",
  headers: {authorization: `Bearer ${token}`, "content-type": "application/json"},
  body: JSON.stringify({keys: {theme: "dark"}, origin: location.origin})})
  .then(async (answer) => [answer.status, answer.headers.get("location"), await answer.json()])
"""
KEEP = """
(kept) => Object.entries(JSON.parse(kept)).forEach((one) => localStorage.setItem(...one))
"""


@pytest.fixture
def server(fresh_roost_database: str) -> Iterator[Server]:
    """A running server, whose owner has not logged in yet."""
    with serving("--database-url", as_role(fresh_roost_database, OWNER_ROLE)) as server:
        yield server


@pytest.fixture
def chromium() -> Iterator[Browser]:
    """Debian's browser."""
    if not CHROMIUM.exists():
        pytest.skip("there is no chromium here")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture
def port() -> Iterator[int]:
    """The port of the app whose page asks."""
    with pages() as port:
        yield port


def _logged_in(chromium: Browser, server: Server) -> BrowserContext:
    context = chromium.new_context()
    assert server.link
    context.new_page().goto(server.link)
    return context


def _app(context: BrowserContext, address: str) -> Page:
    page = context.new_page()
    page.goto(address)
    page.evaluate(LISTEN)
    return page


def _connect(page: Page, server: Server, origin: str) -> Page:
    with page.expect_popup() as opened:
        page.evaluate(OPEN, [server.url, origin, STATE])
    return opened.value


def _press_and_close(popup: Page, name: str, role: Any = "button") -> None:
    with popup.expect_event("close"):
        popup.get_by_role(role, name=name).click()


def test_the_page_that_was_allowed_migrates_with_what_it_is_told(
    server: Server, chromium: Browser, port: int, tmp_path: Path
) -> None:
    context = _logged_in(chromium, server)
    here = f"http://localhost:{port}"
    page = _app(context, here)
    popup = _connect(page, server, here)
    assert here in popup.inner_text("body")
    popup.screenshot(path=tmp_path / "question.png")
    _press_and_close(popup, "Allow")
    page.wait_for_function("() => heard.length")
    [said] = page.evaluate(HEARD)
    assert (said["type"], said["state"], said["ours"]) == ("roost-connect", STATE, True)
    assert said["origin"] == server.url
    url = f"{server.url}{API}/migration"
    status, location, body = page.evaluate(ASK, [url, said["token"]])
    assert (status, body["data"]["state"]) == (201, "completed")
    assert location.endswith(body["data"]["id"])
    migrated = context.request.get(url).json()["data"]["migrations"]
    assert [one["origin"] for one in migrated] == [here]


def test_the_page_that_was_not_allowed_is_told_that(
    server: Server, chromium: Browser, port: int
) -> None:
    here = f"http://localhost:{port}"
    page = _app(_logged_in(chromium, server), here)
    _press_and_close(_connect(page, server, here), "Don’t allow", "link")
    page.wait_for_function("() => heard.length")
    [said] = page.evaluate(HEARD)
    assert said["error"] == "refused"
    assert "token" not in said


def test_a_page_that_names_anothers_origin_hears_nothing(
    server: Server, chromium: Browser, port: int
) -> None:
    page = _app(_logged_in(chromium, server), f"http://127.0.0.1:{port}")
    _press_and_close(_connect(page, server, f"http://localhost:{port}"), "Allow")
    page.evaluate(LAST)
    assert page.evaluate("() => heard.filter(one => one.data !== 'last').length") == 0


def test_a_page_that_may_not_ask_hears_nothing_and_its_user_reads_why(
    server: Server, chromium: Browser, port: int, tmp_path: Path
) -> None:
    page = _app(_logged_in(chromium, server), f"http://localhost:{port}")
    popup = _connect(page, server, "https://elsewhere.test")
    assert popup.get_by_role("heading", level=1).inner_text() == "This page can't be connected"
    assert not popup.get_by_role("button").count()
    popup.screenshot(path=tmp_path / "refused.png")


def test_without_the_page_the_window_says_what_to_do(
    server: Server, chromium: Browser, port: int, tmp_path: Path
) -> None:
    here = f"http://localhost:{port}"
    window = _logged_in(chromium, server).new_page()
    window.goto(f"{server.url}/migrate/connect?origin={here}&state={STATE}")
    window.get_by_role("button", name="Allow").click()
    window.get_by_text("connect again").wait_for()
    assert not window.locator("#said").count(), "the token does not stay in the page"
    window.screenshot(path=tmp_path / "alone.png")


def test_who_logs_in_by_a_link_elsewhere_goes_on_from_the_log_in_page(
    server: Server, chromium: Browser, port: int
) -> None:
    here = f"http://localhost:{port}"
    context = chromium.new_context()
    page = _app(context, here)
    popup = _connect(page, server, here)
    popup.get_by_role("heading", name="Log in to Roost").wait_for()
    assert server.link
    context.new_page().goto(server.link)
    popup.get_by_role("link", name="Go on").click()
    _press_and_close(popup, "Allow")
    page.wait_for_function("() => heard.length")
    assert page.evaluate(HEARD)[0]["token"]


def test_the_pages_line_downloads_every_key_as_it_is(
    chromium: Browser, port: int, tmp_path: Path
) -> None:
    page = chromium.new_page()
    page.goto(f"http://localhost:{port}")
    kept = {"theme": "dark", "__proto__": "x", "length": "3", "key": "", "": "empty", "ü": "\ud800"}
    page.evaluate(KEEP, json.dumps(kept))
    with page.expect_download() as downloading:
        page.evaluate(SNIPPET)
    file = tmp_path / "export.json"
    downloading.value.save_as(file)
    found = json.loads(file.read_text("utf-8"))
    assert found["keys"] == kept
    assert found["origin"] == f"http://localhost:{port}"


def test_the_migration_page_keeps_to_its_policy_and_lists_what_came(
    server: Server, chromium: Browser, tmp_path: Path
) -> None:
    context = _logged_in(chromium, server)
    page = context.new_page()
    broken: list[str] = []
    page.on("console", lambda said: broken.append(f"{said.location['url']}: {said.text}"))
    page.goto(f"{server.url}/account")
    page.get_by_role("link", name="Move what an app keeps").click()
    page.locator("roost-migrate input[type=file]").wait_for(state="attached")
    assert page.get_by_text("There are none yet").count()
    sent = {"keys": {"theme": "dark"}, "origin": "<b>http://localhost:3000</b>"}
    url = f"{server.url}{API}/migration"
    answer = context.request.post(url, data=sent, headers={"origin": server.url})
    assert answer.status == 201
    page.reload()
    row = page.get_by_role("row").nth(1)
    assert "<b>http://localhost:3000</b>" in row.inner_text()
    assert "completed" in row.inner_text()
    page.screenshot(path=tmp_path / "migrate.png", full_page=True)
    with page.expect_download() as downloading:
        row.get_by_role("link", name="Download the dump").click()
    dump = json.loads(downloading.value.path().read_text("utf-8"))
    assert dump["keys"] == sent["keys"]
    assert not [one for one in broken if "favicon" not in one]
    where = f"{url}/{answer.json()['data']['id']}/backup"
    assert context.request.delete(where, headers={"origin": server.url}).status == 204
    row.get_by_role("link", name="Download the dump").click()
    page.wait_for_url(where)
    assert "MIGRATION_BACKUP_NOT_FOUND" in page.inner_text("body"), "no download that fails mutely"


def test_who_is_not_logged_in_is_led_from_the_migration_page_to_the_log_in(
    server: Server, chromium: Browser
) -> None:
    page = chromium.new_page()
    page.goto(f"{server.url}/migrate")
    page.wait_for_url(f"{server.url}/login?returnTo=%2Fmigrate")
