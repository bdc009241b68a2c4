"""The pages for people run nothing, give away no more than they show, and fit their window."""

import re
from pathlib import Path

import httpx
import pytest

from tests.support.browsers import CHROMIUM, chromium
from tests.support.server import Server

UNKNOWN = "/invitations/b11973e5-64ee-4976-ad16-3e8d22e503ed"
PAGES = ["/docs", "/docs/errors", "/docs/errors/FORBIDDEN", "/login", UNKNOWN]
NOT_SERVED = [
    "/",
    "/.git/HEAD",
    "/.env",
    "/secret.keys",
    "/pyproject.toml",
    "/src/",
    "/static/",
    "/docs/errors/../../../../etc/passwd",
    "/docs/errors/..%2f..%2f..%2fetc%2fpasswd",
    "/docs/errors/%00",
    "/graphql",
    "/debug",
    "/server-status",
]
LOST = """
const links = [...document.querySelectorAll('nav a')];
return [links.length, links.filter(a => !document.getElementById(a.hash.slice(1))).length]
"""


@pytest.mark.parametrize("path", PAGES)
def test_no_page_holds_or_lets_run_a_script(anybody: httpx.Client, path: str) -> None:
    page = anybody.get(path, headers={"accept": "text/html"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules["default-src"] == rules["base-uri"] == rules["frame-ancestors"] == "'none'"
    assert rules.keys() <= {"default-src", "style-src", "base-uri", "form-action",
                            "frame-ancestors"}  # fmt: skip
    found = re.findall(r"<(?:script|iframe|object|embed|link|img|base)\b|\son\w+=", page.text)
    assert not found


@pytest.mark.parametrize("path", NOT_SERVED)
def test_nothing_is_served_but_the_routes(owner: httpx.Client, path: str) -> None:
    answer = owner.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/api/v1/tasks", "/docs", "/openapi.json"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_no_page_of_another_site_may_read_an_answer(
    owner: httpx.Client, path: str, method: str
) -> None:
    asked = {
        "origin": "https://elsewhere.test",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
    }
    answer = owner.request(method, path, headers=asked)
    assert not [name for name in answer.headers if name.startswith("access-control-")]


def test_what_is_no_text_says_its_type_and_text_its_characters(anybody: httpx.Client) -> None:
    for path in (*PAGES, "/metrics", "/openapi.json", "/healthz", "/nowhere", "/api/v1/tasks"):
        kind = anybody.get(path).headers["content-type"]
        assert kind in {"application/json", "application/problem+json"} or "charset=utf-8" in kind


def test_a_compressed_body_is_not_unpacked(owner: httpx.Client) -> None:
    for coding in ("gzip", "deflate", "br"):
        answer = owner.post(
            "/api/v1/tasks", content=b"\x1f\x8b\x08\x00", headers={"content-encoding": coding}
        )
        assert (answer.status_code, answer.json()["code"]) == (400, "MALFORMED_BODY")


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
