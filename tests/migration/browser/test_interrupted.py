"""What survives: a reload, lost requests and answers, a migration elsewhere, a killed server."""

import json
from collections.abc import Callable
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
    plan,
    remembered,
    says,
    storage,
)
from tests.support.schema import as_role
from tests.support.server import serving, wait_until

#: More than a batch has.
MANY = 1_200
GATE = "Task 700"


def _keys() -> dict[str, str]:
    return {"task-store": store(*(task(f"Task {number}") for number in range(MANY)))}


def _state(home: Home) -> str:
    [migration] = home.migrations()
    return str(migration["state"])


def _is_half_done(home: Home) -> bool:
    [migration] = home.migrations()
    return bool(migration["state"] == "applying" and migration["progress"]["done"] == 500)


def test_a_reload_in_the_middle_finds_it_again(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, _keys()))
    plan(page)
    with closed_gate(home.database, GATE) as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        wait_until(lambda: _is_half_done(home), "the first batch is written")
        expect(page.get_by_text("500 of 1,200 items", exact=False)).to_be_visible()
        page.reload()
        heading(page, "Migrating")
        expect(page.get_by_role("progressbar")).to_have_attribute("value", "500")
        expect(page.get_by_text("Writing: task-store")).to_be_visible()
        gate.open()
        heading(page, DONE)
    [migration] = home.migrations()
    assert migration["counts"]["created"] == MANY


def test_it_is_put_away_in_the_middle_and_goes_on_in_roost(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, _keys()))
    plan(page)
    with closed_gate(home.database, GATE) as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        click(page, "Not now")
        heading(page, "Paused")
        expect(page.get_by_text("Roost goes on with what it has received.")).to_be_visible()
        gate.open()
        wait_until(lambda: _state(home) == "completed", "Roost goes on by itself")
    click(page, "Go on")
    heading(page, DONE)


def test_a_lost_answer_is_asked_for_again_and_nothing_is_begun_twice(
    page: Page, site: Site, home: Home
) -> None:
    keys: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            # It arrives at Roost; the answer does not come back.
            route.fetch()
            route.abort()
        else:
            route.continue_()

    page.route("**/api/v1/migration", lose)
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    click(page, "Continue")
    says(page, "Roost did not answer; trying again in 0.5 s.")
    heading(page, PLAN)
    assert (len(keys), len(set(keys)), len(home.migrations())) == (2, 1, 1)


def test_a_request_that_never_arrived_is_sent_again_after_a_reload(
    page: Page, site: Site, home: Home
) -> None:
    keys: list[str] = []

    def hold(route: Route) -> None:
        if route.request.method == "POST":
            keys.append(route.request.headers["idempotency-key"])
        if route.request.method != "POST" or len(keys) > 1:
            route.continue_()

    page.route("**/api/v1/migration", hold)
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    click(page, "Continue")
    wait_until(lambda: _pumped(page, lambda: keys), "the request is on its way")
    page.reload()
    heading(page, PLAN)
    assert (len(keys), len(set(keys)), len(home.migrations())) == (2, 1, 1)


def test_an_app_that_wrote_before_the_reload_has_its_new_data_sent(
    page: Page, site: Site, home: Home
) -> None:
    sent: list[Any] = []

    def lose_first(route: Route) -> None:
        if route.request.method == "POST":
            sent.append(json.loads(route.request.post_data or "{}")["keys"])
        if route.request.method == "POST" and len(sent) == 1:
            route.fetch()
        else:
            route.continue_()

    page.route("**/api/v1/migration", lose_first)
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    click(page, "Continue")
    wait_until(lambda: _pumped(page, home.migrations), "the request has arrived")
    page.evaluate("localStorage.setItem('theme', 'light')")
    page.reload()
    heading(page, PLAN)
    assert sent[-1] == {"theme": "light"}
    dump = home.client.get(f"/migration/{home.migrations()[0]['id']}/backup").json()
    assert dump["keys"] == {"theme": "light"}


def _pumped(page: Page, look: Callable[[], Any]) -> Any:
    """Look, and let Playwright's routes run meanwhile."""
    page.evaluate("0")
    return look()


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


def test_without_events_it_asks_again_and_again(page: Page, site: Site, home: Home) -> None:
    asked: list[str] = []
    page.route("**/events", lambda route: route.fulfill(status=502, body=""))
    page.on("request", lambda request: asked.append(urlsplit(request.url).path))
    page.goto(home.app(site, _keys()))
    plan(page)
    with closed_gate(home.database, GATE) as gate:
        click(page, "Migrate now")
        expect(page.get_by_text("500 of 1,200 items", exact=False)).to_be_visible()
        gate.open()
        heading(page, DONE)
    assert sum(path.endswith("/events") for path in asked) <= 2, "once for the plan, once after it"


def test_a_network_that_is_lost_for_long_is_said_and_can_be_tried_again(
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
    page.context.set_offline(False)
    click(page, "Continue")
    heading(page, PLAN)
    assert len(home.migrations()) == 1


def test_an_undo_whose_answer_is_lost_is_done_once(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"task-store": store(task("Only"))}))
    plan(page)
    click(page, "Migrate now")
    heading(page, DONE)

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


@pytest.mark.parametrize("step", ["reload", "again"])
def test_the_result_is_there_after_a_reload_until_it_is_begun_anew(
    page: Page, site: Site, home: Home, step: str
) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    plan(page)
    click(page, "Migrate now")
    heading(page, DONE)
    if step == "again":
        click(page, "Start again")
        heading(page, FOUND)
    page.reload()
    heading(page, DONE if step == "reload" else FOUND)
