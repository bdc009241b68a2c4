"""What is copied of a page's localStorage, when, and that nothing else is done to it."""

import hashlib
import json
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from roost.db.roles import OWNER_ROLE
from roost.migration.parse import storable
from tests.migration.browser.conftest import OUTSIDE
from tests.migration.browser.home import Home, seeding, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import click, heading, migrate, says, storage
from tests.support.schema import as_role
from tests.support.server import serving

#: An app whose store overwrites what it cannot read, as soon as it starts.
APP = "localStorage.setItem('task-store', JSON.stringify({state: {tasks: []}, version: 1}))"
ODD = [
    "",
    "dark",
    "\x00",
    "a\x00b",
    "ü",
    "€" * 100,
    "😀",
    "\ud800",
    "\udc00",
    "\udc00\ud800",
    "half \ud83d and \ude00 whole 😀",
    "\uffff\ufffe\ufeff",
    "\u2028\u2029\x7f\x80\x07ff",
    *("x" * size for size in (55, 56, 63, 64, 65, 119, 120, 128, 100_000)),
]


def test_the_copy_is_made_before_the_app_writes(page: Page, site: Site, home: Home) -> None:
    old = store(task("From an older version"))
    page.goto(
        site.page(
            home.element() + f'<script type="module">{APP}</script>', seeding({"task-store": old})
        )
    )
    expect(page.get_by_text("1 key of", exact=False)).to_be_visible()
    assert storage(page)["task-store"] != old
    migrate(page)
    assert home.titles() == ["From an older version"]
    # What the app has written since is not what Roost has.
    click(page, "Clear 1 key in this browser")
    expect(page.get_by_text("changed since they were sent", exact=False)).to_be_visible()
    assert list(storage(page)) == ["task-store"]


def test_an_import_is_enough_and_the_copy_is_apart_from_later_changes(
    page: Page, site: Site, home: Home
) -> None:
    script = (
        f'<script type="module">import {{capture}} from "{home.url}/migrate.js";'
        "localStorage.theme = 'light'; localStorage.removeItem('gone'); localStorage.more = '1';"
        "const held = capture(); held.keys.theme = 'mine';"
        "window.copies = [capture(), capture({again: true})];</script>"
    )
    page.goto(site.page(script, seeding({"theme": "dark", "gone": "x"})))
    page.wait_for_function("window.copies")
    first, now = page.evaluate("copies")
    assert first["keys"] == {"theme": "dark", "gone": "x"}
    assert now["keys"] == {"theme": "light", "more": "1"}
    assert first["origin"] == site.url
    assert first["capturedAt"].endswith("Z")


def test_keys_named_like_methods_are_copied_and_nothing_is_patched(
    page: Page, site: Site, home: Home
) -> None:
    keys = {
        "setItem": "function () {}",
        "getItem": "x",
        "length": "3",
        "key": "k",
        "__proto__": "p",
    }
    page.goto(home.app(site, {}))
    # As `localStorage.setItem = …` does: it stores an item, and hides the method.
    page.evaluate(
        "(kept) => Object.entries(JSON.parse(kept)).forEach("
        "([k, v]) => Storage.prototype.setItem.call(localStorage, k, v))",
        json.dumps(keys),
    )
    page.reload()
    heading(page, "What this browser has")
    copy = page.evaluate(
        f"import('{home.url}/migrate.js').then((it) => JSON.stringify(it.capture().keys))"
    )
    assert json.loads(copy) == keys
    native = "[fetch, Storage.prototype.setItem, Storage.prototype.getItem, XMLHttpRequest]"
    assert page.evaluate(f"{native}.every((it) => String(it).includes('[native code]'))")


def test_a_page_without_storage_says_so(page: Page, site: Site, home: Home) -> None:
    inner = site.page(home.element())
    site.pages["/framed"] = f'<iframe sandbox="allow-scripts" src="{inner}"></iframe>'
    page.goto(f"{site.url}/framed")
    frame = page.frame_locator("iframe")
    expect(frame.get_by_text("may not read its localStorage", exact=False)).to_be_visible()


@pytest.mark.parametrize("host", ["localhost", OUTSIDE])
def test_hashes_equal_those_of_the_receipt(page: Page, site: Site, host: str) -> None:
    page.goto(f"http://{host}:{site.port}/")
    assert page.evaluate("Boolean(crypto.subtle)") is (host == "localhost")
    found = page.evaluate(
        "async (texts) => { const {sha256} = await import('/modules/sha256.js');"
        " return JSON.parse(texts).map(sha256); }",
        json.dumps(ODD),
    )
    wanted = [text.encode("utf-8", "surrogatepass") for text in ODD]
    assert found == [hashlib.sha256(each).hexdigest() for each in wanted]


def test_keys_are_found_in_the_receipt_by_the_names_that_roost_gives_them(
    page: Page, site: Site
) -> None:
    page.goto(f"{site.url}/")
    found = page.evaluate(
        "async (texts) => { const {nameInRoost} = await import('/modules/clearing.js');"
        " return JSON.parse(texts).map(nameInRoost); }",
        json.dumps(ODD),
    )
    assert found == list(map(storable, ODD))


def test_every_odd_key_arrives_and_can_be_cleared(page: Page, site: Site, home: Home) -> None:
    keys = {f"odd {number} {text[:8]}": text for number, text in enumerate(ODD)}
    page.goto(home.app(site, keys))
    migrate(page)
    receipt = home.data(f"/migration/{home.migrations()[0]['id']}/receipt")
    for each in receipt["keys"]:
        wanted = ODD[int(each["key"].split()[1])].encode("utf-8", "surrogatepass")
        assert (each["sha256"], each["bytes"]) == (hashlib.sha256(wanted).hexdigest(), len(wanted))
    page.get_by_role("button", name="Clear ").click()
    says(page, "cleared.")
    assert storage(page) == {}


def test_it_works_where_there_is_no_secure_context(page: Page, site: Site, home: Home) -> None:
    outside = f"http://{OUTSIDE}:{site.port}"
    database = as_role(home.database, OWNER_ROLE)
    with serving("--database-url", database, extra={"ROOST_CORS_ORIGINS": outside}) as server:
        there = replace(home, url=server.url)
        address = there.app(site, {"theme": "dark", "note": "\ud800"})
        page.goto(address.replace(site.url, outside))
        assert page.evaluate("[isSecureContext, typeof crypto.subtle]") == [False, "undefined"]
        migrate(page)
        click(page, "Clear 2 keys in this browser")
        says(page, "2 keys cleared.")
    assert storage(page) == {}
