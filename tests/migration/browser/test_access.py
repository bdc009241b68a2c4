"""The element by keyboard and by its names, as a screen reader has them."""

from playwright.sync_api import Page, expect

from tests.migration.browser.gate import closed_gate
from tests.migration.browser.home import Home, store, task
from tests.migration.browser.site import Site
from tests.migration.browser.walk import DONE, FOUND, PLAN, UNDONE, click, heading, plan

FOCUSED = """() => {
  let found = document.activeElement;
  while (found?.shadowRoot?.activeElement) found = found.shadowRoot.activeElement;
  return [found.localName, found.innerText ?? ''];
}"""


def press(page: Page, name: str) -> None:
    """Reach a button with the tabulator alone, and press it."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == ["button", name]:
            page.keyboard.press("Enter")
            return
    message = f"no way to {name} by keyboard"
    raise AssertionError(message)


def test_each_part_of_the_first_step_has_its_role_and_name(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    expect(page.locator("roost-migrate")).to_match_aria_snapshot("""
- region "Move data to Roost":
  - heading "What this browser has" [level=2]
  - paragraph: /1 key of http.*, 4 bytes/
  - region "Keys":
    - table "Keys":
      - caption: Keys
      - rowgroup:
        - row "Key Size":
          - columnheader "Key"
          - columnheader "Size"
      - rowgroup:
        - row "theme 4 bytes":
          - rowheader "theme"
          - cell "4 bytes"
  - button "Continue"
  - button "Download a copy"
  - button "Not now"
""")


def test_the_whole_way_can_be_gone_by_keyboard_and_focus_follows_the_steps(
    page: Page, site: Site, home: Home
) -> None:
    page.goto(home.app(site, {"theme": "dark"}))
    heading(page, FOUND)
    assert page.evaluate(FOCUSED)[0] == "body"
    steps = (
        ("Continue", PLAN),
        ("Migrate now", DONE),
        ("Undo this migration", UNDONE),
        ("Undo the undo", DONE),
    )
    for button, step in steps:
        press(page, button)
        heading(page, step)
        assert page.evaluate(FOCUSED) == ["h2", step]


def test_progress_is_shown_by_its_name_and_in_words(page: Page, site: Site, home: Home) -> None:
    page.goto(home.app(site, {"task-store": store(task("Held"))}))
    plan(page)
    with closed_gate(home.database, "Held") as gate:
        click(page, "Migrate now")
        heading(page, "Migrating")
        expect(page.get_by_role("progressbar", name="Progress")).to_have_attribute("value", "0")
        expect(page.get_by_text("0 of 1 item", exact=False)).to_be_visible()
        gate.open()
        heading(page, DONE)
