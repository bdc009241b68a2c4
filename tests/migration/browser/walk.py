"""What a person does with `<roost-migrate>`, and what they see then."""

import json
from typing import Any

from playwright.sync_api import Locator, Page, expect

FOUND = "What this browser has"
CONNECT = "Connect to Roost"
PLAN = "What would happen"
DONE = "Your data are in Roost"
UNDONE = "The migration was undone"
CLOSED = "Paused"


def click(page: Page, name: str) -> None:
    """Press the button of that name."""
    page.get_by_role("button", name=name, exact=True).click()


def heading(page: Page, text: str, seconds: float = 20.0) -> None:
    """Wait for a step."""
    found = page.locator("roost-migrate").get_by_role("heading", level=2)
    expect(found).to_have_text(text, timeout=seconds * 1000)


def says(page: Page, text: str, role: Any = "status") -> None:
    """Wait until it says something: as its status, or as an `alert`."""
    expect(page.locator("roost-migrate").get_by_role(role)).to_contain_text(text, timeout=20_000)


def choose(page: Page, group: str, name: str) -> None:
    """Choose one of a group of radio buttons."""
    within(page, group).get_by_label(name, exact=True).check()


def within(page: Page, group: str) -> Locator:
    """A group by its whole name."""
    return page.get_by_role("group", name=group, exact=True)


def plan(page: Page) -> None:
    """Go from what was found to the plan."""
    heading(page, FOUND)
    click(page, "Continue")
    heading(page, PLAN)


def migrate(page: Page) -> None:
    """Go from what was found to the end."""
    plan(page)
    click(page, "Migrate now")
    heading(page, DONE)


def storage(page: Page) -> dict[str, str]:
    """What the page's localStorage has now."""
    # As JSON, whose escapes bring lone surrogates across.
    text = page.evaluate("JSON.stringify(Object.fromEntries(Object.entries(localStorage)))")
    found: dict[str, str] = json.loads(text)
    return found


def remembered(page: Page) -> dict[str, Any]:
    """What the element has in this tab's sessionStorage."""
    text = page.evaluate(
        "Object.entries(sessionStorage).find(([name]) => name.startsWith('roost-migrate '))?.[1]"
    )
    found: dict[str, Any] = json.loads(text or "{}")
    return found
