"""Conflicts, side by side, decided for all, for a kind, for an item, for a field."""

import json
from typing import Any

from playwright.sync_api import Page, expect

from tests.migration.browser.home import MOMENT, Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, PLAN, choose, click, heading, plan, says, within

LATER = "2026-02-03T04:05:06.000Z"


def environments(name: str) -> str:
    """The value of `environments`, with one of this name and always the same id."""
    made = {"id": "11111111-2222-4333-8444-555555555555", "name": name, "description": ""}
    dated = made | {"createdAt": MOMENT, "updatedAt": MOMENT}
    return json.dumps({"state": {"environments": [dated]}, "version": 0})


def changed(tasks: list[dict[str, Any]]) -> str:
    """The value of `task-store` with `Old` tasks that have become `New`."""
    return store(*(each | {"title": each["title"].replace("Old", "New")} for each in tasks))


def _to_conflicts(page: Page, number: int) -> None:
    heading(page, PLAN)
    several = number > 1
    click(page, f"Decide {number} conflict{'s' if several else ''}")
    differ = f"{number} items differ" if several else "1 item differs"
    heading(page, f"{differ} from what Roost has")


def _choose_for(page: Page, one: dict[str, Any], choice: str) -> None:
    page.locator(".item").filter(has_text=one["id"]).get_by_label(choice, exact=True).check()


def _migrate(page: Page) -> None:
    click(page, "Migrate now")
    heading(page, DONE)


def test_both_sides_are_shown_and_the_most_particular_choice_counts(
    page: Page, site: Site, home: Home
) -> None:
    tasks = [task(f"Old {number}") for number in range(4)]
    home.bring({"task-store": store(*tasks), "environments": environments("old")})
    kept = {"task-store": changed(tasks), "environments": environments("new")}
    page.goto(home.app(site, kept))
    plan(page)
    _to_conflicts(page, 5)
    first = page.get_by_role("region", name=f"What differs in {tasks[0]['id']}")
    row = first.get_by_role("row", name="title")
    expect(row.get_by_role("cell")).to_have_text(["Old 0", "New 0"])
    click(page, "Migrate now")
    says(page, "Some have no choice yet: Tasks, Environments.", "alert")
    assert home.migrations()[0]["state"] == "planned"
    choose(page, "For all 5", "Keep Roost’s")
    choose(page, "Tasks (4)", "Take the browser’s")
    _choose_for(page, tasks[2], "Keep both")
    _choose_for(page, tasks[3], "Keep Roost’s")
    _migrate(page)
    assert home.titles() == ["New 0", "New 1", "New 2", "Old 2", "Old 3"]
    assert [one["name"] for one in home.data("/environments")] == ["old"]


def test_a_merge_takes_the_sides_that_were_chosen_for_its_fields(
    page: Page, site: Site, home: Home
) -> None:
    old = task("Old title", description="old words", branch="old-branch")
    home.bring({"task-store": store(old)})
    fields = {"title": "New title", "description": "new words", "branch": "new-branch"}
    page.goto(home.app(site, {"task-store": store(old | fields | {"updatedAt": LATER})}))
    plan(page)
    _to_conflicts(page, 1)
    choose(page, "For this one", "Merge both")
    choose(page, "title", "Roost’s")
    choose(page, "branch", "The browser’s")
    choose(page, "description", "Roost’s")
    _migrate(page)
    [merged] = home.data("/tasks")
    assert (merged["title"], merged["branch"]) == ("Old title", "new-branch")
    assert merged["description"] == "old words"


def test_choices_outlast_a_reload_and_a_look_back_at_the_plan(
    page: Page, site: Site, home: Home
) -> None:
    tasks = [task("Old 0"), task("Old 1")]
    home.bring({"task-store": store(*tasks)})
    page.goto(home.app(site, {"task-store": changed(tasks)}))
    plan(page)
    _to_conflicts(page, 2)
    choose(page, "For all 2", "Take the browser’s")
    _choose_for(page, tasks[0], "Keep both")
    page.reload()
    _to_conflicts(page, 2)
    expect(within(page, "For all 2").get_by_label("Take the browser’s")).to_be_checked()
    click(page, "Back")
    _to_conflicts(page, 2)
    _migrate(page)
    assert home.titles() == ["New 0", "New 1", "Old 0"]


def test_more_conflicts_than_a_page_has_are_all_decided(page: Page, site: Site, home: Home) -> None:
    tasks = [task(f"Old {number:03}") for number in range(130)]
    home.bring({"task-store": store(*tasks)})
    page.goto(home.app(site, {"task-store": changed(tasks)}))
    plan(page)
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
    page.goto(home.app(site, {"task-store": changed([same, other])}))
    plan(page)
    _to_conflicts(page, 1)
    choose(page, "For this one", "Take the browser’s")
    path = f"/tasks/{same['id']}"
    assert home.client.patch(path, json={"title": "Changed meanwhile"}).status_code == 200
    click(page, "Migrate now")
    heading(page, "2 items differ from what Roost has")
    choose(page, "For all 2", "Keep Roost’s")
    _choose_for(page, other, "Take the browser’s")
    _migrate(page)
    assert home.titles() == ["Changed meanwhile", "New"]
