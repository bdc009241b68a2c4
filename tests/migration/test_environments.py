"""Stored environments, as drafts."""

import json
from typing import Any

import pytest

from tests.migration.parsing import codes, environments, parsed

ID = "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6b"
BASE: dict[str, Any] = {
    "id": ID,
    "name": "Site",
    "description": "d",
    "githubOrganization": "acme",
    "githubToken": "",
    "githubRepository": "acme/site",
    "createdAt": "2025-06-09T08:00:00.000Z",
    "updatedAt": "2025-06-10T08:00:00.000Z",
}
FAKE = "not-a-real-value"


def test_the_base_apps_environment_maps() -> None:
    draft = environments(BASE)[0]
    assert (draft.id, draft.name, draft.description) == (ID, "Site", "d")
    assert (draft.repository, draft.is_active, draft.secrets) == ("acme/site", False, {})
    assert draft.config == {"githubOrganization": "acme"}


def test_the_token_is_a_secret_and_nowhere_else() -> None:
    draft = environments({**BASE, "githubToken": FAKE})[0]
    assert draft.secrets == {"GITHUB_TOKEN": FAKE}
    assert FAKE not in str(draft.config)
    assert FAKE not in repr(draft)


def test_every_variable_is_a_secret() -> None:
    sandbox = {"template": "node", "environment": {"KEY": FAKE, "PORT": 3000}, "apiKey": FAKE + "2"}
    draft = environments({**BASE, "sandboxConfig": sandbox})[0]
    assert draft.secrets == {"KEY": FAKE, "PORT": "3000", "apiKey": FAKE + "2"}
    assert draft.config["sandboxConfig"] == {"template": "node"}


def test_secrets_of_one_name_do_not_overwrite_each_other() -> None:
    draft = environments({**BASE, "a": {"token": "one"}, "b": {"token": "two"}, "c": ["x", None]})[
        0
    ]
    assert draft.secrets == {"token": "one", "token_2": "two"}
    assert draft.config["c"] == ["x", None]


def test_equal_names_are_kept_and_reported() -> None:
    raw = json.dumps([BASE, {**BASE, "id": "2"}])
    items = parsed({"environments": raw}).items
    assert [getattr(item.draft, "name", None) for item in items] == ["Site", "Site"]
    assert "DUPLICATE_NAME" not in codes(items[0])
    assert "DUPLICATE_NAME" in codes(items[1])


@pytest.mark.parametrize(
    ("marks", "active"),
    [
        ([{}, {}], []),
        ([{"isDefault": True}, {}], []),
        ([{"isActive": True}, {}], [0]),
        ([{"isActive": {"a": 1}}, {}], []),
        ([{"isActive": True}, {"isActive": True, "isDefault": True}], [1]),
        (
            [
                {"isActive": True, "lastUsedAt": "2025-07-02T00:00:00Z"},
                {"isActive": True, "lastUsedAt": "2025-07-01T00:00:00Z"},
            ],
            [0],
        ),
        ([{"isActive": True}, {"isActive": True, "updatedAt": "2025-09-01T00:00:00Z"}], [1]),
    ],
)
def test_at_most_one_is_active(marks: list[dict[str, Any]], active: list[int]) -> None:
    drafts = environments(*({**BASE, "id": str(n), **mark} for n, mark in enumerate(marks)))
    assert [n for n, draft in enumerate(drafts) if draft.is_active] == active


def test_at_most_one_is_active_across_keys() -> None:
    raw = {
        key: json.dumps([{**BASE, "id": key, "isActive": True}]) for key in ("environments", "envs")
    }
    drafts = [item.draft for item in parsed(raw).items]
    assert sum(getattr(draft, "is_active", False) for draft in drafts) == 1


@pytest.mark.parametrize("name", [None, "", 5])
def test_without_a_name_the_repository_names_it(name: Any) -> None:
    assert environments({**BASE, "name": name})[0].name == "acme/site"
    assert environments({"id": ID, "name": name})[0].name == "Environment"


def test_a_long_name_is_cut_and_kept_in_full() -> None:
    draft = environments({**BASE, "name": "n" * 300})[0]
    assert len(draft.name) == 255
    assert draft.config["legacyName"] == "n" * 300
