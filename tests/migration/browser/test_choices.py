"""Items that Roost has otherwise: both sides are shown, and each choice does what it says."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, choose, click, heading, plan, says, within

OLD = task("Old title", description="old text")
NEW = OLD | {"title": "New title", "description": "new text"}


def differing(page: Page, site: Site, home: Home, *tasks: dict[str, Any]) -> None:
    """Go to the conflicts of these tasks with others of their ids."""
    home.bring({"task-store": store(*({**each, "title": "Roost’s"} for each in tasks))})
    page.goto(home.app(site, {"task-store": store(*tasks)}))
    plan(page)
    number = len(tasks)
    click(page, f"Decide {number} conflict{'s' if number > 1 else ''}")


def test_both_sides_are_shown_field_by_field(page: Page, site: Site, home: Home) -> None:
    home.bring({"task-store": store(OLD)})
    page.goto(home.app(site, {"task-store": store(NEW)}))
    plan(page)
    click(page, "Decide 1 conflict")
    heading(page, "1 item differs from what Roost has")
    table = page.get_by_role("region", name=f"What differs in {OLD['id']}")
    rows = [row.get_by_role("cell").all_inner_texts() for row in table.get_by_role("row").all()]
    assert rows[1:] == [["Old title", "New title"], ["old text", "new text"]]


@pytest.mark.parametrize(
    ("choice", "titles"),
    [
        ("Keep Roost’s", ["Roost’s"]),
        ("Take the browser’s", ["Browser’s"]),
        ("Keep both", ["Browser’s", "Roost’s"]),
    ],
)
def test_a_choice_for_all_is_carried_out(
    page: Page, site: Site, home: Home, choice: str, titles: list[str]
) -> None:
    differing(page, site, home, task("Browser’s"))
    choose(page, "For all 1", choice)
    click(page, "Migrate now")
    heading(page, DONE)
    assert home.titles() == titles


def test_nothing_is_applied_while_a_choice_is_missing(page: Page, site: Site, home: Home) -> None:
    differing(page, site, home, task("One"), task("Two"))
    click(page, "Migrate now")
    says(page, "Some have no choice yet: Tasks.", "alert")
    page.locator(".item").first.get_by_label("Keep both", exact=True).check()
    click(page, "Migrate now")
    says(page, "Some have no choice yet: Tasks.", "alert")
    assert home.titles() == ["Roost’s", "Roost’s"]
    assert home.migrations()[0]["state"] == "planned"


def test_a_choice_for_one_counts_before_that_for_all(page: Page, site: Site, home: Home) -> None:
    differing(page, site, home, task("One"), task("Two"))
    choose(page, "For all 2", "Take the browser’s")
    page.locator(".item").nth(1).get_by_label("Keep Roost’s", exact=True).check()
    click(page, "Migrate now")
    heading(page, DONE)
    assert home.titles() == ["One", "Roost’s"]


def test_a_merge_takes_each_field_from_the_side_that_was_chosen(
    page: Page, site: Site, home: Home
) -> None:
    home.bring({"task-store": store(OLD)})
    page.goto(home.app(site, {"task-store": store(NEW)}))
    plan(page)
    click(page, "Decide 1 conflict")
    choose(page, "For this one", "Merge both")
    choose(page, "title", "Roost’s")
    choose(page, "description", "The browser’s")
    click(page, "Migrate now")
    heading(page, DONE)
    found = home.data(f"/tasks/{OLD['id']}")
    assert (found["title"], found["description"]) == ("Old title", "new text")


def test_choices_are_there_again_after_a_reload(page: Page, site: Site, home: Home) -> None:
    differing(page, site, home, task("One"), task("Two"))
    choose(page, "For all 2", "Merge both")
    page.locator(".item").first.get_by_label("Keep both", exact=True).check()
    page.reload()
    click(page, "Decide 2 conflicts")
    expect(within(page, "For all 2").get_by_label("Merge both")).to_be_checked()
    first = page.locator(".item").first
    expect(first.get_by_label("Keep both", exact=True)).to_be_checked()
