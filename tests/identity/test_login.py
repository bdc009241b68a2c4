"""Log-in links, sessions and logging out, over HTTP."""

import asyncio
from functools import partial
from http.cookies import SimpleCookie
from uuid import UUID

import httpx
import pytest

from roost.identity import administration
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.administration import LINK_PATH
from roost.identity.routes import IdentityRoutes
from tests.identity.conftest import Somebody, World
from tests.support.app import BASE, served

ME = "/api/v1/users/me"
LOGOUT = "/api/v1/auth/logout"


def _cookie(secret: str) -> dict[str, str]:
    return {"cookie": f"roost_session={secret}"}


async def _follow(client: httpx.AsyncClient, secret: str, **headers: str) -> httpx.Response:
    answer = await client.get(LINK_PATH, params={"token": secret}, headers=headers)
    client.cookies.clear()
    return answer


async def test_a_link_logs_in_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret = await administration.create_login_link(world.owner, ann.id)
    answer = await _follow(identity_app, secret, **{"user-agent": "test/1"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/docs")
    assert answer.headers["cache-control"] == "no-store"
    cookie = SimpleCookie(answer.headers["set-cookie"])["roost_session"]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Lax", "/")
    assert not cookie["secure"]
    me = await identity_app.get(ME, headers=_cookie(cookie.value))
    assert me.json()["data"]["id"] == str(ann.id)
    assert me.json()["data"]["lastLoginAt"] is not None
    again = await _follow(identity_app, secret)
    assert (again.status_code, again.json()["code"]) == (401, "LOGIN_LINK_INVALID")
    stored = await world.owner.fetchrow("select * from sessions")
    assert stored["token_hash"] == credentials.digest(cookie.value)
    assert (stored["user_agent"], stored["address"]) == ("test/1", "127.0.0.1")


async def _join(world: World, ann: Somebody, place: Somebody, role: str) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role)"
        " values ($1, gen_random_uuid(), $2, $3)",
        place.workspace_id,
        ann.id,
        role,
    )


async def _places_told(world: World) -> dict[UUID, tuple[str | None, str | None]]:
    """By workspace, the address and user agent in the newest log-in."""
    rows = await world.owner.fetch(
        "select distinct on (workspace_id) workspace_id, address, user_agent from audit_events"
        " where action = 'login.succeeded' order by workspace_id, at desc"
    )
    return {row["workspace_id"]: (row["address"], row["user_agent"]) for row in rows}


async def test_where_a_log_in_comes_from_is_told_only_where_it_is_ones_own(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    cyd = await world.somebody("cyd@example.test")
    await _join(world, ann, bob, "admin")
    await _join(world, ann, cyd, "owner")
    link = await administration.create_login_link(world.owner, ann.id)
    await _follow(identity_app, link, **{"user-agent": "test/1"})
    seen = ("127.0.0.1", "test/1")
    assert await _places_told(world) == {
        ann.workspace_id: seen,
        cyd.workspace_id: seen,
        bob.workspace_id: (None, None),
    }


async def test_where_the_only_workspace_is_anothers_it_is_told_there(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await _join(world, ann, bob, "member")
    await world.owner.execute(
        "update workspaces set deleted_at = now() where id = $1", ann.workspace_id
    )
    link = await administration.create_login_link(world.owner, ann.id)
    await _follow(identity_app, link, **{"user-agent": "test/1"})
    assert await _places_told(world) == {bob.workspace_id: ("127.0.0.1", "test/1")}


async def test_of_many_uses_at_once_one_wins(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret = await administration.create_login_link(world.owner, ann.id)
    answers = await asyncio.gather(*(_follow(identity_app, secret) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [303, *[401] * 5]
    assert await world.owner.fetchval("select count(*) from sessions") == 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("HEAD", {}),
        ("GET", {"sec-purpose": "prefetch;prerender"}),
        ("GET", {"purpose": "prefetch"}),
        ("GET", {"x-moz": "prefetch"}),
    ],
)
async def test_looking_ahead_uses_no_link_up(
    identity_app: httpx.AsyncClient,
    world: World,
    ann: Somebody,
    method: str,
    headers: dict[str, str],
) -> None:
    secret = await administration.create_login_link(world.owner, ann.id)
    ahead = await identity_app.request(method, LINK_PATH, params={"token": secret}, headers=headers)
    assert ahead.status_code == 425
    assert "set-cookie" not in ahead.headers
    assert (await _follow(identity_app, secret)).status_code == 303


async def test_an_expired_or_unknown_link_or_one_of_a_deactivated_user_is_refused(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret = await administration.create_login_link(world.owner, ann.id)
    await world.owner.execute("update users set is_active = false")
    assert (await _follow(identity_app, secret)).status_code == 401
    await world.owner.execute("update users set is_active = true")
    await world.owner.execute("update login_links set expires_at = now()")
    for token in (secret, credentials.new_opaque_secret(), "x", "\u00e4"):
        assert (await _follow(identity_app, token)).status_code == 401
    assert (await identity_app.get(LINK_PATH)).status_code == 400


async def test_guessing_links_is_slowed_down(identity_app: httpx.AsyncClient) -> None:
    answers = [await _follow(identity_app, "x") for _ in range(25)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert int(refused[0].headers["retry-after"]) >= 1
    assert "r=0" in refused[0].headers["ratelimit"]
    assert refused[0].json()["code"] == "RATE_LIMITED"


async def test_logging_in_ends_the_session_that_was_there(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    earlier = await world.log_in(identity_app, bob)
    secret = await administration.create_login_link(world.owner, ann.id)
    answer = await _follow(identity_app, secret, **_cookie(earlier))
    later = SimpleCookie(answer.headers["set-cookie"])["roost_session"].value
    assert later != earlier
    assert (await identity_app.get(ME, headers=_cookie(earlier))).status_code == 401
    assert (await identity_app.get(ME, headers=_cookie(later))).status_code == 200


async def test_logging_out_lets_the_browser_forget_what_it_kept(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    for path, body in ((LOGOUT, None), (f"/api/v1/users/{ann.id}/erase", {"confirm": ann.email})):
        headers = {**_cookie(await world.log_in(identity_app, ann)), "origin": BASE}
        answer = await identity_app.post(path, json=body, headers=headers)
        assert answer.status_code == 204, answer.text
        kept = {word.strip() for word in answer.headers["clear-site-data"].split(",")}
        assert kept >= {'"cache"', '"storage"'}
        cookie = SimpleCookie(answer.headers["set-cookie"])["roost_session"]
        assert (cookie.value, cookie["max-age"]) == ("", "0")


async def test_logging_out_ends_the_session_and_clears_the_cookie(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookie = await world.log_in(identity_app, ann)
    elsewhere = {**_cookie(cookie), "origin": "https://elsewhere.test"}
    for headers in (_cookie(cookie), elsewhere):
        refused = await identity_app.post(LOGOUT, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_REFUSED")
    answer = await identity_app.post(LOGOUT, headers={**_cookie(cookie), "origin": BASE})
    assert answer.status_code == 204, answer.text
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert (await identity_app.get(ME, headers=_cookie(cookie))).status_code == 401


async def test_a_token_cannot_log_out(identity_app: httpx.AsyncClient, ann: Somebody) -> None:
    assert (await identity_app.post(LOGOUT, headers=ann.headers)).status_code == 403


async def test_sessions_are_listed_and_ended(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    first, second = [await world.log_in(identity_app, ann) for _ in range(2)]
    path = f"/api/v1/users/{ann.id}/sessions"
    listed = (await identity_app.get(path, headers=_cookie(first))).json()["data"]
    assert sorted(session["current"] for session in listed) == [False, True]
    [other] = [session["id"] for session in listed if not session["current"]]
    headers = {**_cookie(first), "origin": BASE}
    assert (await identity_app.delete(f"{path}/{other}", headers=headers)).status_code == 204
    assert (await identity_app.delete(f"{path}/{other}", headers=headers)).status_code == 404
    assert (await identity_app.get(ME, headers=_cookie(second))).status_code == 401
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    assert (await identity_app.get(ME, headers=_cookie(first))).status_code == 401


async def test_a_member_sees_nobody_elses_sessions(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    path = f"/api/v1/users/{ann.id}/sessions"
    assert (await identity_app.get(path, headers=member.headers)).status_code == 403
    assert (await identity_app.delete(path, headers=member.headers)).status_code == 403
    assert (await identity_app.get(f"/api/v1/users/{member.id}/sessions", headers=ann.headers)
            ).status_code == 200  # fmt: skip


async def test_no_provider_is_pretended(identity_app: httpx.AsyncClient) -> None:
    answer = await identity_app.get("/api/v1/auth/providers")
    assert answer.json() == {"data": []}


async def test_production_makes_the_cookie_secure_and_refuses_plain_http(
    world: World, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    async with served(
        world.database,
        authenticator,
        lambda kit: IdentityRoutes(kit, authenticator, production=True).endpoints(),
    ) as client:
        secret = await administration.create_login_link(world.owner, ann.id)
        app = client._transport.app  # type: ignore[attr-defined]
        remote = httpx.ASGITransport(app=app, client=("203.0.113.9", 4000))
        async with httpx.AsyncClient(transport=remote, base_url=BASE) as outside:
            assert (await _follow(outside, secret)).status_code == 403
        https = BASE.replace("http:", "https:")
        async with httpx.AsyncClient(transport=remote, base_url=https) as outside:
            answer = await _follow(outside, secret)
    assert answer.status_code == 303
    assert SimpleCookie(answer.headers["set-cookie"])["roost_session"]["secure"]


@pytest.mark.parametrize(
    ("public_url", "status"), [("https://roost.example.test", 303), ("http://roost.test", 403)]
)
async def test_the_public_address_says_whether_a_log_in_behind_a_proxy_is_secure(
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    public_url: str,
    status: int,
) -> None:
    routes = partial(IdentityRoutes, authenticator=authenticator, production=True)
    async with served(
        world.database,
        authenticator,
        lambda kit: routes(kit, public_url=public_url).endpoints(),
    ) as client:
        secret = await administration.create_login_link(world.owner, ann.id)
        app = client._transport.app  # type: ignore[attr-defined]
        proxy = httpx.ASGITransport(app=app, client=("203.0.113.9", 4000))
        async with httpx.AsyncClient(transport=proxy, base_url=BASE) as outside:
            answer = await _follow(outside, secret)
    assert answer.status_code == status
    if status == 303:
        assert SimpleCookie(answer.headers["set-cookie"])["roost_session"]["secure"]


async def test_logging_in_spoils_nobodys_edit(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    before = (await identity_app.get(ME, headers=ann.headers)).json()["data"]
    await world.log_in(identity_app, ann)
    answer = await identity_app.patch(
        f"/api/v1/users/{ann.id}",
        json={"name": "Ann"},
        headers={**ann.headers, "if-match": f'"v{before["version"]}"'},
    )
    assert answer.status_code == 200, answer.text
