"""Secrets planted anywhere in what is logged do not come out."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roost.telemetry.redaction import REDACTED, is_secret_key, redact, redact_text

_CORE = st.text("ABCDEFGHJKLMNPQRSTUVWXYZ23456789", min_size=32, max_size=40)
_TEXT = st.text(st.characters(codec="utf-8"), max_size=30)

# Put together here so that no line of this file looks like a real secret.
_SHAPES = (
    "roost" + "_{}",
    "gh" + "p_{}",
    "github" + "_pat_{}",
    "s" + "k-{}",
    "s" + "k-ant-api03-{}",
    "xox" + "b-{}",
    "npg" + "_{}",
    "ey" + "J0eXAi{}.eyJzdWIi.x",
    "Bearer {}",
    "Authorization: Basic {}",
    "postgresql://user:{}@host/db",
    "postgres://user:p@ss/{}@host:5432/db?sslmode=require",
    "redis://:{}@host",
    "password={}",
    "PGPASSWORD='{}'",
    '"client_secret": "{}"',
    "access_token={}&x=1",
    "?token={}",
    "api-key: {}",
    "Cookie: session={}",
    "-----BEGIN " + "PRIVATE KEY-----\n{}\n-----END " + "PRIVATE KEY-----",
)
_KEYS = (
    "authorization",
    "Cookie",
    "set-cookie",
    "access_token",
    "sessionToken",
    "PASSWORD",
    "client_secret",
    "body",
    "requestBody",
    "api_key",
    "apiKey",
    "dsn",
    "credentials",
)


@given(_CORE, st.sampled_from(_SHAPES), _TEXT, _TEXT)
def test_a_secret_of_known_shape_never_survives(
    core: str, shape: str, before: str, after: str
) -> None:
    text = f"{before} {shape.format(core)} {after}"
    assert core not in redact_text(text)


_PLAIN = st.recursive(
    st.none() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(_CORE, st.sampled_from(_KEYS), _PLAIN)
def test_what_a_sensitive_key_holds_never_survives(core: str, key: str, noise: object) -> None:
    planted = {"noise": noise, "deep": [{"deeper": {key: [core, noise]}}], key: core}
    written = json.dumps(redact(planted), allow_nan=False)
    assert core not in written
    assert REDACTED in written


@given(st.recursive(_PLAIN | st.binary(), lambda inner: st.tuples(inner, inner), max_leaves=5))
def test_anything_becomes_strict_json(value: object) -> None:
    json.dumps(redact(value), allow_nan=False)


@pytest.mark.parametrize("key", _KEYS)
def test_sensitive_keys_are_known_in_every_spelling(key: str) -> None:
    assert is_secret_key(key)


@pytest.mark.parametrize(
    "key", ["tokens_in", "tokensOut", "event", "keyboard", "author", "everybody", "task_id"]
)
def test_ordinary_keys_are_left(key: str) -> None:
    assert not is_secret_key(key)


@pytest.mark.parametrize(
    "text",
    [
        "GET /api/v1/tasks 200",
        "relation public.tasks does not exist",
        "http://127.0.0.1:8787/docs#a:b",
        "roost_owner can't alter roost_app",
        "task 018f2a5e-7a3c-7000-8000-000000000000 changed",
        "3 tokens used; token counts differ",
    ],
)
def test_ordinary_text_is_left(text: str) -> None:
    assert redact_text(text) == text


def test_unknown_objects_and_bytes_are_named_never_shown() -> None:
    class Holder:
        def __repr__(self) -> str:
            return "shown"

    assert redact({"a": Holder(), "b": b"shown"}) == {
        "a": f"<{Holder.__qualname__}>",
        "b": "[5 bytes]",
    }


def test_terminal_control_characters_are_spelled_out() -> None:
    assert redact_text("\x1b[31mred\r") == "\\x1b[31mred\\x0d"
