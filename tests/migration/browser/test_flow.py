"""The whole way of an app's data, in a browser, to a served Roost."""

from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def heading(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=2)).to_have_text(text)


def test_new_data_are_previewed_migrated_cleared_and_undone(
    page: Page, site: Site, home: Home
) -> None:
    keys = {"task-store": store(task("First"), task("Second")), "theme": "dark"}
    page.goto(home.app(site, keys))
    heading(page, "What this browser has")
    assert home.migrations() == []
    click(page, "Continue")
    heading(page, "What would happen")
    assert home.titles() == []
    click(page, "Migrate now")
    heading(page, "Your data are in Roost")
    assert home.titles() == ["First", "Second"]
    assert page.evaluate("localStorage.length") == 2
    click(page, "Clear 2 keys in this browser")
    expect(page.get_by_role("status")).to_have_text("2 keys cleared.")
    assert page.evaluate("localStorage.length") == 0
    click(page, "Undo this migration")
    heading(page, "The migration was undone")
    assert home.titles() == []
    click(page, "Undo the undo")
    heading(page, "Your data are in Roost")
    assert home.titles() == ["First", "Second"]
