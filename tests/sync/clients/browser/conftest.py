"""Chromium, and an app's origin whose pages may read Roost."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page

from roost.db.roles import OWNER_ROLE
from tests.migration.browser.conftest import browser, page
from tests.migration.browser.site import Site, serving_site
from tests.support.browsers import CHROMIUM
from tests.support.schema import as_role
from tests.support.server import serving, wait_until
from tests.sync.clients.scripting import NODE_MODULES, SCRIPTS, SECONDS, Said

__all__ = ["browser", "page"]
_PGLITE = NODE_MODULES / "@electric-sql" / "pglite" / "dist"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there is no browser."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and not CHROMIUM.exists():
            item.add_marker(pytest.mark.skip(reason="needs Debian's chromium"))


@pytest.fixture(scope="package")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scripts as modules for a page, which speak to the page instead of to Node."""
    place = tmp_path_factory.mktemp("bundles")
    source = place / "source"
    shutil.copytree(SCRIPTS, source)
    shutil.copy(source / "page" / "say.mjs", source / "say.mjs")
    (source / "node_modules").symlink_to(NODE_MODULES)
    names = [f"{name}.mjs" for name in ("follow", "collection", "pglite", "react")]
    program = NODE_MODULES / ".bin" / "esbuild"
    elsewhere = ["--external:@electric-sql/pglite", "--external:jsdom"]
    options = ["--bundle", "--format=esm", *elsewhere, f"--outdir={place}"]
    subprocess.run(
        [program, *names, *options, "--out-extension:.js=.mjs", "--log-level=error"],
        cwd=source,
        check=True,
    )
    return place


@pytest.fixture(scope="package")
def site(bundles: Path) -> Iterator[Site]:
    """The app's origin."""
    with serving_site() as found:
        found.folders |= {"/scripts/": bundles, "/pglite/": _PGLITE}
        yield found


@pytest.fixture(scope="package")
def served(roost_database: str, site: Site) -> Iterator[str]:
    """The address of a running Roost that lets this origin's pages read."""
    with serving(
        *("--database-url", as_role(roost_database, OWNER_ROLE)),
        extra={"ROOST_CORS_ORIGINS": site.url},
    ) as server:
        yield server.url


class Running:
    """A script in a page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def lines(self) -> list[Said]:
        """Give all that it has said."""
        return [json.loads(line) for line in self.page.evaluate("() => window.said?.() ?? []")]

    def wait_for(self, wanted: Any, what: str) -> Said:
        """Wait until it says such a thing, and give that; the first of them."""

        def found() -> list[Said]:
            lines = self.lines()
            assert not [line for line in lines if "fault" in line], lines
            return [line for line in lines if wanted(line)]

        first: Said = wait_until(found, what, SECONDS)[0]
        return first

    def do(self, name: str, **arguments: Any) -> Any:
        """Let it do something, and give what came of it."""
        self.page.evaluate("([name, rest]) => window.perform(name, rest)", [name, arguments])
        done = next(line for line in reversed(self.lines()) if {"did", "failed"} & line.keys())
        assert done.get("did") == name, done
        return done.get("result")


@pytest.fixture
def run(page: Page, site: Site) -> Any:
    """Start a script in a page, with what is given to it."""

    def start(script: str, **given: Any) -> Running:
        imports = {"imports": {"@electric-sql/pglite": "/pglite/index.js"}}
        address = site.page(
            f'<script type="importmap">{json.dumps(imports)}</script>'
            f'<script type="module" src="/scripts/{script}"></script>'
        )
        page.goto(f"{address}#{quote(json.dumps(given))}")
        return Running(page)

    return start
