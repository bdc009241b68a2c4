"""How a page gets a token: from an attribute, a property, or Roost's window."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, seeding
from tests.migration.browser.site import Site
from tests.migration.browser.walk import (
    CONNECT,
    FOUND,
    PLAN,
    click,
    heading,
    migrate,
    plan,
    remembered,
    says,
)

KEYS = {"theme": "dark"}
WINDOW = """
<script>
  const asked = new URLSearchParams(location.search);
  const say = (more, origin = asked.get("origin")) => opener.postMessage(
    {type: "roost-connect", state: asked.get("state"), token: "fake-token", ...more}, origin);
</script>
"""


def _opened(page: Page, name: str = "Connect") -> Page:
    with page.expect_popup() as opening:
        click(page, name)
    return opening.value


def _press(popup: Page, role: Any, name: str) -> None:
    with popup.expect_event("close"):
        popup.get_by_role(role, name=name).click()


def _app(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, KEYS, ""))
    heading(page, FOUND)
    click(page, "Continue")
    heading(page, CONNECT)


def test_who_is_logged_in_connects_with_one_click_in_roosts_window(
    page: Page, site: Site, home: Home
) -> None:
    home.log_in(page.context)
    _app(page, site, home)
    popup = _opened(page)
    expect(popup.get_by_text(site.url).first).to_be_visible()
    assert home.migrations() == []
    _press(popup, "button", "Allow")
    heading(page, PLAN)
    assert home.migrations()[0]["origin"] == site.url
    kept = page.evaluate("Object.entries(localStorage)")
    assert kept == [["theme", "dark"]], "the token is in this tab's sessionStorage alone"
    assert remembered(page)["token"]


def test_who_is_not_logged_in_logs_in_first_and_is_led_back(
    page: Page, site: Site, home: Home
) -> None:
    _app(page, site, home)
    popup = _opened(page)
    expect(popup.get_by_role("heading", name="Log in to Roost")).to_be_visible()
    home.log_in(page.context)
    popup.get_by_role("link", name="Go on").click()
    _press(popup, "button", "Allow")
    heading(page, PLAN)


def test_a_refusal_and_a_closed_window_are_said_and_can_be_tried_again(
    page: Page, site: Site, home: Home
) -> None:
    home.log_in(page.context)
    _app(page, site, home)
    _press(_opened(page), "link", "Don’t allow")
    says(page, "It was not allowed in Roost.", "alert")
    _opened(page).close()
    says(page, "Roost’s window was closed", "alert")
    heading(page, CONNECT)
    _press(_opened(page), "button", "Allow")
    heading(page, PLAN)
    assert home.migrations()


def test_it_can_be_put_away_while_roosts_window_is_open(page: Page, site: Site, home: Home) -> None:
    _app(page, site, home)
    popup = _opened(page)
    with popup.expect_event("close"):
        click(page, "Not now")
    heading(page, "Paused")
    click(page, "Go on")
    heading(page, FOUND)


def test_a_blocked_window_is_said(page: Page, site: Site, home: Home) -> None:
    page.goto(site.page(home.element(""), seeding(KEYS) + "window.open = () => null;"))
    heading(page, FOUND)
    click(page, "Continue")
    click(page, "Connect")
    says(page, "Allow pop-ups for this page and connect again.", "alert")


FORGED: dict[str, Callable[[str], str]] = {
    "another state": lambda _: "<script>say({state: 'x'.repeat(32)});</script>",
    "no state": lambda _: "<script>say({state: undefined});</script>",
    "another type": lambda _: "<script>say({type: 'other'});</script>",
    "another window": lambda _: (
        "<iframe srcdoc=\"<script>parent.opener.postMessage({type: 'roost-connect', state: "
        "new URLSearchParams(parent.location.search).get('state'), token: 'fake-token'}, '*')"
        '</script>"></iframe>'
    ),
    "another origin": lambda other: (
        f"<iframe src=\"{other}/forger\" onload=\"frames[0].postMessage('go', '*')\"></iframe>"
    ),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forged_answer_is_not_taken(page: Page, site: Site, forgery: str) -> None:
    """`site` plays Roost here, at another of its names: a window that says what Roost would not."""
    other = f"http://127.0.0.1:{site.port}"
    site.pages["/forger"] = "<script>onmessage = () => top.opener.postMessage('x', '*')</script>"
    site.pages["/migrate/connect"] = WINDOW + FORGED[forgery](site.url)
    script = (
        "<script type=module>import {connect} from '/modules/connect.js';"
        "window.heard = 0; addEventListener('message', () => { heard++; });"
        f"window.go = () => {{ window.outcome = connect('{other}', new AbortController().signal)"
        ".then(() => 'taken', (error) => error.message); };</script>"
        "<button onclick='go()'>Connect</button>"
    )
    page.goto(site.page(script))
    popup = _opened(page)
    page.wait_for_function("heard > 0")
    popup.close()
    assert page.evaluate("outcome").startswith("Roost’s window was closed")


def test_a_right_answer_of_the_same_window_is_taken(page: Page, site: Site) -> None:
    other = f"http://127.0.0.1:{site.port}"
    site.pages["/migrate/connect"] = WINDOW + "<script>say({state: 'x'}); say({});</script>"
    script = (
        "<script type=module>import {connect} from '/modules/connect.js';"
        "const {signal} = new AbortController();"
        f"window.go = () => {{ window.outcome = connect('{other}', signal); }};"
        "</script><button onclick='go()'>Connect</button>"
    )
    page.goto(site.page(script))
    _opened(page)
    page.wait_for_function("window.outcome")
    assert page.evaluate("outcome.then(({token}) => token)") == "fake-token"


def test_a_token_may_come_as_a_property_also_later(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, KEYS, ""))
    heading(page, FOUND)
    page.evaluate(
        "(token) => { document.querySelector('roost-migrate').token = token; }", home.token
    )
    plan(page)


def test_an_ended_token_is_asked_for_again_and_it_goes_on_from_there(
    page: Page, site: Site, home: Home
) -> None:
    home.log_in(page.context)
    _app(page, site, home)
    _press(_opened(page), "button", "Allow")
    heading(page, PLAN)
    for token in home.data("/tokens"):
        if token["name"].startswith("Migration from"):
            assert home.client.delete(f"/tokens/{token['id']}").status_code == 204
    click(page, "Migrate now")
    heading(page, CONNECT)
    says(page, "Roost does not know this page any more.", "alert")
    assert remembered(page)["token"] is None
    _press(_opened(page), "button", "Allow")
    heading(page, PLAN)
    click(page, "Migrate now")
    heading(page, "Your data are in Roost")
    assert len(home.migrations()) == 1


def test_a_given_token_that_is_wrong_is_said(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, KEYS, 'token="roost_not-a-token"'))
    heading(page, FOUND)
    click(page, "Continue")
    expect(page.get_by_role("alert")).not_to_be_empty()
    heading(page, FOUND)


def test_the_programmatic_way_migrates_and_clears(page: Page, site: Site, home: Home) -> None:
    page.goto(site.page(home.element(), seeding(KEYS)))
    found = page.evaluate(
        """async ([server, token]) => {
          const {migrate} = await import(`${server}/migrate.js`);
          const states = [];
          const {migration, clear} = await migrate({
            server, token, config: {conflictResolution: "AUTO_MERGE"},
            onProgress: ({state}) => states.push(state),
          });
          const cleared = await clear();
          return {state: migration.state, last: states.at(-1), cleared, left: localStorage.length};
        }""",
        [home.url, home.token],
    )
    assert found == {
        "state": "completed",
        "last": "completed",
        "cleared": {"cleared": ["theme"], "changed": []},
        "left": 0,
    }
    migrate(page)
