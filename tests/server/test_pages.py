"""The reference as a browser shows it."""

from pathlib import Path

import pytest

from tests.support.browsers import CHROMIUM, chromium
from tests.support.server import Server

LOST = """
const links = [...document.querySelectorAll('nav a')];
return [links.length, links.filter(a => !document.getElementById(a.hash.slice(1))).length]
"""


@pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
def test_the_reference_fits_its_window_and_its_links_lead_to_its_parts(
    server: Server, tmp_path: Path
) -> None:
    with chromium(tmp_path) as tab:
        tab.visit(f"{server.url}/docs")
        assert tab.run("return document.documentElement.scrollWidth - innerWidth") <= 0
        links, lost = tab.run(LOST)
        assert links > 10
        assert lost == 0
