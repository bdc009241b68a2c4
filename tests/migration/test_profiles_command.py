"""`roost migrate` on a browser's profile: what it refuses, and what it says then."""

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.migration.test_command import ROOST, Shell
from tests.migration.test_profiles import older


def call(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOST, "migrate", *map(str, arguments)],
        env=os.environ | {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "give either a FILE, or --from"),
        (["export.json", "--from", "chrome"], "give either a FILE, or --from"),
        (["export.json", "--profile", "x"], "--profile needs --from"),
        (["--from", "netscape"], "netscape"),
    ],
)
def test_a_wrong_call_ends_with_2(arguments: list[str], said: str) -> None:
    done = call(*arguments)
    assert (done.returncode, said in " ".join(done.stderr.split())) == (2, True), done.stderr


def test_a_profile_that_is_not_there_ends_with_1_and_says_where_it_was_looked_for(
    tmp_path: Path,
) -> None:
    done = call("--from", "brave", HOME=str(tmp_path), XDG_CONFIG_HOME="")
    assert done.returncode == 1
    assert f"{tmp_path}/.config/BraveSoftware/Brave-Browser" in done.stderr
    done = call("--from", "brave", "--profile", tmp_path)
    assert (done.returncode, "holds none" in done.stderr) == (1, True)
    (tmp_path / "webappsstore.sqlite").touch()
    done = call("--from", "brave", "--profile", tmp_path)
    assert (done.returncode, "--from firefox" in done.stderr) == (1, True)


def test_an_origin_that_is_not_there_ends_with_1_and_the_ones_that_are(tmp_path: Path) -> None:
    older(tmp_path / "webappsstore.sqlite", ("", "tsohlacol.:http:3000", "task-store", "x"))
    source = ["--from", "firefox", "--profile", tmp_path]
    assert call(*source, "--origin", "\udcff").returncode == 1
    done = call(*source, "--origin", "http://127.0.0.1:3000")
    assert done.returncode == 1
    assert "It has: http://localhost:3000." in done.stderr
    listed = json.loads(call(*source, "--json").stdout)
    assert listed["profiles"][0]["origins"] == [
        {
            "origin": "http://localhost:3000",
            "keys": 1,
            "bytes": 11,
            "known": ["task-store"],
            "unreadable": [],
        }
    ]
    assert listed["suggestion"].endswith("--origin http://localhost:3000 --dry-run")


def test_what_cant_be_read_stops_the_migration_unless_it_may_go_on(
    tmp_path: Path, fresh_roost_database: str
) -> None:
    folder = tmp_path / "profile" / "storage" / "default" / "http+++localhost+3000" / "ls"
    folder.mkdir(parents=True)
    with closing(sqlite3.connect(folder / "data.sqlite")) as database:
        database.execute("CREATE TABLE database(origin TEXT NOT NULL)")
        database.execute(
            "CREATE TABLE data(key TEXT PRIMARY KEY, utf16_length INTEGER, conversion_type INTEGER,"
            " compression_type INTEGER, value BLOB)"
        )
        database.execute("INSERT INTO data VALUES ('theme', 4, 1, 0, 'dark'), ('cut', 9, 1, 0, '')")
        database.commit()
    shell = Shell(fresh_roost_database, tmp_path)
    source = ["--from", "firefox", "--profile", tmp_path / "profile"]
    source += ["--origin", "http://localhost:3000"]
    done = shell.call(*source)
    assert done.returncode == 1
    assert "unreadable: cut: its value: 0 units of UTF-16 where 9 were stored" in done.stderr
    assert "--continue-on-error" in done.stderr
    document = shell.document(*source, "--continue-on-error")
    assert (document["state"], document["counts"]["create"]) == ("completed", 1)
    assert [each["key"] for each in document["unreadable"]] == ["cut"]


def test_with_two_origins_of_known_work_none_is_suggested(tmp_path: Path) -> None:
    names = ("tsohlacol.:http:3000", "tsohlacol.:http:3001")
    older(tmp_path / "webappsstore.sqlite", *(("", each, "task-store", "x") for each in names))
    done = call("--from", "firefox", "--profile", tmp_path)
    assert (done.returncode, "Choose an origin" in done.stderr) == (0, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to become somebody else")
def test_somebody_elses_profile_ends_with_1_and_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "storage").mkdir(mode=0o700)
    code = (
        "import os, sys\n"
        "from roost.migration.profiles import reading\n"
        "from roost.migration.profiles.finding import find\n"
        "from roost.migration.profiles.places import Browser\n"
        "from roost.migration.profiles.storage import ProfileError\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: [reading.read(each) for each in find(Browser.FIREFOX, sys.argv[1])]\n"
        "except ProfileError as error: print(error)"
    )
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    (tmp_path / "webappsstore.sqlite").touch(mode=0o600)
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=False
    )
    assert "cannot be read: Permission denied" in done.stdout, done.stderr


def test_the_readers_are_loaded_by_their_command_alone() -> None:
    code = "import sys, roost.cli.main, roost.cli.migrate; print('chromium_reader' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
