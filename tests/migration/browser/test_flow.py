"""The whole way of an app's data, in a browser, to a served Roost."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import (
    CLOSED,
    DONE,
    FOUND,
    PLAN,
    UNDONE,
    click,
    heading,
    migrate,
    plan,
    says,
    storage,
)

TELL = """
window.told = [];
addEventListener("roost-migrate", ({detail}) => told.push([detail.step, detail.state]));
"""


def test_new_data_are_previewed_migrated_cleared_and_undone(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"task-store": store(task("First"), task("Second")), "theme": "dark"}
    page.goto(home.app(site, keys))
    heading(page, FOUND)
    assert home.migrations() == []
    click(page, "Continue")
    heading(page, PLAN)
    assert home.titles() == []
    click(page, "Migrate now")
    heading(page, DONE)
    assert home.titles() == ["First", "Second"]
    assert storage(page) == keys
    click(page, "Clear 2 keys in this browser")
    says(page, "2 keys cleared.")
    assert storage(page) == {}
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.titles() == []
    click(page, "Undo the undo")
    heading(page, DONE)
    assert home.titles() == ["First", "Second"]


def test_a_copy_can_be_downloaded_before_anything_is_sent(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"odd \ud800 name": "half \udc00", "theme": "dark"}
    page.goto(home.app(site, keys))
    heading(page, FOUND)
    with page.expect_download() as downloading:
        click(page, "Download a copy")
    copy = json.loads(downloading.value.path().read_text("utf-8"))
    assert copy["keys"] == keys
    assert copy["origin"] == site.url
    assert copy["capturedAt"]
    assert home.migrations() == []
    assert home.bring(copy["keys"])["state"] == "completed"


def test_it_can_be_put_away_at_each_step_and_taken_up_again(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"task-store": store(task("Only"))}))
    for step, following in ((FOUND, "Continue"), (PLAN, "Migrate now")):
        heading(page, step)
        click(page, "Not now")
        heading(page, CLOSED)
        click(page, "Go on")
        heading(page, step)
        click(page, following)
    heading(page, DONE)
    click(page, "Close")
    expect(page.get_by_role("button")).to_have_text(["Show it"])
    click(page, "Show it")
    heading(page, DONE)
    assert home.titles() == ["Only"]


def test_a_plan_that_is_cancelled_changes_nothing_and_can_be_begun_again(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"task-store": store(task("Only"))}
    page.goto(home.app(site, keys))
    plan(page)
    click(page, "Cancel this migration")
    heading(page, "The migration was cancelled")
    assert (home.titles(), storage(page)) == ([], keys)
    click(page, "Start again")
    migrate(page)
    assert home.titles() == ["Only"]


def test_an_empty_browser_is_told_where_to_look(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {}))
    heading(page, FOUND)
    expect(page.get_by_text(f"Nothing is stored here for {site.url}")).to_be_visible()
    assert page.get_by_role("button").all_inner_texts() == ["Not now"]


def test_the_app_is_told_of_each_step(page: Page, site: Site, home: Home) -> None:
    page.goto(site.page(home.element(), TELL + "localStorage.theme = 'dark';"))
    migrate(page)
    told: list[Any] = page.evaluate("told")
    steps = [[step, state] for step, state in told if step != "progress"]
    assert steps == [["beginning", "beginning"], ["preview", "planned"], ["result", "completed"]]


def test_what_is_unreadable_and_secret_is_named_in_the_plan(
    page: Page, site: Site, home: Home
) -> None:
    keys = {
        "task-store": store(task("Whole"), task("Lost"))[:-60],
        "electric_auth_token": "fake-token",
        "github_cache_x": "{}",
        "<img src=x onerror=alert(1)>": "<script>alert(1)</script>",
    }
    page.goto(home.app(site, keys))
    plan(page)
    table = page.get_by_role("region", name="Items by kind")
    expect(table.get_by_role("row", name="Tasks")).to_contain_text("1")
    expect(page.get_by_role("heading", name="Secrets were found: rotate these")).to_be_visible()
    expect(page.get_by_text("Secrets: electric_auth_token", exact=False).first).to_be_visible()
    page.get_by_text("Not readable: 1 item").click()
    expect(page.get_by_text("truncated", exact=False).first).to_be_visible()
    page.get_by_text("Left out: 1 item").click()
    expect(page.get_by_text("cache, a cache of what lies elsewhere")).to_be_visible()
    page.get_by_text("New: ", exact=False).first.click()
    # Names are shown as what they are, and never become markup.
    expect(page.get_by_text("<img src=x onerror=alert(1)>", exact=False).first).to_be_visible()
    assert page.locator("roost-migrate img").count() == 0


def test_several_hundred_items_are_counted_and_shown_page_by_page(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"task-store": store(*(task(f"Task {n}") for n in range(250)))}))
    plan(page)
    expect(page.get_by_role("region", name="Items by kind")).to_contain_text("250")
    page.get_by_text("New: 250 items").click()
    entries = page.locator("roost-migrate .entry")
    for shown in (100, 200):
        expect(entries).to_have_count(shown)
        click(page, "Show more")
    expect(entries).to_have_count(250)
    expect(page.get_by_role("button", name="Show more")).to_have_count(0)
