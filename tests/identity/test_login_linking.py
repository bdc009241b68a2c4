"""Several identities of one user: added by who has both log-ins, listed, taken away."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from roost.identity import administration
from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import Somebody, World
from tests.identity.login_world import API, Browser, Front, front, together
from tests.identity.test_providers import CLAIMS, GIT_PERSON
from tests.support.app import BASE
from tests.support.providers import GitHub, OpenId, open_desk


@pytest.fixture
def github() -> Iterator[GitHub]:
    with open_desk(GitHub(person=dict(GIT_PERSON))) as desk:
        yield desk


@pytest.fixture
def oidc() -> Iterator[OpenId]:
    with open_desk(OpenId(person=dict(CLAIMS))) as desk:
        yield desk


@pytest.fixture
async def roost(
    world: World, authenticator: DatabaseAuthenticator, github: GitHub, oidc: OpenId
) -> AsyncIterator[Front]:
    async with front(world, authenticator, {**github.settings(), **oidc.settings()}) as opened:
        yield opened


@pytest.fixture
async def browser(roost: Front) -> AsyncIterator[Browser]:
    async with roost.browser() as opened:
        await opened.log_in("oidc")
        yield opened


async def _link(browser: Browser, provider: str) -> httpx.Response:
    return await browser.come_back(await browser.agree_at(await browser.link(provider)))


async def test_a_linked_identity_logs_the_same_user_in(
    world: World, roost: Front, browser: Browser
) -> None:
    me = (await browser.me())["id"]
    session = browser.client.cookies["roost_session"]
    answer = await _link(browser, "github")
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert browser.client.cookies["roost_session"] == session, "linking is no log-in"
    async with roost.browser() as other:
        await other.log_in("github")
        assert (await other.me())["id"] == me
    assert (await _link(browser, "github")).status_code == 303, "again changes nothing"
    found = (await browser.client.get(f"{API}/users/{me}/identities?sort=createdAt")).json()
    assert [(one["provider"], one["email"]) for one in found["data"]] == [
        ("oidc", "olga@example.test"),
        ("github", "Gitta@example.test"),
    ]
    assert found["pagination"]["total"] == 2
    events = await world.owner.fetch("select action from audit_events")
    assert [event["action"] for event in events].count("identity.linked") == 1


async def test_an_identity_of_somebody_else_is_not_moved(
    world: World, roost: Front, browser: Browser
) -> None:
    async with roost.browser() as other:
        await other.log_in("github")
    back = await browser.agree_at(await browser.link("github"))
    before = await roost.tables()
    answer = await browser.come_back(back, accept="text/html")
    assert (answer.status_code, "CONFLICT" in answer.text) == (409, True)
    assert await roost.tables() == before
    assert await world.owner.fetchval("select count(distinct user_id) from identities") == 2


async def test_linking_ends_where_the_session_that_began_it_has_ended(
    world: World, roost: Front, browser: Browser, github: GitHub
) -> None:
    back = await browser.agree_at(await browser.link("github"))
    await world.owner.execute("update sessions set revoked_at = now()")
    assert (await browser.come_back(back)).status_code == 400
    await browser.log_in("oidc")
    back = await browser.agree_at(await browser.link("github"))
    await browser.log_in("oidc")
    assert (await browser.come_back(back)).status_code == 400, "another session of the same user"
    back = await browser.agree_at(await browser.link("github"))
    del browser.client.cookies["roost_session"]
    assert (await browser.come_back(back)).status_code == 400, "no session"
    assert await roost.count("identities") == 1
    assert not github.tokens, "the code was not even exchanged"


async def test_linking_begins_in_ones_own_browser_only(
    roost: Front, browser: Browser, ann: Somebody
) -> None:
    path = f"{API}/auth/github/link"
    client = browser.client
    assert (await client.post(path)).json()["code"] == "ORIGIN_REFUSED"
    foreign = await client.post(path, headers={"origin": "https://evil.example"})
    assert foreign.json()["code"] == "ORIGIN_REFUSED"
    async with roost.browser() as nobody:
        assert (await nobody.client.post(path, headers={"origin": BASE})).status_code == 401
        token = await nobody.client.post(path, headers=ann.headers)
        assert (token.status_code, token.json()["code"]) == (403, "FORBIDDEN")
    assert (await client.get(path)).status_code == 405


async def test_of_two_who_link_one_identity_at_once_one_gets_it(
    world: World, roost: Front, oidc: OpenId
) -> None:
    async with roost.browser() as first, roost.browser() as second:
        await first.log_in("oidc")
        oidc.person = {"sub": "s-2", "email": "other@example.test"}
        await second.log_in("oidc")
        waiting = iter([first, second])
        backs = [await one.agree_at(await one.link("github")) for one in (first, second)]
        ways = iter(backs)

        async def come() -> int:
            return (await next(waiting).come_back(next(ways))).status_code

        assert sorted(await together(2, come)) == [303, 409]
    assert await roost.count("identities") == 3
    assert await world.owner.fetchval("select count(*) from identities where subject='4711'") == 1


async def test_an_identity_is_taken_away_with_its_tokens_but_not_the_last(
    world: World, roost: Front, browser: Browser
) -> None:
    await _link(browser, "github")
    me = (await browser.me())["id"]
    place = f"{API}/users/{me}/identities"
    listed = (await browser.client.get(place)).json()["data"]
    ids = iter([one["id"] for one in listed])
    origin = {"origin": BASE}

    async def drop() -> int:
        answer = await browser.client.delete(f"{place}/{next(ids)}", headers=origin)
        return answer.status_code

    assert sorted(await together(2, drop)) == [204, 409], "both at once leave one"
    assert [await roost.count(name) for name in ("identities", "provider_tokens")] == [1, 1]
    left = (await browser.client.get(place)).json()["data"][0]["id"]
    last = await browser.client.delete(f"{place}/{left}", headers=origin)
    assert (last.status_code, last.json()["code"]) == (409, "CONFLICT")
    gone = next(one["id"] for one in listed if one["id"] != left)
    again = await browser.client.delete(f"{place}/{gone}", headers=origin)
    assert (again.status_code, again.json()["code"]) == (404, "IDENTITY_NOT_FOUND")
    actions = [row["action"] for row in await world.owner.fetch("select action from audit_events")]
    assert actions.count("identity.unlinked") == 1


async def test_a_token_of_one_workspace_takes_no_identity_away(
    world: World, roost: Front, browser: Browser
) -> None:
    await _link(browser, "github")
    me = await browser.me()
    place = f"{API}/users/{me['id']}/identities"
    identity = (await browser.client.get(place)).json()["data"][0]["id"]
    async with roost.browser() as other:
        for scopes, status in ((["users:write"], 403), (["*"], 204)):
            token, _, _ = await administration.create_token(world.owner, "t", me["email"], scopes)
            answer = await other.client.delete(
                f"{place}/{identity}", headers={"authorization": f"Bearer {token}"}
            )
            assert answer.status_code == status, answer.text


async def test_identities_are_their_users_own(
    world: World, roost: Front, browser: Browser, ann: Somebody, bob: Somebody
) -> None:
    me = (await browser.me())["id"]
    identity = await world.owner.fetchval("select id from identities")
    viewer = await world.member(ann, "viewer@example.test", "viewer", ["*"])
    async with roost.browser() as other:
        client = other.client
        for way in ("", f"/{identity}"):
            method = "DELETE" if way else "GET"
            foreign = await client.request(
                method, f"{API}/users/{me}/identities{way}", headers=bob.headers
            )
            assert (foreign.status_code, foreign.json()["code"]) == (404, "USER_NOT_FOUND")
        own = f"{API}/users/{viewer.id}/identities"
        assert (await client.get(own, headers=viewer.headers)).json()["data"] == []
        assert (await client.get(own, headers=ann.headers)).status_code == 200
        await world.owner.execute(
            "insert into memberships (workspace_id, id, user_id, role)"
            " values ($1, gen_random_uuid(), $2, 'member')",
            ann.workspace_id,
            bob.id,
        )
        elsewhere = await client.get(f"{API}/users/{bob.id}/identities", headers=ann.headers)
        assert elsewhere.status_code == 403, "he belongs to a workspace of his own too"
        theirs = f"{API}/users/{ann.id}/identities"
        assert (await client.get(theirs, headers=viewer.headers)).status_code == 403
        for path in (f"{theirs}/{identity}", f"{own}/{identity}"):
            answer = await client.delete(path, headers=viewer.headers)
            assert answer.status_code in {403, 404}
        mine = f"{API}/users/{bob.id}/identities/{identity}"
        answer = await client.delete(mine, headers=bob.headers)
        assert answer.json()["code"] == "IDENTITY_NOT_FOUND"
    assert await roost.count("identities") == 1
