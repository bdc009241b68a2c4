"""Who may come in by a provider, with which address, and who may vouch for whom."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import Somebody, World
from tests.identity.login_world import API, Front, front
from tests.identity.test_providers import ACCOUNT, CLAIMS
from tests.support.app import BASE
from tests.support.providers import AnthropicProfile, OpenId, open_desk

CLOSED = {"ROOST_SIGN_UP": "closed"}


@pytest.fixture
def oidc() -> Iterator[OpenId]:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        yield desk


async def _invite(roost: Front, by: Somebody, **more: str) -> str:
    async with roost.browser() as browser:
        made = await browser.client.post(
            f"{API}/workspaces/{by.workspace_id}/invitations",
            json={"role": "viewer", **more},
            headers=by.headers,
        )
    assert made.status_code == 201, made.text
    return f"/invitations/{made.json()['data']['token']}"


async def test_who_is_invited_while_sign_up_is_closed_is_a_member_and_has_no_workspace(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId, ann: Somebody
) -> None:
    async with front(world, authenticator, {**oidc.settings(), **CLOSED}) as roost:
        way = await _invite(roost, ann)
        async with roost.browser() as browser:
            answer = await browser.log_in("oidc", returnTo=way)
            assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
            me = await browser.me()
            mine = (await browser.client.get(f"{API}/workspaces")).json()["data"]
        assert (me["email"], me["role"]) == ("olga@example.test", "viewer")
        assert [one["id"] for one in mine] == [str(ann.workspace_id)]
        assert await roost.count("workspaces") == 1
        used = await world.owner.fetchrow("select * from invitations")
        assert (used["accepted_at"] is not None, str(used["accepted_by"])) == (True, me["id"])
        events = await world.owner.fetch("select * from audit_events order by id")
        joined = [one for one in events if one["action"] == "member.joined"]
        assert [str(one["actor_id"]) for one in joined] == [me["id"]]
        assert joined[0]["workspace_id"] == ann.workspace_id
        assert events[-1]["action"] == "login.succeeded"
        before = await roost.tables()
        oidc.person = {**CLAIMS, "sub": "s-2", "email": "two@example.test"}
        async with roost.browser() as browser:
            refused = await browser.log_in("oidc", returnTo=way)
        assert (refused.status_code, refused.json()["code"]) == (403, "SIGN_UP_CLOSED")
        assert await roost.tables() == before


async def test_of_four_strangers_with_one_invitation_one_comes_in(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId, ann: Somebody
) -> None:
    async with front(world, authenticator, {**oidc.settings(), **CLOSED}) as roost:
        way = await _invite(roost, ann)
        async with (
            roost.browser() as first,
            roost.browser() as second,
            roost.browser() as third,
            roost.browser() as fourth,
        ):
            browsers = (first, second, third, fourth)
            backs = [await one.agree(await one.start("oidc", returnTo=way)) for one in browsers]
            people = iter(range(len(browsers)))
            make = oidc.sign

            def sign(claims: dict[str, Any]) -> str:
                number = next(people)
                return make({**claims, "sub": f"s-{number}", "email": f"{number}@example.test"})

            oidc.sign = sign  # type: ignore[method-assign]  # each comes as somebody else
            answers = await asyncio.gather(
                *(one.come_back(back) for one, back in zip(browsers, backs, strict=True))
            )
        assert sorted(one.status_code for one in answers) == [303, 403, 403, 403]
        assert await roost.count("users") == 2
        assert await roost.count("memberships") == 2
        assert await roost.count("identities") == 1


@pytest.mark.parametrize("verified", [True, False])
async def test_a_personal_invitation_lets_in_who_has_proved_the_address(
    world: World,
    authenticator: DatabaseAuthenticator,
    oidc: OpenId,
    ann: Somebody,
    verified: bool,  # noqa: FBT001 -- a parameter of the table above
) -> None:
    oidc.person["email_verified"] = verified
    async with front(world, authenticator, {**oidc.settings(), **CLOSED}) as roost:
        way = await _invite(roost, ann, email="Olga@example.test")
        async with roost.browser() as browser:
            answer = await browser.log_in("oidc", returnTo=way)
        assert answer.status_code == (303 if verified else 403)
        assert await roost.count("users") == 1 + verified


async def _squat(roost: Front, by: Somebody, email: str = "OLGA@example.test") -> httpx.Response:
    async with roost.browser() as browser:
        return await browser.client.post(
            f"{API}/users",
            headers=by.headers,
            json={"provider": "zzz", "providerId": "1", "email": email},
        )


async def test_who_claimed_an_address_does_not_keep_out_whose_it_is(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId, ann: Somebody
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost:
        assert (await _squat(roost, ann)).status_code == 201

        async def come() -> str:
            async with roost.browser() as browser:
                assert (await browser.log_in("oidc")).status_code == 303
                return str((await browser.me())["email"])

        found = await asyncio.gather(*(come() for _ in range(3)))
        assert len(set(found)) == 1
        assert found[0].startswith("oidc-")
        assert found[0].endswith("@users.noreply.invalid")
        row = await world.owner.fetchrow(
            "select email, email_verified from identities where provider = 'oidc'"
        )
        assert tuple(row) == ("olga@example.test", True)
        assert await roost.count("users") == 3


async def test_an_unverified_address_of_somebody_else_is_still_in_use(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId, ann: Somebody
) -> None:
    oidc.person["email_verified"] = False
    async with front(world, authenticator, oidc.settings()) as roost:
        await _squat(roost, ann)
        async with roost.browser() as browser:
            answer = await browser.log_in("oidc")
        assert (answer.status_code, answer.json()["code"]) == (409, "EMAIL_IN_USE")


async def test_an_address_that_its_user_has_proved_stays_theirs(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost:
        async with roost.browser() as browser:
            await browser.log_in("oidc")
        oidc.person["sub"] = "s-2"
        async with roost.browser() as browser:
            answer = await browser.log_in("oidc")
        assert (answer.status_code, answer.json()["code"]) == (409, "EMAIL_IN_USE")


async def test_nobody_gives_themselves_another_address(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost, roost.browser() as browser:
        await browser.log_in("oidc")
        own = {"provider": "oidc", "providerId": "s-1", "email": "boss@corp.test"}
        answer = await browser.client.post(f"{API}/users", headers={"origin": BASE}, json=own)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert "email" in answer.json()["hint"]
        same = {**own, "email": "olga@example.test", "name": "O"}
        answer = await browser.client.post(f"{API}/users", headers={"origin": BASE}, json=same)
        assert answer.status_code == 200
        assert ((await browser.me())["email"], (await browser.me())["name"]) == (
            "olga@example.test",
            "O",
        )


async def test_anothers_change_of_an_address_is_written_down(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    async with front(world, authenticator, {}) as roost:
        assert (await _squat(roost, ann)).status_code == 201
        assert (await _squat(roost, ann, "next@example.test")).status_code == 200
    event = await world.owner.fetchrow("select * from audit_events where action = 'user.updated'")
    assert (event["actor_id"], json.loads(event["details"])) == (ann.id, {"fields": ["email"]})


async def test_another_issuer_under_the_same_name_lets_in_nobody_it_knows_the_number_of(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost, roost.browser() as browser:
        await browser.log_in("oidc")
        me = (await browser.me())["id"]
    assert await world.owner.fetchval("select issuer from identities") == oidc.url
    with open_desk(OpenId(person=dict(CLAIMS))) as other:
        async with (
            front(world, authenticator, other.settings()) as roost,
            roost.browser() as browser,
        ):
            back = await browser.agree(await browser.start("oidc"))
            answer = await browser.come_back(back, accept="text/html")
            assert (answer.status_code, "PROVIDER_MOVED" in answer.text) == (401, True)
            assert "ROOST_&lt;PROVIDER&gt;_ISSUER" in answer.text
            assert "set-cookie" not in answer.headers
            assert await roost.count("sessions") == 1
            event = await world.owner.fetchrow("select * from audit_events order by id desc")
            assert (event["action"], event["outcome"]) == ("login.failed", "failure")
            # What the operator does when it is the same issuer after all.
            await world.owner.execute("update identities set issuer = null where provider = 'oidc'")
            assert (await browser.log_in("oidc")).status_code == 303
            assert (await browser.me())["id"] == me
        assert await world.owner.fetchval("select issuer from identities") == other.url


async def test_a_provider_that_changes_from_profile_to_issuer_lets_in_nobody_it_knew(
    world: World, authenticator: DatabaseAuthenticator
) -> None:
    with open_desk(AnthropicProfile(person=dict(ACCOUNT))) as desk:
        async with (
            front(world, authenticator, desk.settings()) as roost,
            roost.browser() as browser,
        ):
            assert (await browser.log_in("anthropic")).status_code == 303
    found = await world.owner.fetchval("select issuer from identities")
    assert found.startswith(desk.url)
    with open_desk(OpenId(person={"sub": ACCOUNT["uuid"]})) as other:
        settings = {
            name.replace("OIDC", "ANTHROPIC"): value for name, value in other.settings().items()
        }
        async with front(world, authenticator, settings) as roost, roost.browser() as browser:
            answer = await browser.log_in("anthropic")
    assert (answer.status_code, answer.json()["code"]) == (401, "PROVIDER_MOVED")


async def test_an_identity_of_another_issuer_is_not_taken_for_the_linked_one(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost, roost.browser() as browser:
        await browser.log_in("oidc")
        await world.owner.execute("update identities set issuer = 'https://before.example'")
        answer = await browser.come_back(await browser.agree_at(await browser.link("oidc")))
        assert (answer.status_code, answer.json()["code"]) == (401, "PROVIDER_MOVED")
    assert await world.owner.fetchval("select issuer from identities") == "https://before.example"


async def test_an_identity_that_the_operator_added_in_advance_is_the_first_issuers(
    world: World, authenticator: DatabaseAuthenticator, oidc: OpenId, ann: Somebody
) -> None:
    async with front(world, authenticator, oidc.settings()) as roost, roost.browser() as browser:
        body = {"provider": "oidc", "providerId": "s-1", "email": "o@example.test"}
        made = await browser.client.post(f"{API}/users", headers=ann.headers, json=body)
        assert made.status_code == 201
        assert (await browser.log_in("oidc")).status_code == 303
        assert (await browser.me())["id"] == made.json()["data"]["id"]
    assert await world.owner.fetchval("select issuer from identities") == oidc.url
