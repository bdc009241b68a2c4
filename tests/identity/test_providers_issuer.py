"""Settings of providers, presets, and what an issuer says of itself over time."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import KeySet

from roost.errors import ProblemError
from roost.identity.providers import Profile, Providers, profiles, transport
from roost.identity.providers.client import error_code
from roost.identity.providers.discovery import KEPT_SECONDS, KEY_PAUSE_SECONDS, Issuer
from roost.identity.providers.id_tokens import usable
from roost.identity.providers.presets import provider_of
from roost.identity.providers.remembered import FAILED_SECONDS, FRESH_SECONDS
from roost.settings import ProviderSettings, Settings, SettingsError, read_providers
from tests.support.providers import OpenId, open_desk

ID = {"ROOST_GITHUB_CLIENT_ID": "i", "ROOST_GITHUB_CLIENT_SECRET": "s"}


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"ROOST_GITHUB_CLIENT_ID": "i"}, "ROOST_GITHUB_CLIENT_SECRET"),
        ({"ROOST_GITHUB_CLIENT_SECRET": "s"}, "ROOST_GITHUB_CLIENT_ID"),
        ({"ROOST_OPENAI_SCOPES": "openid"}, "ROOST_OPENAI_CLIENT_ID"),
        ({"ROOST_ACME_CLIENT_ID": "i"}, "ROOST_ACME_ISSUER"),
        ({"ROOST_ACME_ISSUER": "https://acme.example"}, "ROOST_ACME_CLIENT_ID"),
        ({"ROOST_ACME_CLIENT_ID": "i", "ROOST_ACME_ISSUER": "http://acme.example"}, "https://"),
        ({"ROOST_ACME_CLIENT_ID": "i", "ROOST_ACME_ISSUER": "acme.example"}, "ROOST_ACME_ISSUER"),
        ({"ROOST_ACME_CLIENT_ID": "i", "ROOST_ACME_ISSUER": "https://a:9x"}, "ROOST_ACME_ISSUER"),
        ({**ID, "ROOST_GITHUB_TOKEN_URL": "https://u:p@x.example/"}, "ROOST_GITHUB_TOKEN_URL"),
        ({**ID, "ROOST_GITHUB_TOKEN_URL": "http://127.0.0.1.evil.example"}, "https://"),
        ({"ROOST_SIGN_UP": "maybe"}, "ROOST_SIGN_UP"),
        ({"ROOST_LOGIN_REDIRECTS": "https://ok.example,//evil.example"}, "ROOST_LOGIN_REDIRECTS"),
        ({"ROOST_LOGIN_REDIRECTS": "https://ok.example/a b"}, "ROOST_LOGIN_REDIRECTS"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(environment: Mapping[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named) as caught:
        Settings.from_environment(environment)
    assert "u:p" not in str(caught.value)


def test_no_secret_shows_in_what_is_printed_of_settings() -> None:
    found = read_providers({**ID, "ROOST_GITHUB_CLIENT_SECRET": "very-hidden"})
    assert "very-hidden" not in repr(found)
    assert "very-hidden" not in repr(provider_of(found[0]))


def test_presets_know_their_endpoints_and_settings_go_before_them() -> None:
    github = provider_of(ProviderSettings("github", "i", "s"))
    assert github.issuer is None
    assert (github.token_url or "").endswith("github.com/login/oauth/access_token")
    assert github.answers_as == "https://github.com/login/oauth"
    own = ProviderSettings("github", "i", "s", authorize_url="https://ghe.example/a", name="Ours")
    assert (provider_of(own).answers_as, provider_of(own).name) == (None, "Ours")
    openai = provider_of(ProviderSettings("openai", "i", "s"))
    assert (openai.issuer, openai.asks_userinfo) == ("https://auth.openai.com", False)
    plain = ProviderSettings("openai", "i", "s", userinfo_url="https://x.example/me")
    assert provider_of(plain).issuer is None
    anthropic = provider_of(ProviderSettings("anthropic", "i", "-----BEGIN PRIVATE KEY-----"))
    assert anthropic.issuer == "https://identity.anthropic.com/users"
    assert (anthropic.json_tokens, anthropic.has_private_key) == (False, True)
    assert provider_of(ProviderSettings("a", "i", issuer="https://a.example", scopes=("x",))).scopes


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Give the time."""
        return self.now


async def test_what_an_issuer_said_is_remembered_for_a_while() -> None:
    clock = Clock()
    with open_desk(OpenId()) as desk:
        issuer = Issuer("x", desk.url, clock)
        first = await issuer.document()
        desk.discovery = {"authorization_endpoint": f"{desk.url}/other"}
        assert await issuer.document() is first
        clock.now += FRESH_SECONDS + 1
        assert (await issuer.document()).authorize_url == f"{desk.url}/other"
        assert "HS256" not in first.algorithms
        assert "none" not in first.algorithms


async def test_keys_are_read_again_for_an_unknown_one_once_in_a_minute() -> None:
    clock = Clock()
    with open_desk(OpenId()) as desk:
        issuer = Issuer("x", desk.url, clock)
        _, at = await issuer.keys()
        await issuer.keys()
        assert desk.key_reads == 1
        desk.rotate()
        clock.now += 1
        keys, later = await issuer.keys(unknown_since=at)
        assert keys == KeySet([desk.key]).as_dict(private=False)["keys"]
        await issuer.keys(unknown_since=at)
        await issuer.keys(unknown_since=later)
        assert desk.key_reads == 2
        clock.now += KEY_PAUSE_SECONDS
        await issuer.keys(unknown_since=later)
        assert desk.key_reads == 3
        clock.now += FRESH_SECONDS + 1
        await issuer.keys()
        assert desk.key_reads == 4


async def test_an_issuer_that_was_away_is_asked_again_after_a_pause() -> None:
    clock = Clock()
    with open_desk(OpenId(discovery={"issuer": "another"})) as desk:
        issuer = Issuer("x", desk.url, clock)
        told = []
        for pause in (FAILED_SECONDS - 1, 1):
            with pytest.raises(ProblemError) as caught:
                await issuer.document()
            told.append(caught.value)
            desk.discovery = {}
            clock.now += pause
        assert told[0] is not told[1]
        assert told[0].detail == told[1].detail
        assert (await issuer.document()).token_url.startswith(desk.url)


async def test_while_an_issuer_is_away_its_old_document_does_for_an_hour() -> None:
    clock = Clock()
    with open_desk(OpenId()) as desk:
        issuer = Issuer("x", desk.url, clock)
        first, _ = await issuer.document(), await issuer.keys()
        desk.discovery = {"issuer": "another"}
        clock.now += KEPT_SECONDS
        assert await issuer.document() is first
        clock.now += 1
        with pytest.raises(ProblemError):
            await issuer.document()
        with pytest.raises(ProblemError):
            await issuer.keys()
        desk.discovery = {}
        clock.now += FAILED_SECONDS
        assert await issuer.document() is not first
        assert await issuer.keys()


async def _stuck() -> tuple[asyncio.Server, list[int]]:
    """Serve what takes every request and answers none; counts them."""
    asked: list[int] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)
        await reader.read()
        writer.close()

    return await asyncio.start_server(take, "127.0.0.1", 0), asked


async def test_all_who_wait_for_a_slow_issuer_wait_for_one_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport.library()
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.5)
    server, asked = await _stuck()
    issuer = Issuer("x", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", Clock())

    async def one() -> str:
        with pytest.raises(ProblemError) as caught:
            await issuer.document()
        return caught.value.entry.code

    impatient = asyncio.create_task(issuer.document())
    await asyncio.sleep(0)
    waiting = [asyncio.create_task(one()) for _ in range(8)]
    await asyncio.sleep(0)
    impatient.cancel()
    assert await asyncio.gather(*waiting) == ["PROVIDER_TIMEOUT"] * 8
    assert await one() == "PROVIDER_TIMEOUT", "that it failed is remembered"
    assert len(asked) == 1
    server.close()


UNUSABLE: tuple[dict[str, Any], ...] = (
    {"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "kid": "z"},
    {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA", "kid": "z"},
    {"kty": "OKP", "crv": "Nope", "x": "AA", "kid": "z"},
    {"kty": "RSA", "kid": "z"},
    {"kty": "RSA", "n": 7, "e": "AQAB"},
)


async def test_keys_that_cannot_be_used_are_passed_over() -> None:
    with open_desk(OpenId()) as desk:
        desk.more_keys = list(UNUSABLE)
        keys, _ = await Issuer("x", desk.url).keys()
        assert len(keys) == len(UNUSABLE) + 1
        assert [key.kid for key in usable(keys)] == [desk.key.kid]


async def test_a_proxy_in_the_environment_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with open_desk(OpenId()) as desk:
        assert await transport.get_json("x", f"{desk.url}/keys")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "sub", "account", "uuid", "email", "name", "code", "picture"]
                ),
                inner,
            )
        ),
    )
)
def test_no_profile_makes_a_reader_fail_otherwise_than_by_saying_so(found: Any) -> None:
    error_code(found)
    profile = found if isinstance(found, dict) else {"account": found, "sub": found}
    readers: list[Callable[[], Profile]] = [
        lambda: profiles.from_claims("x", profile),
        lambda: profiles.from_github("x", profile, found),
        lambda: profiles.from_anthropic("x", profile),
    ]
    for read in readers:
        with suppress(ProblemError):
            assert 0 < len(read().subject) <= 255


def test_starting_imports_nothing_that_only_a_log_in_needs() -> None:
    names = "{'authlib', 'httpx', 'httpx2', 'joserfc', 'flask'}"
    program = f"import sys, roost.app; print({names} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_an_unknown_provider_is_a_problem_of_the_catalogue() -> None:
    with pytest.raises(ProblemError, match="no such log-in provider"):
        Providers().find("nobody")
