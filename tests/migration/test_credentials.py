"""Credentials in data of any shape are sealed and named; what only resembles them is not."""

import json
from typing import Any

import pytest

from roost.migration.credentials import credentials_in, is_secret_field
from roost.migration.drafts import DocumentDraft, PreferenceDraft, SecretDraft
from roost.migration.model import Item
from tests.migration.bench import Bench
from tests.migration.parsing import codes, environments, parsed
from tests.migration.test_environments import BASE

CHANCE = "a1b2" * 6
GITHUB = "ghp_" + "a1" * 9
SIGNED = "eyJ" + "a" * 12 + "." + "b" * 12 + "." + "c" * 5
ADDRESS = "postgres://u:" + "pw" + "@db.example.test/x"
PLAIN = "hunter" + "-two"

SECRET_FIELDS = [
    *("token", "accessToken", "access_token", "GITHUB_TOKEN", "x-auth-token", "id_token"),
    *("password", "DB_PASS", "DB_PASSWORD", "userPwd", "passphrase", "PGPASSWORD", "githubPat"),
    *("secret", "clientSecret", "secretKey", "AWS_SECRET_ACCESS_KEY", "apiKey", "API-KEY"),
    *("openaiApiKey", "privateKey", "signing_key", "encryptionKey", "authorization", "Cookie"),
]
OTHER_FIELDS = [
    *("apiKeyId", "accessKeyId", "primaryKey", "publicKey", "foreignKey", "sortKey", "key", "keys"),
    *("tokenType", "token_endpoint", "nextPageToken", "maxTokens", "tokenCount", "passed"),
    *("passwordPlaceholder", "secretary", "keyboard", "monkey", "author", "compass", "bypass", ""),
    *("cookiesEnabled", "credentialsUrl", "cacheKey", "shortcutKey", "hasPassword2"),
]


@pytest.mark.parametrize("name", SECRET_FIELDS)
def test_a_field_called_like_a_credential_is_one(name: str) -> None:
    assert is_secret_field(name)


@pytest.mark.parametrize("name", OTHER_FIELDS)
def test_a_field_that_only_resembles_one_is_none(name: str) -> None:
    assert not is_secret_field(name)
    assert not [*credentials_in(name, "a few plain words")]


HOLDING: list[tuple[str, Any, str]] = [
    ("auth-storage", {"state": {"token": GITHUB}, "version": 0}, "state.token"),
    ("sb-auth", {"currentSession": {"access_token": SIGNED}}, "currentSession.access_token"),
    ("persist:root", {"user": json.dumps({"session": {"jwt": "x1"}})}, "user.session.jwt"),
    ("settings", {"providers": [{"name": "a", "apiKey": PLAIN}]}, "providers.0.apiKey"),
    ("settings", {"headers": {"Authorization": "Basic dTpw"}}, "headers.Authorization"),
    ("settings", {"headers": [{"name": "X-Api-Key", "value": PLAIN}]}, "headers.0.value"),
    ("settings", {"endpoint": ADDRESS}, "endpoint"),
    ("settings", {"any": GITHUB}, "any"),
    ("settings", {"header": f"Bearer {CHANCE}"}, "header"),
    ("settings", {"stripeKey": CHANCE}, "stripeKey"),
    ("settings", {"tokens": {"github": CHANCE}}, "tokens.github"),
    ("settings", {"tokens": [CHANCE]}, "tokens.0"),
    ("settings", {"db": "Server=db;User Id=me;Password=" + PLAIN + ";"}, "db"),
    ("settings", {"pem": "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"}, "pem"),
    ("form-draft-1", {"values": {"password": PLAIN}}, "values.password"),
    ("autosave-login", {"pwd": PLAIN}, "pwd"),
]


@pytest.mark.parametrize(("key", "value", "place"), HOLDING)
def test_a_document_with_a_credential_is_sealed_and_the_credential_named(
    key: str, value: Any, place: str
) -> None:
    raw = json.dumps(value)
    for written in (raw, json.dumps(raw)):
        [item] = parsed({key: written}).items
        assert isinstance(item.draft, SecretDraft)
        assert item.draft.value == written
        assert detail(item) == f"rotate these: {place}; kept in encrypted storage"


def test_a_credential_in_a_field_of_an_odd_name_is_named_storably() -> None:
    [item] = parsed({"mine": json.dumps({"a\x00\ud800": {"token": PLAIN}})}).items
    assert detail(item) == "rotate these: a\ufffd\ufffd.token; kept in encrypted storage"


@pytest.mark.parametrize("key", ["auth-token", "CognitoIdentityServiceProvider.1a.me.accessToken"])
@pytest.mark.parametrize("raw", [PLAIN, json.dumps(PLAIN), "12345678"])
def test_a_value_under_a_key_that_is_called_like_a_credential_is_sealed(key: str, raw: str) -> None:
    [item] = parsed({key: raw}).items
    assert isinstance(item.draft, SecretDraft)
    assert detail(item) == "rotate it; kept in encrypted storage"


@pytest.mark.parametrize("raw", [f'{{"a":{{"token":"{PLAIN}', f'[{{"password":"{PLAIN}"}}, {{]'])
@pytest.mark.parametrize("key", ["mine", "task-store", "user-storage"])
def test_a_credential_in_broken_json_is_named(key: str, raw: str) -> None:
    items = parsed({key: raw}).items
    assert any("rotate these: " in str(detail(item)) for item in items)
    assert not any(isinstance(item.draft, DocumentDraft) for item in items)


@pytest.mark.parametrize(
    "value",
    [
        {"labels": {"password": "Password", "forgotPassword": "Forgot password?"}},
        {"auth": {"token": None, "password": "", "apiKey": " "}},
        {"columns": [{"sortKey": "title", "primaryKey": "id", "key": "abc"}]},
        {"usage": {"maxTokens": 4096, "tokens": 12, "nextPageToken": "abc"}},
        {"designTokens": {"primary": "#a1b2c3", "radius": "12px"}},
        {"query": {"queryKey": ["tasks", "3f2b8c1e-9d7a-4e6f-8b5c-1a2d3e4f5a6b"]}},
        {"showPassword": "true", "token": "none", "tokenType": "bearer"},
        {"url": "https://example.test/@scope/name:1", "at": "http://localhost:3000/x"},
        {"text": "the password is in the vault, the token too"},
    ],
)
def test_data_without_a_credential_stays_in_the_open(value: Any) -> None:
    raw = json.dumps(value)
    [item] = parsed({"settings": raw}).items
    assert isinstance(item.draft, DocumentDraft)
    assert (item.draft.raw, codes(item)) == (raw, set())
    [item] = parsed({"user-storage": raw}).items
    assert isinstance(item.draft, PreferenceDraft)


def test_words_around_a_credential_are_kept_and_it_is_named() -> None:
    raw = json.dumps({"note": f"I used {GITHUB} for the push"})
    for key, kind in (("notes", DocumentDraft), ("font-settings", PreferenceDraft)):
        [item] = parsed({key: raw}).items
        assert isinstance(item.draft, kind)
        assert "ghp[redacted]: rotate it" in str(detail(item))


def test_what_lies_beside_a_list_is_sealed_too() -> None:
    raw = {"state": {"environments": [], "githubToken": PLAIN, "view": "list"}}
    items = parsed({"environments": json.dumps(raw)}).items
    assert [type(item.draft) for item in items] == [SecretDraft, DocumentDraft]


def test_a_copy_with_a_token_is_sealed() -> None:
    [item] = parsed({"environments-backup": json.dumps([{**BASE, "githubToken": PLAIN}])}).items
    assert isinstance(item.draft, SecretDraft)
    assert codes(item) == {"BACKUP_HOLDS_MORE", "SECRET_ENCRYPTED"}


def test_members_of_one_id_are_sealed_apart() -> None:
    sessions = [{"id": "1", "token": PLAIN}, {"id": "1", "token": PLAIN + "2"}, {"id": "2"}]
    items = parsed({"sessions-store": json.dumps({"sessions": sessions})}).items
    drafts = [item.draft for item in items]
    assert [type(draft) for draft in drafts] == [SecretDraft, SecretDraft, DocumentDraft]
    assert len({draft.name for draft in drafts if isinstance(draft, SecretDraft)}) == 2
    assert len({item.target_id for item in items}) == 3


def test_a_tasks_field_that_is_called_like_a_credential_is_named() -> None:
    [item] = parsed({"task-store": json.dumps([{"id": "1", "title": "t", "apiKey": PLAIN}])}).items
    assert [each.field for each in item.warnings if each.code == "SECRET_IN_TEXT"] == ["apiKey"]


ENVIRONMENTS: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"headers": {"Authorization": f"Bearer {CHANCE}"}}, {"Authorization": f"Bearer {CHANCE}"}),
    ({"variables": {"DB_PASS": PLAIN, "N": 1}}, {"DB_PASS": PLAIN, "N": "1"}),
    ({"sandboxConfig": {"env": [{"name": "A", "value": PLAIN}]}}, {"A": PLAIN}),
    ({"sandboxConfig": {"env": [{"key": "A", "value": PLAIN}]}}, {"A": PLAIN}),
    ({"env": [f"A={PLAIN}", "B=1=2"]}, {"A": PLAIN, "B": "1=2"}),
    ({"env": [{"odd": PLAIN}]}, {"env_0": f'{{"odd":"{PLAIN}"}}'}),
    ({"env": f"A={PLAIN}\nB=1"}, {"env": f"A={PLAIN}\nB=1"}),
    ({"secretKey": PLAIN}, {"secretKey": PLAIN}),
    ({"databaseUrl": ADDRESS}, {"databaseUrl": ADDRESS}),
    ({"setup": f"export X={GITHUB}"}, {"setup": f"export X={GITHUB}"}),
    ({"headers": [{"name": "X-Api-Key", "value": PLAIN}]}, {"X-Api-Key": PLAIN}),
    ({"name": {"token": PLAIN}}, {"token": PLAIN}),
    (
        {"githubRepository": "https://me:" + PLAIN + "@example.test/a/b"},
        {"GITHUB_REPOSITORY": "https://me:" + PLAIN + "@example.test/a/b"},
    ),
]


@pytest.mark.parametrize(("fields", "secrets"), ENVIRONMENTS)
def test_an_environments_credentials_are_secrets_and_nowhere_else(
    fields: dict[str, Any], secrets: dict[str, str]
) -> None:
    [draft] = environments({**BASE, **fields})
    assert draft.secrets == secrets
    shown = f"{draft.config} {draft.repository} {draft.name}"
    assert not any(hidden in shown for hidden in (PLAIN, CHANCE, GITHUB, ADDRESS))
    [item] = parsed({"environments": json.dumps([{**BASE, **fields}])}).items
    said = next(each.detail for each in item.warnings if each.code == "SECRETS_ENCRYPTED")
    assert said == f"rotate these: {', '.join(sorted(secrets))}; kept in encrypted storage"


@pytest.mark.parametrize(
    "fields",
    [
        {"apiKeyId": "k1", "primaryKey": "id", "publicKey": "ssh-ed25519 AAAA me"},
        {"environment": "production", "env": "test"},
        {"sandboxConfig": {"template": "node", "desktopConfig": {"keyboardControl": True}}},
        {"sharingStrategy": "throwaway", "homepage": "https://example.test:8080/@me"},
        {"pairs": [{"name": "size", "value": "large"}]},
    ],
)
def test_an_environments_other_settings_stay_in_the_open(fields: dict[str, Any]) -> None:
    [draft] = environments({**BASE, **fields})
    assert draft.secrets == {}
    assert {**draft.config, **fields} == draft.config


async def test_credentials_are_never_shown_and_a_second_run_changes_nothing(bench: Bench) -> None:
    person = await bench.person()
    keys = {key: json.dumps(value) for key, value, _ in HOLDING}
    keys["user-storage"] = json.dumps({"state": {"hasCompletedOnboarding": True, "token": PLAIN}})
    keys["electric_offline_queue"] = json.dumps([{"id": BASE["id"], "data": {"token": PLAIN}}])
    keys["environments"] = json.dumps(
        [{**BASE, "id": str(n), **fields} for n, (fields, _) in enumerate(ENVIRONMENTS)]
    )
    migration = await person.migrate(keys)
    assert migration["state"] == "completed", migration["error"]
    before = await bench.rows(person)
    shown = [
        *before["documents"],
        *before["environments"],
        *before["users"],
        json.dumps(await person.items(migration)),
        json.dumps(await person.get("/environments", limit=100)),
    ]
    for hidden in (PLAIN, CHANCE, GITHUB, SIGNED, ADDRESS):
        assert not any(hidden in each for each in shown)
    again = await person.migrate(keys)
    assert again["counts"]["same"] == again["counts"]["found"] == migration["counts"]["create"]
    assert await bench.rows(person) == before


def detail(item: Item) -> str | None:
    """What is said of the credentials in an item."""
    return next((each.detail for each in item.warnings if each.code.startswith("SECRET")), None)
