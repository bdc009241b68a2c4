"""A browser, an app's site, and a served Roost with a new user for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from roost.db.roles import OWNER_ROLE
from tests.migration.browser.home import Home
from tests.migration.browser.site import Site, serving_site
from tests.support.browsers import CHROMIUM
from tests.support.schema import as_role
from tests.support.server import serving

#: A name that is not loopback's: its pages have no secure context.
OUTSIDE = "app.test"
# A busy machine is no fault of a page's.
expect.set_options(timeout=30_000)
_FLAGS = ["--no-sandbox", "--disable-gpu", f"--host-resolver-rules=MAP {OUTSIDE} 127.0.0.1"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no browser."""
    if CHROMIUM.exists():
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason="needs Debian's chromium"))


@pytest.fixture(scope="package")
def served(roost_database: str) -> Iterator[str]:
    """The address of a running Roost."""
    with serving("--database-url", as_role(roost_database, OWNER_ROLE)) as server:
        yield server.url


@pytest.fixture(scope="package")
def browser(served: str) -> Iterator[Browser]:
    """Chromium, of these tests alone: while its driver's loop lasts, this thread has no other.

    So what it takes to serve is there before.
    """
    del served
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=_FLAGS)
        try:
            yield found
        finally:
            found.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page with a storage of its own; an error in a script fails the test."""
    with browser.new_context(locale="en-GB") as context:
        context.set_default_timeout(20_000)
        errors: list[str] = []
        context.on("weberror", lambda error: errors.append(str(error.error)))
        yield context.new_page()
    assert not errors


@pytest.fixture
def site() -> Iterator[Site]:
    """An app's origin."""
    with serving_site() as found:
        yield found


@pytest.fixture
def home(served: str, roost_database: str) -> Iterator[Home]:
    """A new user of it."""
    with Home.of_a_new_user(served, roost_database) as found:
        yield found
