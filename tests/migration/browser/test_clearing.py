"""Clearing a browser: only on request, only what is stored and is still what it was."""

from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import (
    DONE,
    FOUND,
    UNDONE,
    click,
    heading,
    migrate,
    plan,
    says,
    storage,
)


def test_nothing_is_cleared_that_nobody_asked_for(page: Page, site: Site, home: Home) -> None:
    keys = {"task-store": store(task("Only")), "theme": "dark"}
    page.goto(home.app(site, keys))
    migrate(page)
    click(page, "Close")
    page.reload()
    heading(page, DONE)
    assert storage(page) == keys


def test_a_cleared_key_that_changed_meanwhile_stays_and_goes_in_a_second_pass(
    page: Page, site: Site, home: Home
) -> None:
    first = task("First")
    page.goto(home.app(site, {"task-store": store(first), "theme": "dark", "note": "kept"}))
    migrate(page)
    later = store(first, task("Made meanwhile"))
    page.evaluate("(text) => localStorage.setItem('task-store', text)", later)
    click(page, "Clear 3 keys in this browser")
    says(page, "2 keys cleared.")
    assert storage(page) == {"task-store": later}
    click(page, "Migrate 1 changed key")
    heading(page, FOUND)
    expect(page.get_by_role("region", name="Keys").get_by_role("row")).to_have_count(2)
    migrate(page)
    assert home.titles() == ["First", "Made meanwhile"]
    assert home.migrations()[0]["counts"]["same"] == 1
    click(page, "Clear 1 key in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {}


def test_a_key_that_was_made_after_the_copy_stays(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    migrate(page)
    page.evaluate("localStorage.setItem('new', 'made since')")
    click(page, "Clear 1 key in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {"new": "made since"}


def test_what_another_tab_has_cleared_is_not_offered(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"theme": "dark", "note": "x"}))
    plan(page)
    page.evaluate("localStorage.removeItem('note')")
    click(page, "Migrate now")
    click(page, "Clear 1 key in this browser")
    says(page, "1 key cleared.")
    assert storage(page) == {}


def test_a_migration_that_was_undone_or_cancelled_offers_no_clearing(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"task-store": store(task("Only"))}
    page.goto(home.app(site, keys))
    migrate(page)
    click(page, "Undo this migration")
    heading(page, UNDONE)
    offer = page.get_by_role("button", name="Clear")
    expect(offer).to_have_count(0)
    click(page, "Start again")
    plan(page)
    click(page, "Cancel this migration")
    heading(page, "The migration was cancelled")
    expect(offer).to_have_count(0)
    assert storage(page) == keys


def test_who_has_cleared_is_told_before_an_undo_where_the_data_are(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"task-store": store(task("Only"))}))
    migrate(page)
    warning = page.get_by_text("This browser’s copy was cleared: download what Roost received")
    expect(warning).to_have_count(0)
    click(page, "Clear 1 key in this browser")
    expect(warning).to_be_visible()
    with page.expect_download() as downloading:
        click(page, "Download what Roost received")
    assert "Only" in downloading.value.path().read_text("utf-8")
    says(page, "The copy is in your downloads.")


def test_an_undo_names_what_somebody_has_changed_since_and_takes_it_on_request(
    page: Page, site: Site, home: Home
) -> None:
    mine, changed = task("Mine"), task("Changed")
    page.goto(home.app(site, {"task-store": store(mine, changed)}))
    migrate(page)
    path = f"/tasks/{changed['id']}"
    assert home.client.patch(path, json={"title": "Changed since"}).status_code == 200
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.titles() == ["Changed since"]
    expect(page.get_by_text(f"Tasks: {changed['id']}")).to_be_visible()
    click(page, "Undo the undo")
    heading(page, DONE)
    page.get_by_label("Also what somebody has changed since").check()
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.titles() == []
