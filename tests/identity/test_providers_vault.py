"""Providers' tokens: sealed for their identity, refreshed once, and never told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from roost.db.pool import Database
from roost.db.sealing import SecretBox, SecretKeyError
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.login.provider_login import provider_login
from roost.identity.providers.vault import Vault, about
from roost.settings import Settings
from tests.identity.conftest import Somebody, World
from tests.identity.login_world import API, KEY, Browser, Front, front
from tests.identity.test_providers import ACCOUNT, CLAIMS
from tests.support.app import BASE
from tests.support.providers import AnthropicProfile, OpenId, open_desk


@pytest.fixture
def oidc() -> Iterator[OpenId]:
    with open_desk(OpenId(person=dict(CLAIMS), expires_in=10)) as desk:
        yield desk


@pytest.fixture
async def roost(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> AsyncIterator[Front]:
    async with front(world, authenticator, oidc.settings()) as opened:
        yield opened


@pytest.fixture
async def browser(roost: Front) -> AsyncIterator[Browser]:
    async with roost.browser() as opened:
        await opened.log_in("oidc")
        yield opened


async def _identity(world: World) -> tuple[UUID, UUID]:
    row = await world.owner.fetchrow("select user_id, id from identities")
    return row["user_id"], row["id"]


@pytest.mark.usefixtures("browser")
async def test_fifty_who_ask_at_once_cause_one_refresh(
    world: World, roost: Front, oidc: OpenId
) -> None:
    oidc.expires_in = 3600
    who = await _identity(world)
    vault = roost.service.arrivals.vault
    tokens = await asyncio.gather(*(vault.token(*who) for _ in range(50)))
    assert (len(set(tokens)), oidc.refreshed) == (1, 1)
    assert tokens[0] in oidc.tokens
    assert await vault.token(*who) == tokens[0]
    assert oidc.refreshed == 1


@pytest.mark.usefixtures("browser")
async def test_several_workers_that_refresh_at_once_cause_one_refresh(
    world: World, oidc: OpenId
) -> None:
    oidc.expires_in = 3600
    who = await _identity(world)
    settings = Settings.from_environment(oidc.settings())
    databases = [await Database.connect(world.config) for _ in range(3)]
    try:
        workers = [
            provider_login(database, SecretBox([KEY]), settings).arrivals.vault
            for database in databases
        ]
        asked = (worker.token(*who) for worker in workers for _ in range(5))
        tokens = await asyncio.gather(*asked)
    finally:
        for database in databases:
            await database.close()
    assert (len(set(tokens)), oidc.refreshed) == (1, 1)


async def test_a_provider_that_wants_json_is_asked_for_new_tokens_in_json(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(AnthropicProfile(person=dict(ACCOUNT), expires_in=10)) as desk:
        async with front(world, authenticator, desk.settings()) as roost:
            async with roost.browser() as browser:
                await browser.log_in("anthropic")
            desk.expires_in = 3600
            assert await roost.service.arrivals.vault.token(*await _identity(world)) in desk.tokens
        assert not desk.refused


@pytest.mark.usefixtures("browser")
async def test_a_refused_refresh_ends_the_tokens(world: World, roost: Front, oidc: OpenId) -> None:
    oidc.misbehaviour = "revoked"
    who = await _identity(world)
    for _ in range(2):
        with pytest.raises(ProblemError) as caught:
            await roost.service.arrivals.vault.token(*who)
        assert caught.value.entry.code == "PROVIDER_TOKEN_LOST"
    assert await roost.count("provider_tokens") == 0


@pytest.mark.usefixtures("browser")
async def test_a_provider_that_is_down_costs_no_tokens(
    world: World, roost: Front, oidc: OpenId
) -> None:
    who, vault = await _identity(world), roost.service.arrivals.vault
    oidc.misbehaviour = "500"
    with pytest.raises(ProblemError) as caught:
        await vault.token(*who)
    assert caught.value.entry.code == "PROVIDER_UNAVAILABLE"
    oidc.misbehaviour, oidc.expires_in = "", 3600
    assert await vault.token(*who) in oidc.tokens


@pytest.mark.usefixtures("browser")
async def test_nobody_else_gets_a_token_and_a_moved_row_does_not_open(
    world: World, roost: Front, ann: Somebody
) -> None:
    _, identity_id = await _identity(world)
    with pytest.raises(ProblemError):
        await roost.service.arrivals.vault.token(ann.id, identity_id)
    sealed = await world.owner.fetchval("select sealed from provider_tokens")
    box = SecretBox([KEY])
    box.open_for(sealed, about(identity_id, "oidc"))
    for place in (about(ann.id, "oidc"), about(identity_id, "github")):
        with pytest.raises(SecretKeyError):
            box.open_for(sealed, place)


@pytest.mark.usefixtures("browser")
async def test_a_stranger_who_asks_at_the_same_moment_gets_no_token(
    world: World, roost: Front, ann: Somebody
) -> None:
    user_id, identity_id = await _identity(world)
    vault = roost.service.arrivals.vault
    theirs, strangers = await asyncio.gather(
        vault.token(user_id, identity_id),
        vault.token(ann.id, identity_id),
        return_exceptions=True,
    )
    assert isinstance(theirs, str)
    assert isinstance(strangers, ProblemError)
    assert strangers.entry.code == "PROVIDER_TOKEN_LOST"


async def test_a_refresh_token_that_is_given_only_once_is_kept(
    world: World, roost: Front, browser: Browser, oidc: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = oidc.new_tokens

    def without() -> dict[str, Any]:
        return {name: value for name, value in made().items() if name != "refresh_token"}

    monkeypatch.setattr(oidc, "new_tokens", without)
    assert (await browser.log_in("oidc")).status_code == 303
    monkeypatch.setattr(oidc, "new_tokens", made)
    assert await roost.service.arrivals.vault.token(*await _identity(world)) in oidc.tokens
    assert oidc.refreshed == 1


async def test_stored_tokens_that_open_no_more_keep_nobody_out(
    world: World, browser: Browser, oidc: OpenId
) -> None:
    await world.owner.execute("update provider_tokens set sealed = '\\x00'")
    oidc.expires_in = None
    assert (await browser.log_in("oidc")).status_code == 303


async def test_a_caller_who_gives_up_does_not_stop_the_others(
    world: World, roost: Front, browser: Browser, oidc: OpenId
) -> None:
    del browser
    oidc.expires_in = 3600
    who = await _identity(world)
    vault: Vault = roost.service.arrivals.vault
    impatient = asyncio.create_task(vault.token(*who))
    patient = asyncio.create_task(vault.token(*who))
    await asyncio.sleep(0)
    impatient.cancel()
    assert await patient in oidc.tokens


async def test_no_secret_of_a_log_in_is_told_or_logged_anywhere(
    world: World, roost: Front, oidc: OpenId, caplog: pytest.LogCaptureFixture
) -> None:
    said: list[str] = []

    async def keep(answer: Any) -> None:
        await answer.aread()
        said.append(f"{answer.headers} {answer.text}")

    with caplog.at_level(logging.DEBUG):
        async with roost.browser() as browser:
            browser.client.event_hooks["response"].append(keep)
            await browser.log_in("oidc")
            me = (await browser.me())["id"]
            for path in (f"/users/{me}/identities", f"/users/{me}/sessions", "/auth/providers"):
                assert (await browser.client.get(API + path)).status_code == 200
            who = await _identity(world)
            await roost.service.arrivals.vault.token(*who)
            oidc.claims = {"nonce": "wrong"}
            assert (await browser.log_in("oidc")).status_code == 401
            await browser.client.post(f"{API}/auth/logout", headers={"origin": BASE})
    tables = await world.owner.fetch(
        "select c.oid::regclass::text as name from pg_class c join pg_namespace n"
        " on n.oid = c.relnamespace where n.nspname in ('public', 'journal') and c.relkind = 'r'"
    )
    assert any("journal" in row["name"] for row in tables)
    stored = ""
    for row in tables:
        found = await world.owner.fetch(f"select t::text as line from {row['name']} t")
        stored += "\n".join(line["line"] for line in found)
    logged = "\n".join(
        record.getMessage() for record in caplog.records if record.name.startswith("roost")
    )
    assert "LOGIN_NOT_PROVED" in logged
    tokens = [one for one in oidc.issued if one not in oidc.codes]
    assert tokens
    for secret in (*oidc.issued, "the-secret-of-roost"):
        assert secret not in stored
        assert secret.encode().hex() not in stored
        assert secret not in logged
        assert secret not in "".join(said)
