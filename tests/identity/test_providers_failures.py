"""Providers that are down, slow, or answer nonsense; browsers that come back wrongly."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.providers import transport
from tests.identity.conftest import World
from tests.identity.login_world import API, Browser, Front, front
from tests.identity.test_providers import CLAIMS, GIT_PERSON
from tests.support.providers import GitHub, OpenAI, OpenId, open_desk
from tests.support.providers.desk import now

HTML = {"accept": "text/html,application/xhtml+xml"}


@pytest.fixture
def oidc() -> Iterator[OpenId]:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
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
        yield opened


async def _refused(roost: Front, browser: Browser, back: str, status: int, code: str) -> None:
    """See that it is refused, by a page for people, that nothing is made, and the state is used."""
    before = await roost.tables()
    answer = await browser.come_back(back, **HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
    assert (answer.status_code, code in answer.text) == (status, True), answer.text
    assert "set-cookie" not in answer.headers
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    again = await browser.come_back(back)
    assert again.headers["content-type"] == "application/problem+json"
    assert again.json()["code"] == "LOGIN_ATTEMPT_INVALID"
    assert await roost.tables() == before


@pytest.mark.parametrize(
    ("misbehaviour", "status", "code"),
    [
        ("500", 503, "PROVIDER_UNAVAILABLE"),
        ("html", 502, "PROVIDER_ANSWER_INVALID"),
        ("not json", 502, "PROVIDER_ANSWER_INVALID"),
        ("a list", 502, "PROVIDER_ANSWER_INVALID"),
        ("huge", 502, "PROVIDER_ANSWER_INVALID"),
        ("deep", 502, "PROVIDER_ANSWER_INVALID"),
        ("deep refusal", 502, "PROVIDER_ANSWER_INVALID"),
        ("endless", 502, "PROVIDER_ANSWER_INVALID"),
        ("no number", 502, "PROVIDER_ANSWER_INVALID"),
        ("not ascii", 502, "PROVIDER_ANSWER_INVALID"),
        ("two lines", 502, "PROVIDER_ANSWER_INVALID"),
        ("redirect", 502, "PROVIDER_ANSWER_INVALID"),
        ("denied", 403, "LOGIN_REFUSED"),
        ("unsigned", 401, "LOGIN_NOT_PROVED"),
        ("signed by another", 401, "LOGIN_NOT_PROVED"),
        ("no id token", 502, "PROVIDER_ANSWER_INVALID"),
    ],
)
async def test_a_provider_that_misbehaves_logs_nobody_in(  # noqa: PLR0913, PLR0917 -- a table's columns
    roost: Front, browser: Browser, oidc: OpenId, misbehaviour: str, status: int, code: str
) -> None:
    start = await browser.start("oidc")
    oidc.misbehaviour = misbehaviour
    await _refused(roost, browser, await browser.agree(start), status, code)


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": ["roost-client", "another"]},
        {"aud": ["roost-client", "another"], "azp": "another"},
        {"azp": "another"},
        {"iss": "https://elsewhere.example"},
        {"iss": None},
        {"exp": 1},
        {"exp": None},
        {"iat": 2_000_000_000_000},
        {"iat": None},
        {"sub": None},
        {"at_hash": "bm90IGl0"},
        {"at_hash": 7},
    ],
    ids=str,
)
async def test_an_id_token_with_a_wrong_claim_logs_nobody_in(
    roost: Front, browser: Browser, oidc: OpenId, claims: dict[str, Any]
) -> None:
    oidc.claims = claims
    back = await browser.agree(await browser.start("oidc"))
    await _refused(roost, browser, back, 401, "LOGIN_NOT_PROVED")


@pytest.mark.parametrize("expires_in", [-5, 0, 10**300])
async def test_however_long_a_token_is_said_to_live_its_owner_gets_in(
    roost: Front, browser: Browser, oidc: OpenId, expires_in: int
) -> None:
    oidc.expires_in = expires_in
    assert (await browser.log_in("oidc")).status_code == 303
    left = await roost.world.owner.fetchval("select expires_at - now() from provider_tokens")
    assert -5 <= left.total_seconds() <= 10 * 365 * 24 * 3600


async def test_a_key_that_cannot_be_used_keeps_nobody_out(browser: Browser, oidc: OpenId) -> None:
    oidc.more_keys = [{"kty": "EC", "crv": "BP-256", "x": "AA", "y": "AA", "kid": "z"}]
    assert (await browser.log_in("oidc")).status_code == 303


async def test_a_token_for_several_clients_that_names_roost_is_taken(
    browser: Browser, oidc: OpenId
) -> None:
    oidc.claims = {"aud": ["roost-client", "another"], "azp": "roost-client", "exp": now() - 30}
    assert (await browser.log_in("oidc")).status_code == 303


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\nb", 1.5, {"a": 1}, True])
async def test_a_subject_that_is_none_logs_nobody_in(
    roost: Front, browser: Browser, oidc: OpenId, subject: object
) -> None:
    oidc.claims = {"sub": subject}
    answer = await browser.log_in("oidc")
    assert answer.status_code in {401, 502}
    assert await roost.count("users") == 0


async def test_a_slow_provider_is_given_up(
    roost: Front, browser: Browser, oidc: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "WHOLE_SECONDS", 0.3)
    back = await browser.agree(await browser.start("oidc"))
    oidc.misbehaviour = "slow"
    await _refused(roost, browser, back, 504, "PROVIDER_TIMEOUT")


async def test_a_provider_that_is_down_ends_the_log_in_before_it_begins(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId()) as gone:
        pass
    async with front(world, authenticator, gone.settings()) as roost, roost.browser() as browser:
        answer = await browser.start("oidc")
        assert (answer.status_code, answer.json()["code"]) == (503, "PROVIDER_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
        assert await roost.count("login_attempts") == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://elsewhere.example"},
        {"issuer": None},
        {"token_endpoint": None},
        {"token_endpoint": "http://plain.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"jwks_uri": "https://user:pass@keys.example/"},
        {"jwks_uri": ["https://keys.example"]},
    ],
    ids=str,
)
async def test_a_discovery_document_that_is_wrong_is_not_used(
    browser: Browser, oidc: OpenId, wrong: dict[str, Any]
) -> None:
    oidc.discovery = wrong
    answer = await browser.start("oidc")
    assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_ANSWER_INVALID")


async def test_a_provider_that_takes_only_a_signed_assertion_is_named_as_such(
    browser: Browser, oidc: OpenId
) -> None:
    oidc.methods = ("private_key_jwt",)
    answer = await browser.log_in("oidc")
    assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_REFUSED")
    assert "private key" in answer.json()["hint"]


async def test_after_a_change_of_keys_the_new_ones_are_read_but_not_at_every_token(
    browser: Browser, oidc: OpenId
) -> None:
    assert (await browser.log_in("oidc")).status_code == 303
    assert oidc.key_reads == 1
    oidc.rotate()
    assert (await browser.log_in("oidc")).status_code == 303
    assert oidc.key_reads == 2
    oidc.rotate()
    for _ in range(3):
        assert (await browser.log_in("oidc")).status_code == 401
    assert oidc.key_reads == 2, "once in a minute"


async def test_a_state_is_good_for_its_own_browser_provider_and_time_only(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> None:
    with open_desk(OpenAI(person=dict(CLAIMS))) as other:
        environment = {**oidc.settings(), **other.settings()}
        async with front(world, authenticator, environment) as roost:
            async with roost.browser() as browser, roost.browser() as stranger:
                back = await browser.agree(await browser.start("oidc"))
                assert (await stranger.come_back(back)).status_code == 400, "no cookie"
                assert (await browser.come_back(back)).status_code == 400, "it was used up"
                await stranger.start("oidc")
                back = await browser.agree(await browser.start("oidc"))
                assert (await stranger.come_back(back)).status_code == 400, "another's cookie"
                back = await browser.agree(await browser.start("oidc"))
                mixed = back.replace("/oidc/", "/openai/")
                assert (await browser.come_back(mixed)).status_code == 400, "mixed up"
                back = await browser.agree(await browser.start("oidc"))
                await world.owner.execute(
                    "update login_attempts set expires_at = now() where used_at is null"
                )
                assert (await browser.come_back(back)).status_code == 400, "expired"
                life = await world.owner.fetchval(
                    "select max(expires_at - created_at) from login_attempts where used_at is null"
                )
                assert life is None or life.total_seconds() <= 600
            assert await roost.count("users") == 0
            assert not other.tokens


@pytest.mark.parametrize(
    "query",
    [
        "", "?code=x", "?state=x", "?state=%00&code=x", "?state=%ff&code=x", "?state=a&state=b",
        "?code=x&state=" + "A" * 43, "?" + "a=b&" * 200,
    ],
    ids=lambda query: query[:20],
)  # fmt: skip
async def test_a_callback_that_nobody_began_is_refused(browser: Browser, query: str) -> None:
    answer = await browser.client.get(f"{API}/auth/oidc/callback{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "LOGIN_ATTEMPT_INVALID")


async def test_an_answer_in_another_issuers_name_is_refused(
    roost: Front, browser: Browser, oidc: OpenId
) -> None:
    oidc.adds_to_callback = {"iss": oidc.url, "session_state": "x", "scope": "openid"}
    assert (await browser.log_in("oidc")).status_code == 303, "its own, and what else it adds"
    oidc.adds_to_callback = {"iss": "https://elsewhere.example"}
    back = await browser.agree(await browser.start("oidc"))
    await _refused(roost, browser, back, 400, "LOGIN_ATTEMPT_INVALID")


async def test_an_issuer_that_promises_its_name_must_give_it(
    roost: Front, browser: Browser, oidc: OpenId
) -> None:
    oidc.discovery = {"authorization_response_iss_parameter_supported": True}
    back = await browser.agree(await browser.start("oidc"))
    await _refused(roost, browser, back, 400, "LOGIN_ATTEMPT_INVALID")


@pytest.mark.parametrize("method", ["HEAD", "prefetch"])
async def test_looking_ahead_uses_no_state_up(browser: Browser, method: str) -> None:
    back = await browser.agree(await browser.start("oidc"))
    if method == "HEAD":
        assert (await browser.client.head(back)).status_code == 425
    else:
        assert (await browser.come_back(back, purpose="prefetch")).status_code == 425
    assert (await browser.come_back(back)).status_code == 303


async def test_an_unknown_provider_is_not_found(browser: Browser) -> None:
    for path in ("nobody/login", "nobody/callback?code=a&state=b"):
        answer = await browser.client.get(f"{API}/auth/{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "PROVIDER_NOT_FOUND")


@pytest.mark.parametrize(
    ("misbehaviour", "person", "status"),
    [
        ("denied", GIT_PERSON, 403),
        ("500", GIT_PERSON, 503),
        ("html", GIT_PERSON, 502),
        ("", {**GIT_PERSON, "id": "4711"}, 502),
        ("", {**GIT_PERSON, "id": True}, 502),
        ("", {"message": "Not Found"}, 502),
    ],
)
async def test_githubs_failures_log_nobody_in(
    world: World,
    authenticator: DatabaseAuthenticator,
    misbehaviour: str,
    person: dict[str, Any],
    status: int,
) -> None:
    with open_desk(GitHub(misbehaviour=misbehaviour, person=person)) as desk:
        async with front(world, authenticator, desk.settings()) as roost:
            async with roost.browser() as browser:
                assert (await browser.log_in("github")).status_code == status
            assert await roost.count("users") == 0


async def test_githubs_errors_that_come_with_success_are_errors(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(GitHub(person=GIT_PERSON)) as desk:
        async with front(world, authenticator, desk.settings()) as roost, roost.browser() as one:
            back = await one.agree(await one.start("github"))
            desk.codes.clear()
            answer = await one.come_back(back)
            assert (answer.status_code, answer.json()["code"]) == (401, "LOGIN_NOT_PROVED")
        wrong = {**desk.settings(), "ROOST_GITHUB_CLIENT_SECRET": "wrong"}
        async with front(world, authenticator, wrong) as roost, roost.browser() as one:
            answer = await one.log_in("github")
            assert (answer.status_code, answer.json()["code"]) == (502, "PROVIDER_REFUSED")
            assert "wrong" not in answer.text


async def test_githubs_address_counts_only_when_it_is_primary_and_verified(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    person = {
        **GIT_PERSON,
        "email": "public@example.test",
        "emails": [
            {"email": "a@example.test", "primary": True, "verified": False},
            {"email": "b@example.test", "primary": False, "verified": True},
        ],
    }
    with open_desk(GitHub(person=person)) as desk:
        async with (
            front(world, authenticator, desk.settings()) as roost,
            roost.browser() as browser,
        ):
            assert (await browser.log_in("github")).status_code == 303
        assert (await world.owner.fetchval("select email from identities")) is None


async def test_who_begins_too_often_has_to_wait(browser: Browser) -> None:
    answers = [await browser.start("oidc", returnTo="//x") for _ in range(61)]
    assert {one.status_code for one in answers[:60]} == {400}
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "RATE_LIMITED")
    back = await browser.client.get(f"{API}/auth/oidc/callback?code=x", headers=HTML)
    assert (back.status_code, "retry-after" in back.headers) == (429, True)
    assert "<h1>Too many requests</h1>" in back.text


async def test_a_log_in_begun_twice_at_once_reads_the_discovery_document_once(
    roost: Front, oidc: OpenId
) -> None:
    async with roost.browser() as browser:
        answers = await asyncio.gather(*(browser.start("oidc") for _ in range(5)))
    assert {answer.status_code for answer in answers} == {303}
    assert oidc.key_reads == 0
