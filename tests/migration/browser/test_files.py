"""Files in place of a page's localStorage: what is taken, and what is said of what is not."""

import json
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, choose, click, heading, says

KEYS = {"task-store": store(task("From a file")), "half \ud800": "\udc00"}
PAIRS = [{"name": name, "value": value} for name, value in KEYS.items()]
APP = "http://localhost:3000"
EXPORT = {"origin": APP, "capturedAt": "2026-01-02T03:04:05.000Z", "keys": KEYS}
STATE = {"cookies": [], "origins": [{"origin": APP, "localStorage": PAIRS}]}


def take(page: Page, content: bytes) -> None:
    """Choose a file with this content."""
    page.get_by_label("Export file").set_input_files(
        {"name": "export.json", "mimeType": "application/json", "buffer": content}
    )


@pytest.mark.parametrize(
    ("document", "origin"),
    [(EXPORT, APP), (KEYS, None), (STATE, APP), ({"localStorage": KEYS}, None)],
    ids=["export", "plain", "storage state", "localStorage"],
)
def test_the_keys_of_a_file_are_migrated_as_they_are(
    page: Page, site: Site, home: Home, document: dict[str, Any], origin: str | None
) -> None:
    page.goto(home.app(site, {"theme": "of the page"}, f'token="{home.token}" file'))
    heading(page, "Choose a file")
    take(page, json.dumps(document).encode())
    heading(page, "What the file has")
    click(page, "Continue")
    heading(page, "What would happen")
    click(page, "Migrate now")
    heading(page, DONE)
    assert home.titles() == ["From a file"]
    [done] = home.migrations()
    assert done["origin"] == origin
    sent = home.client.get(f"/migration/{done['id']}/backup").json()
    assert sent["keys"] == KEYS
    # The file's browser is elsewhere.
    expect(page.get_by_role("button", name="Clear")).to_have_count(0)


def test_a_utf_16_file_is_read_as_its_writer_meant_it(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {}, f'token="{home.token}" file'))
    take(page, json.dumps({"theme": "dunkel ü"}, ensure_ascii=False).encode("utf-16"))
    heading(page, "What the file has")
    expect(page.get_by_role("row", name="theme")).to_contain_text("9 bytes")


def test_of_several_origins_one_is_chosen(page: Page, site: Site, home: Home) -> None:
    other = {"origin": "http://other.test", "localStorage": [{"name": "theme", "value": "dark"}]}
    page.goto(home.app(site, {}, f'token="{home.token}" file'))
    take(page, json.dumps({"origins": [STATE["origins"][0], other]}).encode())
    choose(page, "The file has several origins. Which one?", "http://other.test")
    heading(page, "What the file has")
    click(page, "Continue")
    heading(page, "What would happen")
    assert home.migrations()[0]["origin"] == "http://other.test"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'{"keys": {"a": "b"', "is no whole JSON"),
        (b"[]", "holds no JSON object of keys"),
        (b"{}", "has no keys"),
        (b'{"theme": {"a": 1}}', 'The value of "theme" is no raw string'),
        (b'{"state": {"tasks": []}, "version": 0}', "the value of one key"),
        (b'{"log": {"entries": []}}', "A HAR file"),
        (b'{"origins": []}', "no origin with a localStorage"),
        (b'{"a": "\xff"}', "is no UTF-8 text"),
    ],
)
def test_a_file_that_is_no_export_is_refused_with_what_to_do(
    page: Page, site: Site, home: Home, content: bytes, told: str
) -> None:
    page.goto(home.app(site, {}, f'token="{home.token}" file'))
    take(page, content)
    says(page, told, "alert")
    assert home.migrations() == []


def test_after_a_refused_file_another_one_is_taken(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {}, f'token="{home.token}" file'))
    take(page, b"[]")
    says(page, "holds no JSON object of keys", "alert")
    take(page, json.dumps(KEYS).encode())
    heading(page, "What the file has")
    assert page.get_by_role("alert").inner_text() == ""
