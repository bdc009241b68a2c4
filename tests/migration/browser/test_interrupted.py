"""What survives: a reload, lost requests and answers, a migration elsewhere, a killed server."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from roost.db.roles import OWNER_ROLE
from tests.migration.browser.gate import closed_gate
from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import (
    DONE,
    FOUND,
    PLAN,
    UNDONE,
    click,
    heading,
    migrate,
    plan,
    remembered,
    says,
    storage,
)
from tests.support.schema import as_role
from tests.support.server import serving, wait_until

#: More than a batch has.
MANY = 600
GATE = "Task 550"


def _keys() -> dict[str, str]:
    return {"task-store": store(*(task(f"Task {number}") for number in range(MANY)))}


def _state(home: Home) -> str:
    [migration] = home.migrations()
    return str(migration["state"])


def _is_half_done(home: Home) -> bool:
    [migration] = home.migrations()
    return bool(migration["state"] == "applying" and migration["progress"]["done"] == 500)


def test_a_reload_at_any_step_goes_on_from_there(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, _keys()))
    plan(page)
    page.reload()
    heading(page, PLAN)
    with closed_gate(home.database, GATE) as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        wait_until(lambda: _is_half_done(home), "the first batch is written")
        expect(page.get_by_text("500 of 600 items", exact=False)).to_be_visible()
        page.reload()
        heading(page, "Migrating")
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "500")
        expect(page.get_by_text("Writing: task-store")).to_be_visible()
        gate.open()
        heading(page, DONE)
    page.reload()
    heading(page, DONE)
    click(page, "Undo this migration")
    heading(page, UNDONE)
    page.reload()
    heading(page, UNDONE)
    [migration] = home.migrations()
    assert (migration["state"], migration["counts"]["created"]) == ("undone", MANY)
    click(page, "Start again")
    heading(page, FOUND)
    page.reload()
    heading(page, FOUND)


def test_it_is_put_away_in_the_middle_and_goes_on_in_roost(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"task-store": store(task("Held"))}))
    plan(page)
    with closed_gate(home.database, "Held") as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        click(page, "Not now")
        heading(page, "Paused")
        expect(page.get_by_text("Roost goes on with what it has received.")).to_be_visible()
        gate.open()
        wait_until(lambda: _state(home) == "completed", "Roost goes on by itself")
    click(page, "Go on")
    heading(page, DONE)


@dataclass
class _FirstLost:
    """A network that brings the first request to Roost or not, and its answer never."""

    arrives: bool = True
    #: Whether the page learns that it failed; or else waits.
    fails: bool = False
    keys: list[str] = field(default_factory=list)
    sent: list[Any] = field(default_factory=list)

    def __call__(self, route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        self.keys.append(route.request.headers["idempotency-key"])
        self.sent.append(json.loads(route.request.post_data or "{}")["keys"])
        if len(self.keys) > 1:
            route.continue_()
            return
        if self.arrives:
            assert route.fetch().status == 202
        if self.fails:
            route.abort("connectionreset")


def _continue_by(network: _FirstLost, page: Page, site: Site, home: Home) -> None:
    page.route("**/api/v1/migration", network)
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    click(page, "Continue")


def _pumped(page: Page, look: Callable[[], Any]) -> Any:
    """Look, and let Playwright's routes run meanwhile."""
    page.evaluate("0")
    return look()


def test_a_lost_answer_is_asked_for_again_and_nothing_is_begun_twice(
    page: Page, site: Site, home: Home
) -> None:
    network = _FirstLost(fails=True)
    _continue_by(network, page, site, home)
    says(page, "Roost did not answer; trying again in 0.5 s.")
    heading(page, PLAN)
    assert (len(network.keys), len(set(network.keys)), len(home.migrations())) == (2, 1, 1)


@pytest.mark.parametrize("arrives", [True, False], ids=["arrived", "never arrived"])
def test_a_page_that_was_loaded_again_before_the_answer_sends_the_same_request(
    page: Page, site: Site, home: Home, *, arrives: bool
) -> None:
    network = _FirstLost(arrives)
    _continue_by(network, page, site, home)
    begun = home.migrations if arrives else lambda: network.keys
    wait_until(lambda: _pumped(page, begun), "the request is on its way")
    page.reload()
    heading(page, PLAN)
    assert (len(network.keys), len(set(network.keys)), len(home.migrations())) == (2, 1, 1)


def test_an_app_that_wrote_before_the_reload_has_its_new_data_sent(
    page: Page, site: Site, home: Home
) -> None:
    network = _FirstLost()
    _continue_by(network, page, site, home)
    wait_until(lambda: _pumped(page, home.migrations), "the request has arrived")
    page.evaluate("localStorage.setItem('theme', 'light')")
    page.reload()
    heading(page, PLAN)
    assert network.sent[-1] == {"theme": "light"}
    dump = home.client.get(f"/migration/{home.migrations()[0]['id']}/backup").json()
    assert dump["keys"] == {"theme": "light"}


def test_a_migration_that_runs_already_is_taken_over(page: Page, site: Site, home: Home) -> None:
    with closed_gate(home.database, "Held") as gate:
        body = {"keys": {"task-store": store(task("Held"))}}
        headers = {"prefer": "respond-async"}
        answer = home.client.post("/migration", json=body, headers=headers)
        assert answer.status_code == 202
        wait_until(lambda: _state(home) == "applying", "it writes")
        page.goto(home.app(site, {"theme": "dark"}))
        heading(page, FOUND)
        click(page, "Continue")
        heading(page, "Migrating")
        expect(page.get_by_text("A migration was running already")).to_be_visible()
        gate.open()
        heading(page, DONE)
    assert remembered(page)["id"] == answer.json()["data"]["id"]
    # This page's data have not been in it.
    expect(page.get_by_role("button", name="Clear")).to_have_count(0)
    click(page, "Start again")
    plan(page)


def test_while_another_is_being_undone_it_comes_again_each_second(
    page: Page, site: Site, home: Home
) -> None:
    earlier = home.bring({"task-store": store(task("Held"))})
    begun: list[float] = []

    def note(route: Route) -> None:
        if route.request.method == "POST":
            begun.append(time.monotonic())
        route.continue_()

    with closed_gate(home.database, "Held", "delete") as gate:
        headers = {"prefer": "respond-async"}
        answer = home.client.post(f"/migration/{earlier['id']}/undo", headers=headers)
        assert answer.status_code == 202
        wait_until(lambda: not home.data("/migration")["mayStart"], "the undo is at work")
        page.route("**/api/v1/migration", note)
        page.goto(home.app(site, {"theme": "dark"}))
        heading(page, FOUND)
        click(page, "Continue")
        wait_until(lambda: _pumped(page, lambda: len(begun) > 2), "it has come again twice")
        gate.open()
        heading(page, PLAN)
    assert all(after - before > 0.9 for before, after in pairwise(begun))


def test_without_events_it_asks_again_and_again(page: Page, site: Site, home: Home) -> None:
    asked: list[str] = []
    page.route("**/events", lambda route: route.fulfill(status=502, body=""))
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(home.app(site, _keys()))
    plan(page)
    with closed_gate(home.database, GATE) as gate:
        click(page, "Migrate now")
        expect(page.get_by_text("500 of 600 items", exact=False)).to_be_visible()
        gate.open()
        heading(page, DONE)
    assert sum(path.endswith("/events") for path in asked) <= 2, "once for the plan, once after it"


def test_a_lost_network_is_said_and_waited_for_and_then_can_be_tried_again(
    page: Page, site: Site, home: Home
) -> None:
    page.clock.install()
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    page.context.set_offline(True)
    click(page, "Continue")
    says(page, "Roost did not answer; trying again in 0.5 s.")
    alert = page.get_by_role("alert")

    def gave_up() -> str:
        page.clock.run_for(16_000)
        return alert.inner_text()

    wait_until(gave_up, "it gives up")
    says(page, "cannot be reached. Nothing is lost", "alert")
    heading(page, FOUND)
    click(page, "Continue")
    says(page, "Roost did not answer; trying again in")
    page.context.set_offline(False)
    heading(page, PLAN)
    assert len(home.migrations()) == 1


def test_an_undo_whose_answer_is_lost_is_done_once(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"task-store": store(task("Only"))}))
    migrate(page)

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route("**/undo", lose)
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.migrations()[0]["undo"]["number"] == 1
    assert home.titles() == []


def test_a_server_that_is_killed_and_started_again_goes_on_and_so_does_the_page(
    page: Page, site: Site, fresh_roost_database: str
) -> None:
    database = fresh_roost_database
    options = ("--database-url", as_role(database, OWNER_ROLE))
    with (
        serving(*options) as first,
        Home.of_a_new_user(first.url, database) as home,
        closed_gate(database, GATE) as gate,
    ):
        page.goto(home.app(site, _keys()))
        plan(page)
        click(page, "Migrate now")
        wait_until(lambda: _is_half_done(home), "the first batch is written")
        first.kill()
        says(page, "Roost did not answer; trying again in")
        with serving(*options, "--port", str(urlsplit(first.url).port)) as second:
            assert second.url == first.url
            gate.open()
            heading(page, DONE, seconds=60)
            [migration] = home.migrations()
            assert migration["counts"]["created"] == MANY
            click(page, "Clear 1 key in this browser")
            says(page, "1 key cleared.")
            assert storage(page) == {}
