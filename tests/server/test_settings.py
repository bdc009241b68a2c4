"""Settings: what can't be used is refused by name, and what nothing reads is pointed at."""

import json
import re
from pathlib import Path

import pytest

import roost
from roost.cli.unread import unread_variables
from roost.settings import Settings, SettingsError
from tests.support.server import run, serving

SOURCE = Path(roost.__file__).parent


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://r.example", "https://r.example"),
        ("https://r.example/", "https://r.example"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8787"),
        ("HTTPS://[::1]:8443", "HTTPS://[::1]:8443"),
        ("", None),
    ],
)
def test_the_public_address_is_an_origin(value: str, address: str | None) -> None:
    assert Settings.from_environment({"ROOST_PUBLIC_URL": value}).public_url == address


@pytest.mark.parametrize(
    "value",
    [
        "r.example",
        "ftp://r.example",
        "https://",
        "http://x y",
        "https://r.example/sub",
        "https://r.example//",
        "https://r.example?a=b",
        "https://r.example#a",
        "https://ann:hidden@r.example",
        "https://r.example:http",
        "https://r.example:70000",
        "https://r.example\n",
    ],
)
def test_anything_else_is_refused_with_what_is_expected(value: str) -> None:
    with pytest.raises(SettingsError, match="ROOST_PUBLIC_URL") as refused:
        Settings.from_environment({"ROOST_PUBLIC_URL": value})
    assert "hidden" not in str(refused.value)


def unread(**environment: str) -> dict[str, str]:
    return unread_variables(environment, Settings.from_environment(environment))


def test_misspelt_variables_are_found_with_what_was_meant() -> None:
    found = unread(ROOST_GITHUB_CLIENTID="x", ROOST_PUBLIC_ULR="y", ROOST_TEAPOT="z", OTHER="o")
    assert list(found) == ["ROOST_GITHUB_CLIENTID", "ROOST_PUBLIC_ULR", "ROOST_TEAPOT"]
    assert "ROOST_GITHUB_CLIENT_ID?" in found["ROOST_GITHUB_CLIENTID"]
    assert "ROOST_PUBLIC_URL?" in found["ROOST_PUBLIC_ULR"]
    assert "Did you mean" not in found["ROOST_TEAPOT"]


def test_what_is_read_or_empty_is_not_pointed_at() -> None:
    own = {f"ROOST_MY_OWN_{end}": "i" for end in ("CLIENT_ID", "NAME", "SCOPES")}
    own["ROOST_MY_OWN_ISSUER"] = "https://login.example"
    assert unread(**own, ROOST_TEAPOT="", ROOST_LOG_LEVEL="debug") == {}


def test_every_variable_that_the_source_names_is_known() -> None:
    text = "".join(path.read_text("utf-8") for path in SOURCE.rglob("*.py"))
    names = set(re.findall(r'"(ROOST_[A-Z_]*[A-Z])"', text))
    assert "ROOST_HANDOVER" in names
    nothing = Settings.from_environment({})
    assert unread_variables(dict.fromkeys(names, "x"), nothing) == {}


def test_serve_and_doctor_point_at_it(owner_url: str) -> None:
    environment = {"ROOST_GITHUB_CLIENTID": "very-hidden"}
    done = run("doctor", "--json", "--database-url", owner_url, extra=environment)
    (finding,) = [
        check for check in json.loads(done.stdout)["checks"] if check["name"] == "environment"
    ]
    assert finding["status"] == "warning"
    assert "ROOST_GITHUB_CLIENTID" in finding["detail"]
    with serving("--database-url", owner_url, extra=environment) as server:
        assert "nothing reads ROOST_GITHUB_CLIENTID" in server.logged
        assert "very-hidden" not in done.stdout + server.logged
