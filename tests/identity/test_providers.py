"""Logging in by providers, each spoken to as it wants."""

from collections.abc import Iterator
from typing import Any

import pytest

from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import World
from tests.identity.login_world import API, front, together
from tests.support.providers import (
    AnthropicIssuer,
    AnthropicProfile,
    Desk,
    GitHub,
    OpenAI,
    OpenId,
    open_desk,
)

GIT_PERSON = {
    "id": 4711,
    "login": "gitta",
    "name": "Gitta",
    "email": None,
    "avatar_url": "https://pictures.example/4711",
    "emails": [
        {"email": "old@example.test", "primary": False, "verified": True},
        {"email": "Gitta@example.test", "primary": True, "verified": True},
    ],
}
CLAIMS = {"sub": "s-1", "name": "Olga", "email": "olga@example.test", "email_verified": True}
ACCOUNT = {"uuid": "a-1", "email": "ante@example.test", "display_name": "Ante"}
KINDS: dict[str, tuple[Any, dict[str, Any], str, str, bool]] = {
    "github": (GitHub, GIT_PERSON, "4711", "Gitta@example.test", True),
    "openai": (OpenAI, CLAIMS, "s-1", "olga@example.test", True),
    "anthropic": (AnthropicIssuer, CLAIMS, "s-1", "olga@example.test", True),
    "anthropic by profile": (AnthropicProfile, ACCOUNT, "a-1", "ante@example.test", False),
    "oidc": (OpenId, CLAIMS, "s-1", "olga@example.test", True),
}


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def desk(kind: str) -> Iterator[Desk]:
    make, person, *_ = KINDS[kind]
    with open_desk(make(person=dict(person))) as opened:
        yield opened


def provider_of(kind: str) -> str:
    return kind.partition(" ")[0]


async def test_a_stranger_becomes_a_user_with_a_workspace_of_their_own(
    world: World, authenticator: DatabaseAuthenticator, desk: Any, kind: str
) -> None:
    _, _, subject, email, verified = KINDS[kind]
    provider = provider_of(kind)
    async with front(world, authenticator, desk.settings()) as roost, roost.browser() as browser:
        answer = await browser.log_in(provider, returnTo="/docs?x=1#tasks")
        assert (answer.status_code, answer.headers["location"]) == (303, "/docs?x=1#tasks")
        assert not desk.refused
        me = await browser.me()
        assert (me["email"], me["role"]) == (email, "owner")
        row = await world.owner.fetchrow("select * from identities")
        assert (row["provider"], row["subject"]) == (provider, subject)
        assert (row["email"], row["email_verified"]) == (email, verified)
        assert row["last_login_at"] is not None
        kept = await world.owner.fetchval("select sealed from provider_tokens")
        assert not any(secret.encode() in kept for secret in desk.issued)
        events = await world.owner.fetch("select action, details from audit_events order by id")
        assert [event["action"] for event in events] == ["workspace.created", "login.succeeded"]
        first = me["id"]
        again = await browser.log_in(provider)
        assert again.headers["location"] == "/docs"
        assert (await browser.me())["id"] == first
        assert [await roost.count(table) for table in ("users", "identities")] == [1, 1]
        live = await world.owner.fetchval("select count(*) from sessions where revoked_at is null")
        assert live == 1, "the new session takes the old one's place"


async def test_what_the_provider_says_anew_is_kept_with_the_identity(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with (
            front(world, authenticator, desk.settings()) as roost,
            roost.browser() as browser,
        ):
            await browser.log_in("oidc")
            desk.person |= {"email": "new@example.test", "email_verified": False}
            await browser.log_in("oidc")
            assert (await browser.me())["email"] == "olga@example.test"
        row = await world.owner.fetchrow("select email, email_verified from identities")
        assert tuple(row) == ("new@example.test", False)


@pytest.mark.parametrize("email", [None, "no address", "x" * 400 + "@example.test", 7])
async def test_without_a_usable_address_the_user_gets_a_placeholder(
    world: World, authenticator: DatabaseAuthenticator, email: object
) -> None:
    with open_desk(OpenId(person={"sub": "quiet", "email": email})) as desk:
        async with (
            front(world, authenticator, desk.settings()) as roost,
            roost.browser() as browser,
        ):
            assert (await browser.log_in("oidc")).status_code == 303
            found = (await browser.me())["email"]
            assert found.startswith("oidc-")
            assert found.endswith("@users.noreply.invalid")


async def test_an_address_that_a_user_has_links_nothing(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    await world.somebody("Olga@Example.test")
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with front(world, authenticator, desk.settings()) as roost:
            before = await roost.tables()
            async with roost.browser() as browser:
                answer = await browser.log_in("oidc")
            assert (answer.status_code, answer.json()["code"]) == (409, "EMAIL_IN_USE")
            assert await roost.tables() == before


async def test_a_deactivated_user_is_refused_and_it_is_written_down(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with front(world, authenticator, desk.settings()) as roost:
            async with roost.browser() as browser:
                await browser.log_in("oidc")
                await world.owner.execute("update users set is_active = false")
                answer = await browser.log_in("oidc")
            assert (answer.status_code, answer.json()["code"]) == (403, "USER_DEACTIVATED")
            assert await roost.count("sessions") == 1
        events = await world.owner.fetch("select action, outcome from audit_events order by id")
        assert tuple(events[-1]) == ("login.failed", "failure")


async def test_with_sign_up_closed_only_the_known_and_the_invited_come_in(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    ann = await world.somebody("ann@example.test")
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        environment = {**desk.settings(), "ROOST_SIGN_UP": "closed"}
        async with front(world, authenticator, environment) as roost:
            before = await roost.tables()
            async with roost.browser() as browser:
                refused = await browser.log_in("oidc", returnTo="/invitations/" + "x" * 43)
            assert (refused.status_code, refused.json()["code"]) == (403, "SIGN_UP_CLOSED")
            assert await roost.tables() == before

            async def invite(email: str | None) -> str:
                async with roost.browser() as browser:
                    made = await browser.client.post(
                        f"{API}/workspaces/{ann.workspace_id}/invitations",
                        json={"role": "member"} | ({"email": email} if email else {}),
                        headers=ann.headers,
                    )
                assert made.status_code == 201, made.text
                return str(made.json()["data"]["url"]).rpartition("/")[2]

            secret = await invite("other@example.test")
            async with roost.browser() as browser:
                refused = await browser.log_in("oidc", returnTo=f"/invitations/{secret}")
                assert refused.status_code == 403, "it is for somebody else"
                secret = await invite(None)
                answer = await browser.log_in("oidc", returnTo=f"/invitations/{secret}")
                assert answer.headers["location"] == "/docs", "the invitation is used"
                assert (await browser.log_in("oidc")).status_code == 303, "now they are known"


async def test_ten_equal_callbacks_at_once_make_one_session(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with front(world, authenticator, desk.settings()) as roost:
            async with roost.browser() as browser:
                back = await browser.agree(await browser.start("oidc"))
                answers = await together(10, lambda: browser.come_back(back))
            assert sorted(one.status_code for one in answers) == [303, *[400] * 9]
            assert await roost.count("sessions") == 1
            assert len(desk.tokens) == 1


async def test_first_log_ins_of_one_identity_at_once_make_one_user(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with front(world, authenticator, desk.settings()) as roost:

            async def once() -> int:
                async with roost.browser() as browser:
                    return (await browser.log_in("oidc")).status_code

            assert await together(4, once) == [303] * 4
            assert [await roost.count(name) for name in ("users", "identities", "workspaces")] == [
                1,
                1,
                1,
            ]


async def test_log_ins_in_several_tabs_of_one_browser_all_work(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        async with (
            front(world, authenticator, desk.settings()) as roost,
            roost.browser() as browser,
        ):
            tabs = [await browser.agree(await browser.start("oidc")) for _ in range(3)]
            for tab in reversed(tabs):
                assert (await browser.come_back(tab)).status_code == 303


async def test_the_list_says_where_a_log_in_begins(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    environment = {
        "ROOST_ACME_SSO_CLIENT_ID": "x",
        "ROOST_ACME_SSO_ISSUER": "https://sso.acme.example/",
        "ROOST_GITHUB_CLIENT_ID": "x",
        "ROOST_GITHUB_CLIENT_SECRET": "hidden-secret",
        "ROOST_GITHUB_NAME": "Our GitHub",
    }
    async with front(world, authenticator, environment) as roost, roost.browser() as browser:
        found = (await browser.client.get(f"{API}/auth/providers")).json()["data"]
        assert found == [
            {"id": "github", "name": "Our GitHub", "loginUrl": f"{API}/auth/github/login"},
            {"id": "acme-sso", "name": "Acme Sso", "loginUrl": f"{API}/auth/acme-sso/login"},
        ]
        page = (await browser.client.get("/login?returnTo=/docs%3Fa=1%26b=2")).text
        assert 'href="/api/v1/auth/github/login?returnTo=%2Fdocs%3Fa%3D1%26b%3D2"' in page
        assert "hidden-secret" not in page
        assert "<script" not in page
