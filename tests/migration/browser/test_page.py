"""Roost's own page of migrations: the line for an app's console, and what came by it."""

import json

from playwright.sync_api import Page, expect

from roost.migration.pages import SNIPPET
from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, UNDONE, click, heading
from tests.support.server import API

KEEP = """
(kept) => Object.entries(JSON.parse(kept)).forEach((one) => localStorage.setItem(...one))
"""


def test_the_pages_line_downloads_every_key_as_it_is(page: Page, site: Site) -> None:
    page.goto(site.url)
    kept = {"theme": "dark", "__proto__": "x", "length": "3", "key": "", "": "empty", "ü": "\ud800"}
    page.evaluate(KEEP, json.dumps(kept))
    with page.expect_download() as downloading:
        page.evaluate(SNIPPET)
    found = json.loads(downloading.value.path().read_text("utf-8"))
    assert found["keys"] == kept
    assert found["origin"] == site.url


def test_the_migration_page_keeps_to_its_policy_and_lists_what_came(page: Page, home: Home) -> None:
    home.log_in(page.context)
    broken: list[str] = []
    page.on("console", lambda said: broken.append(f"{said.location['url']}: {said.text}"))
    page.goto(f"{home.url}/account")
    page.get_by_role("link", name="Move what an app keeps").click()
    page.locator("roost-migrate input[type=file]").wait_for(state="attached")
    assert page.get_by_text("There are none yet").count()
    done = home.bring({"theme": "dark"}, "<b>http://localhost:3000</b>")
    page.reload()
    row = page.get_by_role("row").nth(1)
    assert "<b>http://localhost:3000</b>" in row.inner_text()
    assert "completed" in row.inner_text()
    with page.expect_download() as downloading:
        row.get_by_role("link", name="Download the dump").click()
    assert json.loads(downloading.value.path().read_text("utf-8"))["keys"] == {"theme": "dark"}
    assert not [one for one in broken if "favicon" not in one]
    path = f"/migration/{done['id']}/backup"
    assert home.client.delete(path).status_code == 204
    row.get_by_role("link", name="Download the dump").click()
    page.wait_for_url(f"{home.url}{API}{path}")
    assert "MIGRATION_BACKUP_NOT_FOUND" in page.inner_text("body"), "no download that fails mutely"


def test_an_earlier_migration_is_undone_from_the_list_and_brought_back(
    page: Page, home: Home
) -> None:
    home.bring({"task-store": store(task("Only"))})
    home.log_in(page.context)
    page.goto(f"{home.url}/migrate")
    row = page.get_by_role("row").filter(has_text="http://first.test")
    row.get_by_role("button", name="Undo", exact=True).click()
    heading(page, DONE)
    click(page, "Undo this migration")
    heading(page, UNDONE)
    assert home.titles() == []
    expect(row).to_contain_text("undone")
    row.get_by_role("button", name="Undo the undo").click()
    heading(page, UNDONE)
    page.locator("roost-migrate").get_by_role("button", name="Undo the undo").click()
    heading(page, DONE)
    assert home.titles() == ["Only"]


def test_what_is_migrated_on_the_page_is_listed_there_with_its_undo(page: Page, home: Home) -> None:
    home.log_in(page.context)
    page.goto(f"{home.url}/migrate")
    content = json.dumps({"task-store": store(task("Only"))}).encode()
    page.get_by_label("Export file").set_input_files(
        {"name": "export.json", "mimeType": "application/json", "buffer": content}
    )
    click(page, "Continue")
    click(page, "Migrate now")
    heading(page, DONE)
    row = page.get_by_role("row").filter(has_text="a file")
    expect(row).to_contain_text("completed")
    expect(row.get_by_role("button")).to_have_text("Undo")


def test_who_is_not_logged_in_is_led_from_the_migration_page_to_the_log_in(
    page: Page, home: Home
) -> None:
    page.goto(f"{home.url}/migrate")
    page.wait_for_url(f"{home.url}/login?returnTo=%2Fmigrate")
