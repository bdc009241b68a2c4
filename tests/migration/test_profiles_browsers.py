"""Profiles that real browsers have written, and are writing, against what their pages read."""

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from roost.db.roles import OWNER_ROLE
from roost.db.sealing import open_secret_box
from roost.migration.profiles import reading
from roost.migration.profiles.finding import find
from roost.migration.profiles.places import Browser
from roost.migration.profiles.storage import ProfileError
from tests.migration.parsing import unpacked
from tests.migration.test_command import Shell
from tests.support.browsers import CHROMIUM, FIREFOX, Tab, chromium, firefox, pages

TASK = "5f6b2f2e-6f0c-4f0e-9d6a-6b8f1c1f0a01"
ODD = r"""
localStorage.clear();
const noise = (units, top) => {
  let seed = 7, text = [];
  for (let i = 0; i < units; i++) {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    text.push(String.fromCharCode((seed >> 8) % top));
  }
  return text.join("");
};
const odd = {
  "": "the empty key", "empty": "", "emoji \u{1F600}": "\u{1F469}\u200d\u{1F4BB} \u202edne",
  "high": "a\ud83d", "low": "\ude00b", "swapped": "\ude00\ud83d", "key \udc01": "lone",
  "nul": "a\u0000b", "nul \u0000 key": "c", "latin": "caf\u00e9 \u00ff\u0080", "__proto__x": "1",
  "ascii": "x".repeat(1 << 20), "bytes": noise(1 << 17, 256), "units": noise(1 << 16, 65536),
  "lonely": "\udc00" + "ab".repeat(20000), "new\nline": "\r\n\t",
  "task-store": JSON.stringify({state: {tasks: [
    {id: "ID", title: "kept \u{1F600}", status: "DONE", messages: []}]}, version: 0}),
};
for (const [key, value] of Object.entries(odd)) localStorage.setItem(key, value);
for (let i = 0; i < 40; i++) localStorage.setItem("overwritten", String(i).repeat(2000));
for (let i = 0; i < 40; i++) localStorage.setItem("gone " + i, "y".repeat(3000));
for (let i = 0; i < 40; i++) localStorage.removeItem("gone " + i);
localStorage.setItem("back", "1"); localStorage.removeItem("back");
localStorage.setItem("back", "2");
""".replace("ID", TASK)
READ = "return Object.fromEntries(Object.entries(localStorage))"


@dataclass
class Kind:
    """A browser, how it is driven, and where the profile lies in its folder."""

    name: Browser
    run: Callable[[Path], AbstractContextManager[Tab]]


@pytest.fixture(
    params=[
        pytest.param(
            Kind(Browser.CHROMIUM, chromium),
            marks=pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium"),
            id="chromium",
        ),
        pytest.param(
            Kind(Browser.FIREFOX, firefox),
            marks=pytest.mark.skipif(not FIREFOX.exists(), reason="needs Debian's firefox-esr"),
            id="firefox",
        ),
    ]
)
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def shell(fresh_roost_database: str, tmp_path: Path) -> Shell:
    return Shell(fresh_roost_database, tmp_path)


@pytest.fixture
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this process makes its copies."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def dump(kind: Kind, folder: Path, origin: str) -> Any:
    taken = reading.take(find(kind.name, str(folder)), origin)
    assert (taken.unreadable, taken.damage) == ([], [])
    return json.loads(taken.raw)


def settled(kind: Kind, folder: Path, origin: str, expected: Any) -> Any:
    """The dump, once the browser has written what its page has; browsers take their time."""
    deadline, found = time.monotonic() + 40, None
    while time.monotonic() < deadline:
        try:
            found = dump(kind, folder, origin)
        except ProfileError as error:
            found = {"keys": str(error)}
        if found["keys"] == expected:
            return found
        time.sleep(0.2)
    raise AssertionError(_difference(found, expected))


def _difference(found: Any, expected: Any) -> str:
    keys = found["keys"] if found else {}
    if isinstance(keys, str):
        return keys
    names = keys.keys() | expected.keys()
    other = [name for name in names if keys.get(name) != expected.get(name)]
    return ascii([(name, keys.get(name, "")[:50], expected.get(name, "")[:50]) for name in other])


def bytes_of(folder: Path) -> dict[Path, str]:
    return {
        path: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def stored_dump(url: str, place: Path) -> Any:
    """The raw dump as it lies in the database; in a thread, for Playwright's loop is in this."""
    with ThreadPoolExecutor(1) as pool:
        row = pool.submit(asyncio.run, _stored(url)).result()
    return json.loads(unpacked(row["content"], row["size"], open_secret_box((), place)))


async def _stored(url: str) -> Any:
    connection = await asyncpg.connect(url.replace(f"//{OWNER_ROLE}@", "//postgres@"))
    try:
        return await connection.fetchrow(
            "select content, size from migration_dumps order by id desc limit 1"
        )
    finally:
        await connection.close()


def test_what_a_running_and_a_closed_browser_has_is_read_as_its_page_reads_it(
    kind: Kind, tmp_path: Path, private: Path
) -> None:
    folder = tmp_path / "data"
    with pages() as port:
        here, there = f"http://localhost:{port}", f"http://127.0.0.1:{port}"
        with kind.run(folder) as tab:
            tab.visit(there)
            tab.run("localStorage.setItem('only', 'there')")
            tab.visit(here)
            tab.run(ODD)
            # Once: after that, Chromium waits for minutes before it writes again.
            found = settled(kind, folder, here + "/", tab.run(READ))
            assert found["origin"] == here
            # Firefox keeps this name, but does not find it again after a new start.
            tab.run("localStorage.removeItem('key \\udc01')")
            tab.run("localStorage.setItem('at the end', '1')")
            last = tab.run(READ)
        assert dump(kind, folder, here)["keys"] == last
        # Opening again is when logs become tables.
        for number in range(2):
            with kind.run(folder) as tab:
                tab.visit(here)
                assert tab.run(READ) == last
                tab.run(f"localStorage.setItem('later', '{number}'.repeat(200000))")
                tab.run("localStorage.removeItem('emoji \\u{1F600}')")
                last = tab.run(READ)
            assert dump(kind, folder, here)["keys"] == last
        before = bytes_of(folder)
        assert dump(kind, folder, here)["keys"] == last
        assert dump(kind, folder, there)["keys"] == {"only": "there"}
        assert bytes_of(folder) == before
    assert list(private.iterdir()) == []


def test_the_command_migrates_the_profile_of_a_running_browser(
    kind: Kind, tmp_path: Path, private: Path, shell: Shell
) -> None:
    folder = tmp_path / "data"
    shell.environment["TMPDIR"] = str(private)
    with pages() as port, kind.run(folder) as tab:
        origin = f"http://localhost:{port}"
        tab.visit(origin)
        tab.run(ODD)
        expected = tab.run(READ)
        settled(kind, folder, origin, expected)
        source = ["--from", kind.name.value, "--profile", folder]
        listing = shell.document(*source)
        [profile] = listing["profiles"]
        [listed] = profile["origins"]
        assert (listed["origin"], listed["keys"]) == (origin, len(expected))
        assert listed["known"] == ["task-store"]
        assert listed["bytes"] == sum(
            len(text.encode("utf-8", "surrogatepass")) for pair in expected.items() for text in pair
        )
        assert listing["suggestion"].startswith(f"roost migrate --from {kind.name.value} --profile")
        shown = shell.call(*source)
        assert (shown.returncode, origin in shown.stdout) == (0, True)
        assert listing["suggestion"] in shown.stderr
        source += ["--origin", origin, "--continue-on-error"]
        planned = shell.document(*source, "--dry-run")
        assert (planned["state"], planned["kinds"]["task"]) == ("planned", {"create": 1})
        assert stored_dump(shell.environment["DATABASE_URL"], tmp_path)["keys"] == expected
        done = shell.document(*source)
        assert (done["state"], done["origin"]) == ("completed", origin)
        assert (done["unreadable"], done["damage"]) == ([], [])
        assert tab.run(READ) == expected
    assert list(private.iterdir()) == []


def test_an_embedded_sites_storage_is_an_origin_of_its_own(kind: Kind, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with pages() as port, kind.run(folder) as tab:
        outer, inner = f"http://localhost:{port}", f"http://127.0.0.1:{port}"
        tab.visit(f"{inner}/keep")
        tab.visit(f"{outer}/frame?{inner}/keep")
        tab.run("localStorage.setItem('outer', '1')")
        settled(kind, folder, inner, {"kept": "false"})
        settled(kind, folder, outer, {"outer": "1"})
        [profile] = find(kind.name, str(folder))
        found = {each.origin: each.keys for each in reading.read(profile).held}
    partition = {
        Browser.CHROMIUM: f"{inner}/^0http://localhost",
        Browser.FIREFOX: f"{inner}^partitionKey=%28http%2Clocalhost%29",
    }[kind.name]
    assert found.pop(partition) == {"kept": "true"}
    assert found == {inner: {"kept": "false"}, outer: {"outer": "1"}}
