"""Browsers' profiles: found, copied, listed, read exactly or told to be damaged."""

import json
import random
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.migration.octets import utf8
from roost.migration.profiles import reading
from roost.migration.profiles.copies import copy_settled, private_folder
from roost.migration.profiles.finding import find
from roost.migration.profiles.places import Browser, roots
from roost.migration.profiles.storage import Profile, ProfileError, Reading, Storage, export
from roost.migration.sources import read_dump
from tests.migration.test_profile_logs import framed
from tests.support.browsers import CHROMIUM, chromium, pages

needs_chromium = pytest.mark.skipif(not CHROMIUM.exists(), reason="needs Debian's chromium")
ANY = st.text(st.characters(exclude_categories=()), max_size=20)


# What travels


@given(st.dictionaries(ANY, ANY, max_size=8))
def test_an_export_is_read_back_as_it_was(keys: dict[str, str]) -> None:
    # Two surrogates that came one by one are one character.
    keys = {utf8(key).decode("utf-8", "surrogatepass"): raw for key, raw in keys.items()}
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    dump = read_dump(export(Storage("http://localhost:3000", keys), at), now=datetime.now(UTC))
    assert dump.keys == {key: utf8(raw) for key, raw in keys.items()}
    assert (dump.origin, dump.captured_at) == ("http://localhost:3000", at)


# Where profiles lie


@pytest.mark.parametrize(
    ("system", "browser", "place"),
    [
        ("linux", "chrome", "home/.config/google-chrome"),
        ("linux", "chromium", "home/snap/chromium/common/chromium"),
        ("linux", "edge", "home/.var/app/com.microsoft.Edge/config/microsoft-edge"),
        ("linux", "brave", "home/.config/BraveSoftware/Brave-Browser"),
        ("linux", "firefox", "home/.mozilla/firefox"),
        ("linux", "firefox", "home/snap/firefox/common/.mozilla/firefox"),
        ("darwin", "chrome", "home/Library/Application Support/Google/Chrome"),
        ("darwin", "firefox", "home/Library/Application Support/Firefox"),
        ("win32", "edge", "local/Microsoft/Edge/User Data"),
        ("win32", "firefox", "roaming/Mozilla/Firefox"),
    ],
)
def test_each_system_has_its_places(system: str, browser: str, place: str) -> None:
    environment = {"LOCALAPPDATA": "local", "APPDATA": "roaming"}
    found = roots(Browser(browser), system=system, home=Path("home"), environment=environment)
    assert Path(place) in found


def test_the_configuration_folder_may_be_elsewhere() -> None:
    found = roots(
        Browser.CHROME, system="linux", home=Path("home"), environment={"XDG_CONFIG_HOME": "there"}
    )
    assert found[0] == Path("there/google-chrome")


def test_every_profile_of_a_browser_is_found_by_its_name(tmp_path: Path) -> None:
    for name in ("Default", "Profile 1"):
        (tmp_path / name / "Local Storage" / "leveldb").mkdir(parents=True)
    (tmp_path / "Crash Reports").mkdir()
    found = find(Browser.CHROME, None, [tmp_path / "none", tmp_path])
    assert [each.name for each in found] == ["Default", "Profile 1"]
    assert find(Browser.CHROME, "Profile 1", [tmp_path]) == found[1:]
    assert find(Browser.CHROME, str(tmp_path), []) == found
    assert find(Browser.CHROME, str(found[0].folder), []) == found[:1]
    with pytest.raises(ProfileError, match="Found: Default, Profile 1"):
        find(Browser.CHROME, "Profile 2", [tmp_path])


def test_firefoxs_profiles_have_the_names_of_its_list(tmp_path: Path) -> None:
    inside, outside = tmp_path / "root" / "Profiles" / "x.default", tmp_path / "elsewhere"
    for folder in (inside, outside):
        (folder / "storage" / "default").mkdir(parents=True)
    (tmp_path / "root" / "profiles.ini").write_text(
        "\ufeff[Install1]\nDefault=Profiles/x.default\n"
        "[Profile0]\nName=work %s\nIsRelative=1\nPath=Profiles/x.default\n"
        f"[Profile1]\nName=home\nIsRelative=0\nPath={outside}\n"
        "[Profile2]\nName=gone\nIsRelative=1\nPath=Profiles/gone\n",
        encoding="utf-8",
    )
    found = find(Browser.FIREFOX, None, [tmp_path / "root"])
    assert [(each.name, each.folder) for each in found] == [("work %s", inside), ("home", outside)]


# Copies


def test_a_copy_is_private_and_gone_afterwards_also_after_a_failure() -> None:
    made: list[Path] = []

    def fail() -> None:
        with private_folder() as folder:
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700
            (folder / "sub").mkdir()
            (folder / "sub" / "file").write_text("secret")
            made.append(folder)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not made[0].exists()


def test_a_copy_is_gone_when_the_command_is_ended() -> None:
    code = (
        "import time; from roost.migration.profiles.copies import private_folder\n"
        "with private_folder() as folder: print(folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        folder = Path(process.stdout.readline().decode().strip())
        assert folder.is_dir()
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 128 + signal.SIGTERM
    assert not folder.exists()


def test_files_that_change_meanwhile_are_copied_again_as_of_one_moment(tmp_path: Path) -> None:
    source, looks = tmp_path / "source", 0
    source.mkdir()

    def look() -> Iterator[Path]:
        nonlocal looks
        looks += 1
        if looks <= 4:
            for name in ("a", "b"):
                (source / name).write_text(f"{looks}" * looks)
        return source.iterdir()

    copy_settled(look, source, tmp_path / "copy")
    assert {each.name: each.read_text() for each in (tmp_path / "copy").iterdir()} == {
        "a": "4444",
        "b": "4444",
    }


def test_files_that_never_stand_still_are_told(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()

    def look() -> Iterator[Path]:
        with (source / "log").open("a") as log:
            log.write("x")
        return source.iterdir()

    with pytest.raises(ProfileError, match="Close the browser"):
        copy_settled(look, source, tmp_path / "copy")


# LevelDB's logs


# Chromium's profiles, damaged


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A profile that real Chromium wrote, with tables and a log."""
    folder = tmp_path_factory.mktemp("small")
    with pages() as port:
        for number in range(3):
            with chromium(folder) as tab:
                tab.visit(f"http://localhost:{port}")
                tab.run(
                    f"localStorage.setItem('same', '{number}');"
                    f"localStorage.setItem('large', '{number}'.repeat(120000));"
                    f"localStorage.setItem('own {number}', '\\u{{1F600}}'.repeat(60));"
                    f"localStorage.setItem('pass {number}', 'x');"
                    f"localStorage.removeItem('pass {number - 1}')"
                )
    return folder / "Default"


@pytest.fixture
def copied(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(small / "Local Storage", tmp_path / "p" / "Local Storage")).parent


def batch(number: int, key: bytes, value: bytes) -> bytes:
    """A write of one key, as LevelDB logs it."""
    counted = number.to_bytes(8, "little") + (1).to_bytes(4, "little")
    return counted + b"\1" + bytes([len(key)]) + key + bytes([len(value)]) + value


def read(folder: Path) -> Reading:
    return reading.read(Profile(Browser.CHROMIUM, "p", folder))


SMALL = {
    "same": "2",
    "large": "2" * 120_000,
    **{f"own {number}": "\U0001f600" * 60 for number in range(3)},
    "pass 2": "x",
}


@needs_chromium
def test_what_was_deleted_stays_deleted_beside_files_of_earlier_states(copied: Path) -> None:
    store = copied / "Local Storage" / "leveldb"
    [storage] = read(copied).held
    assert storage.keys == SMALL
    # Older than the manifest's log: Chromium deletes such files when it comes to it.
    key = b"_" + storage.origin.encode() + b"\0\1pass 0"
    (store / "000002.log").write_bytes(framed(batch(2**40, key, b"\1x")))
    assert read(copied).held == [storage]


@needs_chromium
def test_no_flipped_bit_changes_what_is_read_unnoticed(copied: Path) -> None:
    store = copied / "Local Storage" / "leveldb"
    rolls = random.Random(4)
    told = 0
    for path in sorted(store.iterdir()):
        if path.name in {"LOCK", "LOG", "LOG.old"}:
            continue
        whole = path.read_bytes()
        for _ in range(30):
            broken = bytearray(whole)
            broken[rolls.randrange(len(broken))] ^= 1 << rolls.randrange(8)
            path.write_bytes(broken)
            try:
                found = read(copied)
            except ProfileError:
                told += 1
                continue
            if found.damage or found.notes:
                told += 1
            else:
                assert [each.keys for each in found.held] == [SMALL], path.name
        path.write_bytes(whole)
    assert told > 50


@needs_chromium
def test_a_lost_table_a_lost_manifest_and_another_version_are_told(copied: Path) -> None:
    store = copied / "Local Storage" / "leveldb"
    table = next(store.glob("*.ldb"))
    content = table.read_bytes()
    table.unlink()
    assert read(copied).damage == [f"{table.name} is missing"]
    table.write_bytes(content[:20])
    assert read(copied).damage[0].startswith(f"{table.name} is damaged")
    table.write_bytes(content)
    key = b"_http://h\0\1odd"
    newer = [(b"VERSION", b"2"), (key, b"\0abc"), (key + b"2", b"\7"), (b"_http://h\0\3", b"\1")]
    log = store / "900000.log"
    for number, (name, value) in enumerate(newer):
        log.write_bytes(framed(batch(2**40 + number, name, value)))
        if number == 0:
            with pytest.raises(ProfileError, match="unknown format"):
                read(copied)
            continue
        [storage] = [each for each in read(copied).held if each.origin == "http://h"]
        assert (len(storage.keys), len(storage.unreadable)) == (0, 1)
    (store / "CURRENT").unlink()
    with pytest.raises(ProfileError, match="no manifest"):
        read(copied)


# Firefox, older


def older(file: Path, *rows: tuple[str, str, str, str]) -> None:
    """A file as Firefox had one before version 68."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as database:
        database.execute(
            "CREATE TABLE webappsstore2 (originAttributes TEXT, originKey TEXT, scope TEXT,"
            " key TEXT, value TEXT)"
        )
        database.executemany("INSERT INTO webappsstore2 VALUES (?, ?, '', ?, ?)", rows)
        database.commit()


def test_older_firefoxs_storage_is_read_and_its_archive_goes_before_it(tmp_path: Path) -> None:
    name = "tsohlacol.:http:3000"
    older(
        tmp_path / "webappsstore.sqlite",
        ("", name, "a", "\U0001f600\0"),
        ("^userContextId=1", name, "a", "contained"),
        ("", "moc.elpmaxe.:https:443", "", ""),
        ("", "]1::[.:http:8080", "six", "6"),
    )
    profile = Profile(Browser.FIREFOX, "p", tmp_path)
    found = {each.origin: each.keys for each in reading.read(profile).held}
    assert found == {
        "http://localhost:3000": {"a": "\U0001f600\0"},
        "http://localhost:3000^userContextId=1": {"a": "contained"},
        "https://example.com": {"": ""},
        "http://[::1]:8080": {"six": "6"},
    }
    older(tmp_path / "storage" / "ls-archive.sqlite", ("", name, "b", "archived"))
    taken = reading.take([profile], "http://localhost:3000")
    assert json.loads(taken.raw)["keys"] == {"b": "archived"}


def test_what_does_not_fit_its_description_in_firefoxs_storage_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "storage" / "default" / "http+++localhost+3000^userContextId=2" / "ls"
    folder.mkdir(parents=True)
    rows = [
        ("good", 2, 0, 0, b"a\0\0\xd8"),
        ("short", 3, 1, 0, b"ab"),
        ("kind", 2, 9, 0, b"ab"),
        ("cut", 4, 1, 1, b"\x04\x0cab"),
        ("bytes", 1, 1, 0, b"\xff"),
        ("half", 1, 0, 0, b"abc"),
    ]
    with closing(sqlite3.connect(folder / "data.sqlite")) as database:
        database.execute("CREATE TABLE database(origin TEXT NOT NULL)")
        database.execute("INSERT INTO database VALUES ('http://localhost:3000')")
        database.execute(
            "CREATE TABLE data(key TEXT PRIMARY KEY, utf16_length INTEGER, conversion_type INTEGER,"
            " compression_type INTEGER, last_access_time INTEGER DEFAULT 0, value BLOB)"
        )
        insert = (
            "INSERT INTO data(key, utf16_length, conversion_type, compression_type, value)"
            " VALUES (?, ?, ?, ?, ?)"
        )
        database.executemany(insert, rows)
        database.commit()
    profile = Profile(Browser.FIREFOX, "p", tmp_path)
    [storage] = reading.read(profile).held
    assert storage.origin == "http://localhost:3000^userContextId=2"
    assert storage.keys == {"good": "a\ud800"}
    assert [each.key for each in storage.unreadable] == [name for name, *_ in rows[1:]]
    (folder / "data.sqlite").write_bytes(b"SQLite format 3\0" + bytes(200))
    [storage] = reading.read(profile).held
    assert (storage.keys, len(storage.unreadable)) == ({}, 1)


# At the command line
