"""The modules for browsers: every page may import them, small and cached."""

import gzip
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import httpx
import pytest

from roost.migration import assets
from roost.migration.assets import AssetRoutes, takes_gzip
from tests.docs.pages import ROOT
from tests.support.app import BASE, application
from tests.support.house import People

FILES = {
    "migrate.js": """/* Says
 * what is asked. */
import {ask} from "./client.js";
import {
  more,
} from "./words.js";

export {ask};

/** Twice. */
export function said() {
  // And more.
  return ask() + ask() + more;
}
""",
    "client.js": 'import {more} from "./words.js";\n\nexport const ask = () => `→ ${more}`;\n',
    "words.js": f'export const more = "{"more" * 50}";\n',
    "file.js": 'import {more} from "./words.js";\n\nexport const own = more;\n',
    "page.js": "document.title = 'page';\n",
    "notes.js": "export const not = 'for browsers';\n",
}
WORDS = f'const more = "{"more" * 50}";\n'
ENTRY = (
    WORDS + "const ask = () => `→ ${more}`;\nexport {ask};\n"
    "export function said() {\nreturn ask() + ask() + more;\n}\n"
).encode()
FILE = (WORDS + "export const own = more;\n").encode()
BUDGET = 12_000
"""Bytes that a page loads, compressed."""
LONGEST_LINE = 120
GZIP = {"accept-encoding": "gzip"}
PLAIN = {"accept-encoding": "identity"}


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of a server with some modules."""
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    app: Any = application(People(), AssetRoutes(tmp_path).endpoints())
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


async def test_every_page_may_import_a_module_that_has_all_it_needs(
    client: httpx.AsyncClient,
) -> None:
    for path, content in (("/migrate.js", ENTRY), ("/migrate/file.js", FILE)):
        answer = await client.get(path)
        assert answer.content == content
        assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        assert answer.headers["cache-control"] == "public, max-age=300"
        assert answer.headers["vary"] == "Accept-Encoding"


async def test_a_module_is_compressed_for_those_who_take_that(client: httpx.AsyncClient) -> None:
    async with client.stream("GET", "/migrate.js", headers=GZIP) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
        assert answer.headers["content-encoding"] == "gzip"
        assert len(raw) < len(ENTRY)
        assert gzip.decompress(raw) == ENTRY
    answer = await client.get("/migrate.js", headers=PLAIN)
    assert "content-encoding" not in answer.headers
    assert answer.headers["content-length"] == str(len(ENTRY))


async def test_each_form_has_a_strong_tag_of_its_own(client: httpx.AsyncClient) -> None:
    tags = []
    for coding in (GZIP, PLAIN):
        tag = (await client.get("/migrate.js", headers=coding)).headers["etag"]
        assert tag.startswith('"')
        tags.append(tag)
        again = await client.get("/migrate.js", headers=coding | {"if-none-match": tag})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        assert again.headers["cache-control"] == "public, max-age=300"
        assert again.headers["access-control-allow-origin"] == "*"
    assert tags[0] != tags[1]
    other = await client.get("/migrate.js", headers=PLAIN | {"if-none-match": tags[0]})
    assert other.status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/migrate/notes.js", "/migrate/client.js", "/migrate/file", "/migrate/migrate.js",
     "/migrate/..%2Fassets.py", "/migrate/%2e%2e%2fassets.py", "/file.js"],
)  # fmt: skip
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "ROUTE_NOT_FOUND")


async def test_head_tells_the_length_and_sends_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.head("/migrate/file.js", headers=PLAIN)
    assert (answer.content, answer.headers["content-length"]) == (b"", str(len(FILE)))


def test_what_an_apps_page_loads_is_small() -> None:
    [entry, *_] = AssetRoutes().assets.values()
    assert b"import {" not in entry.plain, "it is all that is loaded"
    assert len(entry.packed) < BUDGET


def test_every_module_is_served_and_readable() -> None:
    """Each source is a part of what is served; a line of it has the length that people read."""
    served = b"".join(each.plain for each in AssetRoutes().assets.values())
    for file in assets.FOLDER.glob("*"):
        assert file.suffix == ".js"
        lines = file.read_text("utf-8").splitlines()
        assert max(map(len, lines)) <= LONGEST_LINE, file.name
        assert lines[-1].strip().encode() in served, file.name


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [("gzip", True), ("br, GZIP;q=0.5", True), ("*", True), ("x-gzip", True), ("gzip;q=1.0", True),
     (None, False), ("", False), ("br", False), ("gzip;q=0", False), ("gzip;q=0.000, *", False),
     ("*;q=0", False), ("identity", False)],
)  # fmt: skip
def test_what_a_client_takes_is_read_from_its_header(
    accepted: str | None,
    taken: bool,  # noqa: FBT001 -- a parameter of the table above
) -> None:
    assert takes_gzip(accepted) is taken


def test_the_wheel_has_the_modules(tmp_path: Path) -> None:
    """Built from a copy with a module more, so that it is the build that is looked at."""
    source = tmp_path / "source"
    shutil.copytree(ROOT / "src", source / "src")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    folder = source / assets.FOLDER.relative_to(ROOT)
    folder.mkdir(exist_ok=True)
    (folder / "extra.js").write_text("export {};")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=source, check=True, capture_output=True, timeout=100)
    [wheel] = tmp_path.glob("*.whl")
    names = set(ZipFile(wheel).namelist())
    assert "roost/migration/browser/extra.js" in names
    assert {f"roost/migration/browser/{file.name}" for file in assets.FOLDER.glob("*")} <= names
