"""Sessions: what is shown of them, when they end, and who may end them."""

import asyncio
from uuid import uuid4

import httpx
import pytest

from roost.identity import administration
from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import Somebody, World, until
from tests.support.app import BASE

API = "/api/v1"
ME = f"{API}/users/me"


def by(cookie: str) -> dict[str, str]:
    return {"cookie": f"roost_session={cookie}"}


def path(of: Somebody) -> str:
    return f"{API}/users/{of.id}/sessions"


async def test_a_session_is_shown_with_its_place_and_last_use(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookies = []
    for agent in ("first/1", "second/2"):
        secret = await administration.create_login_link(world.owner, ann.id)
        answer = await identity_app.get(
            administration.LINK_PATH, params={"token": secret}, headers={"user-agent": agent}
        )
        cookies.append(answer.cookies["roost_session"])
        identity_app.cookies.clear()
    answer = await identity_app.get(path(ann), headers=by(cookies[1]))
    shown = {session["userAgent"]: session for session in answer.json()["data"]}
    assert {name: session["current"] for name, session in shown.items()} == {
        "first/1": False,
        "second/2": True,
    }
    for session in shown.values():
        assert session["address"] == "127.0.0.1"
        assert session["createdAt"] <= session["lastSeenAt"] < session["expiresAt"]
        assert all(cookie not in answer.text for cookie in cookies)


@pytest.mark.parametrize(
    ("moved", "lives"),
    [
        ("last_seen_at = now() - interval '7 days' + interval '1 minute'", True),
        ("last_seen_at = now() - interval '7 days' - interval '1 second'", False),
        ("expires_at = now() + interval '1 minute'", True),
        ("expires_at = now() - interval '1 second'", False),
    ],
)
async def test_a_session_ends_after_seven_idle_days_and_at_its_end(  # noqa: PLR0913, PLR0917 -- cases and fixtures
    identity_app: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
    moved: str,
    lives: bool,  # noqa: FBT001 -- a case
) -> None:
    cookie = await world.log_in(identity_app, ann)
    await world.owner.execute(f"update sessions set {moved}")
    authenticator.cache.forget()
    answer = await identity_app.get(ME, headers=by(cookie))
    assert answer.status_code == (200 if lives else 401)
    listed = (await identity_app.get(path(ann), headers=ann.headers)).json()["data"]
    assert len(listed) == lives


async def test_a_session_lives_thirty_days_however_much_it_is_used(
    identity_app: httpx.AsyncClient,
    world: World,
    authenticator: DatabaseAuthenticator,
    ann: Somebody,
) -> None:
    cookie = await world.log_in(identity_app, ann)
    life = "select expires_at - created_at = interval '30 days' from sessions"
    assert await world.owner.fetchval(life)
    await world.owner.execute("update sessions set last_seen_at = now() - interval '1 hour'")
    authenticator.cache.forget()
    assert (await identity_app.get(ME, headers=by(cookie))).status_code == 200
    await authenticator.usage.flush()
    assert await world.owner.fetchval(
        "select last_seen_at > now() - interval '1 minute' from sessions"
    )
    assert await world.owner.fetchval(life), "to use it does not prolong it"


async def test_a_log_in_gives_a_new_id_and_the_old_one_is_worth_nothing(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    old = await world.log_in(identity_app, ann)
    secret = await administration.create_login_link(world.owner, ann.id)
    answer = await identity_app.get(
        administration.LINK_PATH, params={"token": secret}, headers=by(old)
    )
    new = answer.cookies["roost_session"]
    identity_app.cookies.clear()
    assert new != old
    assert (await identity_app.get(ME, headers=by(new))).status_code == 200
    stolen = await identity_app.get(ME, headers=by(old))
    assert stolen.status_code == 401


async def test_an_ended_session_is_refused_by_other_workers_within_a_second(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookie = await world.log_in(identity_app, ann)
    async with DatabaseAuthenticator(world.database, world.config) as second_worker:
        await until(lambda: second_worker.cache.enabled)
        assert await second_worker.authenticate(None, cookie, None) is not None
        answer = await identity_app.delete(path(ann), headers={**by(cookie), "origin": BASE})
        assert answer.status_code == 204

        async def refused() -> bool:
            return await second_worker.authenticate(None, cookie, None) is None

        async with asyncio.timeout(1):
            await until(refused)


async def _join(world: World, of: Somebody, who: Somebody, role: str = "member") -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, $4)",
        of.workspace_id,
        uuid4(),
        who.id,
        role,
    )


async def test_an_admin_ends_all_sessions_of_any_member_and_one_only_of_their_own(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    await _join(world, ann, bob)
    for user, status in ((member, 204), (bob, 403)):
        cookie = await world.log_in(identity_app, user)
        here = {**by(cookie), "roost-workspace": str(ann.workspace_id)}
        [session] = (await identity_app.get(path(user), headers=here)).json()["data"]
        one = await identity_app.delete(f"{path(user)}/{session['id']}", headers=ann.headers)
        assert one.status_code == status, one.text
        await world.log_in(identity_app, user)
        every = await identity_app.delete(path(user), headers=ann.headers)
        assert every.status_code == 204, every.text
        assert (await identity_app.get(ME, headers=here)).status_code == 401
        assert await world.owner.fetchval(
            "select bool_and(revoked_at is not null) from sessions where user_id = $1", user.id
        )


async def test_only_an_owner_ends_an_owners_sessions_and_no_member_anybodys(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await _join(world, ann, bob, "owner")
    cookie = await world.log_in(identity_app, bob)
    for role, status in (("member", 403), ("admin", 403), ("owner", 204)):
        who = await world.member(ann, f"{role}@example.test", role, ["*"])
        answer = await identity_app.delete(path(bob), headers=who.headers)
        assert answer.status_code == status, role
        live = await identity_app.get(ME, headers=by(cookie))
        assert live.status_code == (401 if status == 204 else 200)


async def test_an_admin_sees_when_but_not_where_a_user_of_elsewhere_works(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    await _join(world, ann, bob)
    await world.log_in(identity_app, member)
    cookie = await world.log_in(identity_app, bob)
    cases = (
        (member, ann.headers, True),
        (bob, ann.headers, False),
        (bob, bob.headers, True),
        (bob, {**by(cookie), "roost-workspace": str(ann.workspace_id)}, True),
    )
    for user, headers, with_places in cases:
        answer = await identity_app.get(path(user), headers=headers)
        [session] = answer.json()["data"]
        shown = (session["address"] is not None, session["userAgent"] is not None)
        assert shown == (with_places, with_places), user.email
        assert session["lastSeenAt"]


async def test_a_token_of_one_workspace_ends_no_session_of_its_user(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    cookie = await world.log_in(identity_app, ann)
    [session] = (await identity_app.get(path(ann), headers=by(cookie))).json()["data"]
    narrow, _, _ = await administration.create_token(
        world.owner, "n", ann.email, ["users:write", "admin"]
    )
    headers = {"authorization": f"Bearer {narrow}"}
    for place in (path(ann), f"{path(ann)}/{session['id']}", f"{API}/users/{ann.id}"):
        answer = await identity_app.delete(place, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        assert "a session, or a token with the scope '*'" in answer.json()["detail"]
    named = await identity_app.patch(f"{API}/users/{ann.id}", json={"name": "Ann"}, headers=headers)
    assert named.status_code == 200, "one's own profile takes no more than users:write"
    assert (await identity_app.get(ME, headers=by(cookie))).status_code == 200
    assert (await identity_app.delete(path(ann), headers=ann.headers)).status_code == 204


async def test_who_is_removed_from_a_workspace_is_cut_off_from_it_alone(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await _join(world, ann, bob)
    theirs = await world.log_in(identity_app, bob)
    here = {**by(theirs), "roost-workspace": str(ann.workspace_id)}
    assert (await identity_app.get(ME, headers=here)).status_code == 200
    gone = await identity_app.delete(
        f"{API}/workspaces/{ann.workspace_id}/members/{bob.id}", headers=ann.headers
    )
    assert gone.status_code == 204
    assert (await identity_app.get(ME, headers=here)).status_code == 404
    assert (await identity_app.get(ME, headers=by(theirs))).status_code == 200
