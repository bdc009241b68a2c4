"""The command line's manners: help, exit statuses, and mistakes told in words."""

import json
import os
import socket
import sys
from pathlib import Path

import asyncpg
import pytest

from docs import generate
from roost.cli import main
from tests.support.server import environment, run

BAD_KEYS = {"ROOST_SECRET_KEYS": "not a key"}
COMMANDS = [
    [],
    ["serve"],
    ["migrate"],
    ["login-link"],
    ["doctor"],
    ["bench"],
    ["user"],
    ["user", "create"],
    ["user", "erase"],
    ["token"],
    ["token", "create"],
    ["db"],
    ["db", "upgrade"],
    ["db", "check"],
    ["sync"],
    ["sync", "serve"],
    ["sync", "sql"],
]


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the command line in this process; gives its exit status."""
    monkeypatch.setattr(sys, "argv", ["roost", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)


def test_every_command_is_known_here() -> None:
    known = {" ".join(command) for command in COMMANDS}
    assert {name.removeprefix("roost ") for name, _ in generate.commands()} <= known


def test_a_mistyped_command_is_told_what_was_meant(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(monkeypatch, "sevre") == 2
    assert "'serve'" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert call(monkeypatch, *command, "--help") == 0
    out, err = capsys.readouterr()
    assert "Usage" in out
    assert not err


@pytest.mark.parametrize(
    "wrong",
    [
        ["nonsense"],
        ["--nonsense"],
        ["serve", "--port", "http"],
        ["serve", "--port", "70000"],
        ["serve", "--workers", "0"],
        ["user", "create"],
        ["user", "create", "nobody"],
        ["user", "erase"],
        ["token", "create"],
        ["db", "nonsense"],
        ["bench", "--suite", "nonsense"],
        ["bench", "--repetitions", "2"],
        ["bench", "--max-seconds", "601"],
        ["sync", "nonsense"],
        ["sync", "serve", "--chunk-bytes", "0"],
    ],
    ids=" ".join,
)
def test_a_wrong_call_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wrong: list[str]
) -> None:
    assert call(monkeypatch, *wrong) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err


def failure(*arguments: str | Path, **variables: str) -> str:
    """Run a command that must fail; gives what it says."""
    done = run(*arguments, extra=variables)
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("roost: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def test_a_database_that_is_away_is_told_in_a_line() -> None:
    said = failure("serve", "--port", "0", "--database-url", "postgresql://u@127.0.0.1:1/db")
    assert "cannot be reached" in said


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DB_MAX_CONNECTIONS", "many"),
        ("DATABASE_URL", "postgresql://["),
        ("ROOST_ENV", "prod"),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
    ],
)
def test_a_bad_setting_is_named_before_anything_is_started(name: str, value: str) -> None:
    assert name in failure("serve", "--port", "0", **{name: value})


def test_bad_secret_keys_are_told_before_the_server_listens(owner_url: str, data_dir: Path) -> None:
    options = ("serve", "--port", "0", "--database-url", owner_url, "--data-dir", data_dir)
    said = failure(*options, **BAD_KEYS)
    assert "key" in said


def test_production_refuses_a_database_without_tls() -> None:
    url = "postgresql://u@db.example.test/db?sslmode=disable"
    said = failure("serve", "--port", "0", ROOST_ENV="production", DATABASE_URL=url)
    assert "sslmode=verify-full" in said


async def test_a_newer_schema_is_refused_by_every_command(owner_url: str, data_dir: Path) -> None:
    connection = await asyncpg.connect(owner_url)
    await connection.execute("update alembic_version set version_num = '9999'")
    await connection.close()
    for command in (["serve", "--port", "0"], ["db", "check"], ["db", "upgrade"]):
        said = failure(*command, "--database-url", owner_url, "--data-dir", data_dir)
        assert "9999" in said
        assert "install the newer Roost" in said
    done = run("doctor", "--json", "--database-url", owner_url, "--data-dir", data_dir)
    assert done.returncode == 1
    checks = {check["name"]: check for check in json.loads(done.stdout)["checks"]}
    assert checks["schema"]["status"] == "failed"
    assert "9999" in checks["schema"]["detail"]


def test_the_schema_of_an_empty_database_is_told_and_changed_by_upgrade_alone(
    scratch_database: str, template: str, data_dir: Path
) -> None:
    del template
    options = ("--json", "--database-url", scratch_database, "--data-dir", data_dir)
    before = run("db", "check", *options)
    assert before.returncode == 1
    assert json.loads(before.stdout) == {
        "revision": None,
        "newest": json.loads(before.stdout)["newest"],
        "upToDate": False,
    }
    assert "roost db upgrade" in before.stderr
    done = run("db", "upgrade", *options)
    assert done.returncode == 0, done.stderr
    after = run("db", "check", *options)
    assert after.returncode == 0, after.stderr
    found = json.loads(after.stdout)
    assert found["upToDate"]
    assert json.loads(done.stdout) == {"revision": found["newest"]}


def test_a_port_that_is_taken_is_told_in_a_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = failure("serve", "--port", str(port))
    assert str(port) in said
    assert "--port" in said
