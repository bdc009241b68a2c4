"""Roost's window for connecting: the page that asked is told, and nobody else."""

from typing import Any

from playwright.sync_api import Page

from tests.migration.browser.home import Home
from tests.migration.browser.site import Site
from tests.support.server import API

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


def _asking(page: Page, home: Home, address: str, origin: str) -> Page:
    """Open the window from a page, which says that it is of this origin."""
    home.log_in(page.context)
    page.goto(address)
    page.evaluate(LISTEN)
    with page.expect_popup() as opened:
        page.evaluate(OPEN, [home.url, origin, STATE])
    return opened.value


def _press_and_close(popup: Page, name: str, role: Any = "button") -> None:
    with popup.expect_event("close"):
        popup.get_by_role(role, name=name).click()


def test_the_page_that_was_allowed_migrates_with_what_it_is_told(
    page: Page, site: Site, home: Home
) -> None:
    popup = _asking(page, home, site.url, site.url)
    assert site.url in popup.inner_text("body")
    _press_and_close(popup, "Allow")
    page.wait_for_function("() => heard.length")
    [said] = page.evaluate(HEARD)
    assert (said["type"], said["state"], said["ours"]) == ("roost-connect", STATE, True)
    assert said["origin"] == home.url
    status, location, body = page.evaluate(ASK, [f"{home.url}{API}/migration", said["token"]])
    assert (status, body["data"]["state"]) == (201, "completed")
    assert location.endswith(body["data"]["id"])
    assert [one["origin"] for one in home.migrations()] == [site.url]


def test_the_page_that_was_not_allowed_is_told_that(page: Page, site: Site, home: Home) -> None:
    _press_and_close(_asking(page, home, site.url, site.url), "Don’t allow", "link")
    page.wait_for_function("() => heard.length")
    [said] = page.evaluate(HEARD)
    assert said["error"] == "refused"
    assert "token" not in said


def test_a_page_that_names_anothers_origin_hears_nothing(
    page: Page, site: Site, home: Home
) -> None:
    _press_and_close(_asking(page, home, f"http://127.0.0.1:{site.port}", site.url), "Allow")
    page.evaluate(LAST)
    assert page.evaluate("() => heard.filter(one => one.data !== 'last').length") == 0


def test_a_page_that_may_not_ask_gets_no_button_and_its_user_reads_why(
    page: Page, site: Site, home: Home
) -> None:
    popup = _asking(page, home, site.url, "https://elsewhere.test")
    assert popup.get_by_role("heading", level=1).inner_text() == "This page can't be connected"
    assert not popup.get_by_role("button").count()


def test_without_the_page_the_window_says_what_to_do(page: Page, site: Site, home: Home) -> None:
    home.log_in(page.context)
    page.goto(f"{home.url}/migrate/connect?origin={site.url}&state={STATE}")
    page.get_by_role("button", name="Allow").click()
    page.get_by_text("connect again").wait_for()
    assert not page.locator("#said").count(), "the token does not stay in the page"
