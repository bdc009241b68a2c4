"""Conflicts, side by side, decided for all, for a kind, for an item, for a field."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.migration.browser.home import MOMENT, Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, PLAN, choose, click, heading, plan, says, within

LATER = "2026-02-03T04:05:06.000Z"


def environment(name: str, **fields: Any) -> dict[str, Any]:
    """An environment as the app stores it."""
    made = {"id": "11111111-2222-4333-8444-555555555555", "name": name, "description": ""}
    return made | {"createdAt": MOMENT, "updatedAt": MOMENT} | fields


def environments(*made: dict[str, Any]) -> str:
    """The value of `environments`."""
    return json.dumps({"state": {"environments": list(made)}, "version": 0})


def _to_conflicts(page: Page, number: int) -> None:
    plan(page)
    click(page, f"Decide {number} conflict{'s' if number > 1 else ''}")
    heading(
        page,
        f"{number} items differ from what Roost has"
        if number > 1
        else "1 item differs from what Roost has",
    )


def _migrate(page: Page) -> None:
    click(page, "Migrate now")
    heading(page, DONE)


@pytest.mark.parametrize(
    ("choice", "titles"),
    [
        ("Keep Roost’s", ["Old 0", "Old 1"]),
        ("Take the browser’s", ["New 0", "New 1"]),
        ("Keep both", ["New 0", "New 1", "Old 0", "Old 1"]),
    ],
)
def test_one_choice_for_all(
    page: Page, site: Site, home: Home, choice: str, titles: list[str]
) -> None:
    tasks = [task(f"Old {number}") for number in range(2)]
    home.bring({"task-store": store(*tasks)})
    changed = [one | {"title": one["title"].replace("Old", "New")} for one in tasks]
    page.goto(home.app(site, {"task-store": store(*changed)}))
    _to_conflicts(page, 2)
    choose(page, "For all 2", choice)
    _migrate(page)
    assert home.titles() == titles


def test_both_sides_are_shown_and_the_most_particular_choice_counts(
    page: Page, site: Site, home: Home
) -> None:
    tasks = [task(f"Old {number}") for number in range(3)]
    home.bring({"task-store": store(*tasks), "environments": environments(environment("old"))})
    changed = [one | {"title": one["title"].replace("Old", "New")} for one in tasks]
    kept = {"task-store": store(*changed), "environments": environments(environment("new"))}
    page.goto(home.app(site, kept))
    _to_conflicts(page, 4)
    first = page.get_by_role("region", name=f"What differs in {tasks[0]['id']}")
    row = first.get_by_role("row", name="title")
    expect(row.get_by_role("cell")).to_have_text(["Old 0", "New 0"])
    click(page, "Migrate now")
    says(page, "Some have no choice yet: Tasks, Environments.", "alert")
    assert home.titles() == ["Old 0", "Old 1", "Old 2"]
    choose(page, "For all 4", "Keep Roost’s")
    choose(page, "Tasks (3)", "Take the browser’s")
    item = page.locator(".item").filter(has_text=tasks[2]["id"])
    item.get_by_label("Keep both").check()
    _migrate(page)
    assert home.titles() == ["New 0", "New 1", "New 2", "Old 2"]
    assert [one["name"] for one in home.data("/environments")] == ["old"]


def test_a_merge_takes_the_sides_that_were_chosen_for_its_fields(
    page: Page, site: Site, home: Home
) -> None:
    old = task("Old title", description="old words", branch="old-branch")
    home.bring({"task-store": store(old)})
    fields = {"title": "New title", "description": "new words", "branch": "new-branch"}
    page.goto(home.app(site, {"task-store": store(old | fields | {"updatedAt": LATER})}))
    _to_conflicts(page, 1)
    choose(page, "For this one", "Merge both")
    choose(page, "title", "Roost’s")
    choose(page, "branch", "The browser’s")
    choose(page, "description", "Roost’s")
    _migrate(page)
    [merged] = home.data("/tasks")
    assert (merged["title"], merged["branch"]) == ("Old title", "new-branch")
    assert merged["description"] == "old words"


def test_choices_outlast_a_reload(page: Page, site: Site, home: Home) -> None:
    old = task("Old")
    home.bring({"task-store": store(old)})
    page.goto(home.app(site, {"task-store": store(old | {"title": "New"})}))
    _to_conflicts(page, 1)
    choose(page, "For this one", "Take the browser’s")
    page.reload()
    heading(page, PLAN)
    click(page, "Decide 1 conflict")
    chosen = within(page, "For this one").get_by_label("Take the browser’s")
    expect(chosen).to_be_checked()
    click(page, "Back")
    heading(page, PLAN)
    click(page, "Decide 1 conflict")
    _migrate(page)
    assert home.titles() == ["New"]


def test_more_conflicts_than_a_page_has_are_all_decided(page: Page, site: Site, home: Home) -> None:
    tasks = [task(f"Old {number:03}") for number in range(130)]
    home.bring({"task-store": store(*tasks)})
    changed = [one | {"title": one["title"].replace("Old", "New")} for one in tasks]
    page.goto(home.app(site, {"task-store": store(*changed)}))
    _to_conflicts(page, 130)
    expect(page.locator(".item")).to_have_count(100)
    page.locator(".item").first.get_by_label("Keep Roost’s").check()
    click(page, "Migrate now")
    says(page, "Some have no choice yet: Tasks.", "alert")
    click(page, "Show more")
    expect(page.locator(".item")).to_have_count(130)
    choose(page, "For all 130", "Take the browser’s")
    _migrate(page)
    assert home.migrations()[0]["counts"]["updated"] == 129
    assert home.data("/tasks?search=Old")[0]["title"] == "Old 000"


def test_what_somebody_changes_while_it_is_decided_is_asked_again(
    page: Page, site: Site, home: Home
) -> None:
    same, other = task("Same"), task("Old")
    home.bring({"task-store": store(same, other)})
    page.goto(home.app(site, {"task-store": store(same, other | {"title": "New"})}))
    _to_conflicts(page, 1)
    choose(page, "For this one", "Take the browser’s")
    path = f"/tasks/{same['id']}"
    assert home.client.patch(path, json={"title": "Changed meanwhile"}).status_code == 200
    click(page, "Migrate now")
    heading(page, "2 items differ from what Roost has")
    choose(page, "For all 2", "Keep Roost’s")
    page.locator(".item").filter(has_text=other["id"]).get_by_label("Take the browser’s").check()
    _migrate(page)
    assert home.titles() == ["Changed meanwhile", "New"]
