"""A page that is loaded again, a network that goes, and a migration that was running already."""

import json

from playwright.sync_api import Page, Route, expect

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
from tests.support.server import wait_until

MANY = store(*(task(f"Task {number}") for number in range(3000)))
START = "**/api/v1/migration"


def test_a_reload_at_any_step_goes_on_with_the_same_migration(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"task-store": MANY}))
    plan(page)
    page.reload()
    heading(page, PLAN)
    click(page, "Migrate now")
    expect(page.get_by_role("progressbar")).to_be_visible()
    page.reload()
    heading(page, DONE)
    page.reload()
    heading(page, DONE)
    click(page, "Undo this migration")
    heading(page, UNDONE)
    page.reload()
    heading(page, UNDONE)
    assert [each["state"] for each in home.migrations()] == ["undone"]


def test_a_request_whose_answer_was_lost_is_sent_again_and_begins_one_migration(
    page: Page, site: Site, home: Home
) -> None:
    lost: list[str] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.request.headers["idempotency-key"])
            assert route.fetch().status == 202
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route(START, lose)
    page.goto(home.app(site, {"theme": "dark"}))
    plan(page)
    assert (len(lost), len(home.migrations())) == (1, 1)


def test_a_page_that_was_loaded_again_before_the_answer_sends_the_same_request(
    page: Page, site: Site, home: Home
) -> None:
    keys: list[str] = []
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        keys.append(route.request.headers["idempotency-key"])
        if held:
            route.continue_()
        else:
            held.append(route)
            assert route.fetch().status == 202

    page.route(START, hold)
    page.goto(home.app(site, {"theme": "dark"}))
    click(page, "Continue")
    wait_until(lambda: page.evaluate("1") and home.migrations(), "the first request has arrived")
    page.reload()
    heading(page, PLAN)
    assert len(set(keys)) == 1
    assert len(home.migrations()) == 1


def test_a_lost_network_is_told_and_waited_for(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    page.context.set_offline(True)
    click(page, "Continue")
    says(page, "Roost did not answer; trying again in")
    page.context.set_offline(False)
    heading(page, PLAN)
    assert len(home.migrations()) == 1


def test_progress_comes_by_asking_where_events_are_kept_back(
    page: Page, site: Site, home: Home
) -> None:
    page.route("**/events", lambda route: route.fulfill(status=502, body=""))
    page.goto(home.app(site, {"task-store": store(task("Only"))}))
    migrate(page)
    assert home.titles() == ["Only"]


def test_a_running_migration_is_taken_up_in_place_of_a_second(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    body = {"keys": {"task-store": MANY}, "config": {"review": True}}
    begun = home.client.post("/migration", json=body, headers={"prefer": "respond-async"})
    assert begun.status_code == 202
    click(page, "Continue")
    heading(page, PLAN)
    expect(page.get_by_text("A migration was running already: this is that one.")).to_be_visible()
    assert [each["id"] for each in home.migrations()] == [begun.json()["data"]["id"]]


def test_what_changed_stays_and_is_brought_by_a_second_pass(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"task-store": store(task("First")), "theme": "dark"}
    page.goto(home.app(site, keys))
    migrate(page)
    later = store(task("Later"))
    page.evaluate("(value) => localStorage.setItem('task-store', value)", later)
    click(page, "Clear 2 keys in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {"task-store": later}
    click(page, "Migrate 1 changed key")
    migrate(page)
    assert home.titles() == ["First", "Later"]
    click(page, "Clear 1 key in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {}


def test_an_undo_names_what_somebody_has_changed_since_and_force_takes_it_too(
    page: Page, site: Site, home: Home
) -> None:
    edited = task("Edited")
    page.goto(home.app(site, {"task-store": store(edited, task("Left alone"))}))
    migrate(page)
    answer = home.client.patch(f"/tasks/{edited['id']}", json={"title": "Edited since"})
    assert answer.status_code == 200
    click(page, "Undo this migration")
    heading(page, UNDONE)
    expect(page.get_by_text(f"Tasks: {edited['id']}")).to_be_visible()
    assert home.titles() == ["Edited since"]
    click(page, "Undo the undo")
    heading(page, DONE)
    page.get_by_label("Also what somebody has changed since").check()
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.titles() == []


def test_a_token_that_is_refused_leads_to_connecting_and_is_forgotten(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"theme": "dark"}, attributes=""))
    kept = {"token": "no-such-token", "key": "a-key-of-a-test"}
    page.evaluate(
        "([name, kept]) => sessionStorage.setItem(name, kept)",
        [f"roost-migrate {home.url}", json.dumps(kept)],
    )
    page.reload()
    heading(page, "Connect to Roost")
    says(page, "Roost does not know this page any more.", "alert")
    assert remembered(page)["token"] is None
