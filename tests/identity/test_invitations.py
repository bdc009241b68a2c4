"""Invitations: made, shown to whoever has the link, accepted once; over HTTP and as a page."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from tests.identity.conftest import Somebody, World
from tests.support.schema import as_role
from tests.support.server import serving

API = "/api/v1"
ORIGIN = {"origin": "http://roost.test"}
FORM = {"content-type": "application/x-www-form-urlencoded"}


def path(of: Somebody) -> str:
    return f"{API}/workspaces/{of.workspace_id}/invitations"


async def invite(client: httpx.AsyncClient, of: Somebody, **body: Any) -> dict[str, Any]:
    answer = await client.post(path(of), json={"role": "member", **body}, headers=of.headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


async def accept(client: httpx.AsyncClient, token: str, who: Somebody) -> httpx.Response:
    return await client.post(f"{API}/invitations/{token}/accept", headers=who.headers)


async def role_of(world: World, of: Somebody, who: Somebody) -> str | None:
    found: str | None = await world.owner.fetchval(
        "select role from memberships where workspace_id = $1 and user_id = $2",
        of.workspace_id,
        who.id,
    )
    return found


async def test_an_invitation_makes_its_holder_a_member_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann, role="viewer")
    assert made["url"] == f"http://roost.test/invitations/{made['token']}"
    shown = await identity_app.get(f"{API}/invitations/{made['token']}")
    assert shown.headers["cache-control"] == "no-store"
    assert shown.json()["data"] == {
        "workspaceName": "ann",
        "role": "viewer",
        "invitedBy": "ann",
        "isPersonal": False,
        "expiresAt": made["expiresAt"],
    }
    answer = await accept(identity_app, made["token"], bob)
    assert answer.status_code == 200, answer.text
    joined = answer.json()["data"]
    assert (joined["id"], joined["role"]) == (str(ann.workspace_id), "viewer")
    assert await role_of(world, ann, bob) == "viewer"
    listed = await identity_app.get(f"{API}/workspaces", headers=bob.headers)
    assert listed.json()["pagination"]["total"] == 2
    again = await accept(identity_app, made["token"], ann)
    assert (again.status_code, again.json()["code"]) == (404, "INVITATION_NOT_FOUND")
    open_ones = await identity_app.get(path(ann), headers=ann.headers)
    assert open_ones.json()["data"] == []


async def test_the_secret_is_in_no_list_table_journal_or_audit_event(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    headers = {**ann.headers, "idempotency-key": "once"}
    answers = [
        await identity_app.post(path(ann), json={"role": "admin"}, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    first, again = (answer.json()["data"] for answer in answers)
    secret = first.pop("token")
    assert secret in first.pop("url")
    assert first == again
    listed = await identity_app.get(path(ann), headers=ann.headers)
    assert listed.json()["data"] == [again]
    assert (await accept(identity_app, secret, bob)).status_code == 200
    await world.owner.execute(
        "select set_config('roost.workspace_id', $1, false)", str(ann.workspace_id)
    )
    for table in ("invitations", "journal.journal", "audit_events", "idempotency_keys"):
        rows = await world.owner.fetch(f"select t::text from {table} t")
        assert rows, table
        for row in rows:
            assert secret not in row[0], table
            assert secret.encode().hex() not in row[0], table
    actions = await world.owner.fetch(
        "select action from audit_events where workspace_id = $1 order by id", ann.workspace_id
    )
    assert [row["action"] for row in actions][-2:] == ["invitation.created", "member.joined"]


async def test_what_cannot_be_used_is_the_same_404_for_everybody(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = [await invite(identity_app, ann) for _ in range(5)]
    tokens = [one["token"] for one in made]
    revoked = await identity_app.delete(f"{path(ann)}/{made[0]['id']}", headers=ann.headers)
    assert revoked.status_code == 204
    await world.owner.execute(
        "update invitations set expires_at = now() - interval '1 second' where id = $1",
        UUID(made[1]["id"]),
    )
    other = await world.somebody("cyd@example.test")
    assert (await accept(identity_app, tokens[2], other)).status_code == 200
    gone = await world.member(ann, "gone@example.test", "admin", ["*"])
    for number, change in ((3, "role = 'member'"), (4, "role = 'viewer'")):
        await world.owner.execute(
            "update invitations set created_by = $2 where id = $1",
            UUID(made[number]["id"]),
            gone.id,
        )
        await world.owner.execute(f"update memberships set {change} where user_id = $1", gone.id)
    bad = [*tokens, "x" * 43, "x", "%00", "a/b", "\u00e9"]
    texts = set()
    for token in bad:
        answer = await identity_app.get(f"{API}/invitations/{token}")
        assert answer.status_code == 404, token
        if answer.json()["code"] == "INVITATION_NOT_FOUND":
            texts.add(answer.json()["detail"])
        used = await accept(identity_app, token, bob)
        assert used.status_code == 404, token
        page = await identity_app.get(f"/invitations/{token}")
        assert page.status_code == 404
    assert len(texts) == 1
    assert await role_of(world, ann, bob) is None
    again = await identity_app.delete(f"{path(ann)}/{made[0]['id']}", headers=ann.headers)
    assert (again.status_code, again.json()["code"]) == (404, "INVITATION_NOT_FOUND")


async def test_an_invitation_to_a_deleted_workspace_cannot_be_used_until_it_is_restored(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann)
    at = "update workspaces set deleted_at = {} where id = $1"
    await world.owner.execute(at.format("now()"), ann.workspace_id)
    assert (await identity_app.get(f"{API}/invitations/{made['token']}")).status_code == 404
    assert (await accept(identity_app, made["token"], bob)).status_code == 404
    await world.owner.execute(at.format("null"), ann.workspace_id)
    assert (await accept(identity_app, made["token"], bob)).status_code == 200


async def test_a_personal_invitation_is_for_that_address_whatever_its_case(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann, email="Cyd@Example.TEST")
    shown = await identity_app.get(f"{API}/invitations/{made['token']}")
    assert shown.json()["data"]["isPersonal"] is True
    assert "cyd" not in shown.text.lower()
    refused = await accept(identity_app, made["token"], bob)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert "cyd" not in refused.text.lower()
    cyd = await world.somebody("cyd@example.test")
    assert (await accept(identity_app, made["token"], cyd)).status_code == 200


@pytest.mark.parametrize(
    "case",
    [
        ("cyd@example.test", True, 200),
        ("CYD@example.test", True, 200),
        ("cyd@example.test", False, 403),
        ("other@example.test", True, 403),
    ],
)
async def test_an_address_that_no_provider_verified_opens_no_personal_invitation(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, case: tuple[str, bool, int]
) -> None:
    said, verified, status = case
    made = await invite(identity_app, ann, email="cyd@example.test")
    cyd = await world.somebody("cyd@example.test")
    await world.owner.execute(
        "insert into identities (id, user_id, provider, subject, subject_hash, email,"
        " email_verified) values ($1, $1, 'x', 'cyd', '\\x01', $2, $3)",
        cyd.id,
        said,
        verified,
    )
    assert (await accept(identity_app, made["token"], cyd)).status_code == status


async def test_a_member_keeps_their_role_and_the_invitation_stays_unused(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann, role="viewer")
    answer = await accept(identity_app, made["token"], ann)
    assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert await role_of(world, ann, ann) == "owner"
    assert (await accept(identity_app, made["token"], bob)).status_code == 200


async def test_of_ten_who_accept_at_once_one_joins(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    people = [await world.somebody(f"p{number}@example.test") for number in range(10)]
    made = await invite(identity_app, ann)
    answers = await asyncio.gather(*(accept(identity_app, made["token"], who) for who in people))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 404: 9}
    found = "select count(*) from memberships where workspace_id = $1"
    assert await world.owner.fetchval(found, ann.workspace_id) == 2


async def test_one_person_who_accepts_two_at_once_joins_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = [await invite(identity_app, ann, role=role) for role in ("viewer", "admin")]
    answers = await asyncio.gather(*(accept(identity_app, one["token"], bob) for one in made))
    assert sorted(answer.status_code for answer in answers) == [200, 409]
    used = "select count(*) from invitations where accepted_at is not null"
    assert await world.owner.fetchval(used) == 1


async def test_of_revoking_and_accepting_at_once_one_wins(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    for number in range(5):
        who = await world.somebody(f"p{number}@example.test")
        made = await invite(identity_app, ann)
        revoked, joined = await asyncio.gather(
            identity_app.delete(f"{path(ann)}/{made['id']}", headers=ann.headers),
            accept(identity_app, made["token"], who),
        )
        assert (revoked.status_code, joined.status_code) in {(204, 404), (404, 200)}
        assert (await role_of(world, ann, who) is None) is (joined.status_code == 404)


@pytest.mark.parametrize(
    ("role", "status"), [("owner", 201), ("admin", 201), ("member", 403), ("viewer", 403)]
)
async def test_owners_and_admins_invite(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, role: str, status: int
) -> None:
    someone = await world.member(ann, "s@example.test", role, ["*"])
    for invited in ("admin", "member", "viewer"):
        answer = await identity_app.post(path(ann), json={"role": invited}, headers=someone.headers)
        assert answer.status_code == status
    owner = await identity_app.post(path(ann), json={"role": "owner"}, headers=ann.headers)
    assert (owner.status_code, owner.json()["errors"][0]["field"]) == (400, "role")
    listed = await identity_app.get(path(ann), headers=someone.headers)
    assert listed.status_code == (200 if status == 201 else 403)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"role": "member", "expiresIn": 0},
        {"role": "member", "expiresIn": 30 * 24 * 3600 + 1},
        {"role": "member", "email": "nobody"},
        {"role": "member", "email": "a\x00@example.test"},
        {"role": "member", "more": 1},
    ],
)
async def test_a_bad_invitation_is_a_400(
    identity_app: httpx.AsyncClient, ann: Somebody, body: dict[str, Any]
) -> None:
    answer = await identity_app.post(path(ann), json=body, headers=ann.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


async def test_strangers_neither_see_nor_make_nor_revoke_invitations(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann)
    for method, to in (
        ("GET", path(ann)),
        ("POST", path(ann)),
        ("DELETE", f"{path(ann)}/{made['id']}"),
    ):
        body = {"role": "member"} if method == "POST" else None
        answer = await identity_app.request(method, to, json=body, headers=bob.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    # Nor by one's own workspace and the other's id.
    own = await identity_app.delete(f"{path(bob)}/{made['id']}", headers=bob.headers)
    assert (own.status_code, own.json()["code"]) == (404, "INVITATION_NOT_FOUND")
    assert (await identity_app.get(f"{API}/invitations/{made['token']}")).status_code == 200


async def test_a_narrow_token_joins_nothing(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann)
    secret, _, _ = await administration.create_token(world.owner, "n", bob.email, ["workspaces:*"])
    answer = await identity_app.post(
        f"{API}/invitations/{made['token']}/accept", headers={"authorization": f"Bearer {secret}"}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
    assert await role_of(world, ann, bob) is None


async def test_an_acceptance_that_is_repeated_with_its_key_answers_the_same(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    made = await invite(identity_app, ann)
    headers = {**bob.headers, "idempotency-key": "k"}
    to = f"{API}/invitations/{made['token']}/accept"
    first, again = [await identity_app.post(to, headers=headers) for _ in range(2)]
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()


async def test_looking_invitations_up_is_limited_by_address(
    identity_app: httpx.AsyncClient,
) -> None:
    for _ in range(30):
        answer = await identity_app.get(f"{API}/invitations/{'x' * 43}")
        assert answer.status_code == 404
    for to in (f"{API}/invitations/{'x' * 43}", f"/invitations/{'x' * 43}"):
        limited = await identity_app.get(to)
        assert (limited.status_code, limited.json()["code"]) == (429, "RATE_LIMITED")
        assert int(limited.headers["retry-after"]) > 0


async def test_the_page_leads_through_the_log_in_to_a_button_that_joins(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "update workspaces set name = '<b>\"&' where id = $1", ann.workspace_id
    )
    made = await invite(identity_app, ann, role="admin")
    page = f"/invitations/{made['token']}"
    before = await identity_app.get(page)
    assert (before.status_code, before.headers["cache-control"]) == (200, "no-store")
    assert "default-src 'none'" in before.headers["content-security-policy"]
    assert "&lt;b&gt;&quot;&amp;" in before.text
    assert '<b>"&' not in before.text
    assert f'href="/login?returnTo=%2Finvitations%2F{made["token"]}"' in before.text
    assert "<form" not in before.text
    cookie = await world.log_in(identity_app, bob)
    by_session = {"cookie": f"roost_session={cookie}"}
    shown = await identity_app.get(page, headers=by_session)
    assert f'<form method="post" action="{page}"><button>Join</button></form>' in shown.text
    for foreign in ({}, {"origin": "https://evil.example"}, {"origin": "null"}):
        refused = await identity_app.post(page, headers={**by_session, **FORM, **foreign})
        assert (refused.status_code, refused.json()["code"]) == (403, "ORIGIN_REFUSED")
    assert (await identity_app.post(page, headers=FORM)).status_code == 401
    joined = await identity_app.post(page, headers={**by_session, **FORM, **ORIGIN}, content=b"")
    assert (joined.status_code, joined.headers["location"]) == (303, "/docs")
    assert await role_of(world, ann, bob) == "admin"
    after = await identity_app.post(page, headers={**by_session, **FORM, **ORIGIN})
    assert after.status_code == 404
    assert "no such invitation" in after.text
    stale = await identity_app.get(page, headers={"cookie": f"roost_session={uuid4().hex}"})
    assert stale.status_code == 404


async def test_the_page_says_who_is_in_already_and_for_whom_it_is_not(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    for who, email, status, words in (
        (ann, None, 409, "You are in already"),
        (bob, "cyd@example.test", 403, "This is not for you"),
    ):
        made = await invite(identity_app, ann, email=email)
        cookie = await world.log_in(identity_app, who)
        headers = {"cookie": f"roost_session={cookie}", **FORM, **ORIGIN}
        answer = await identity_app.post(f"/invitations/{made['token']}", headers=headers)
        assert (answer.status_code, answer.headers["cache-control"]) == (status, "no-store")
        assert words in answer.text
        assert (await identity_app.get(f"{API}/invitations/{made['token']}")).status_code == 200


def test_a_running_server_logs_no_secret_of_an_invitation(fresh_roost_database: str) -> None:
    with serving("--database-url", as_role(fresh_roost_database, OWNER_ROLE)) as server:
        with server.client(server.token()) as owner:
            [workspace] = owner.get(f"{API}/workspaces").json()["data"]
            made = owner.post(
                f"{API}/workspaces/{workspace['id']}/invitations", json={"role": "viewer"}
            ).json()["data"]
            assert made["url"] == f"{server.url}/invitations/{made['token']}"
            for method, to, status in (
                ("GET", made["url"], 200),
                ("POST", f"{API}/invitations/{made['token']}/accept", 409),
                ("POST", made["url"], 409),
                ("DELETE", made["url"], 405),
                ("GET", f"{made['url']}/more", 404),
            ):
                answer = owner.request(method, to)
                assert answer.status_code == status, (method, to, answer.text)
            page = owner.get(made["url"])
            # With no-referrer, browsers send `Origin: null` with the form.
            assert page.headers["referrer-policy"] == "same-origin"
        assert server.stop() == 0
        assert "/invitations/{" in server.logged
        assert made["token"] not in server.logged + server.said
