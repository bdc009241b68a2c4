"""Access tokens over HTTP."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest

from roost.identity import administration
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.web.principal import SCOPES
from tests.identity.conftest import Somebody, World

TOKENS = "/api/v1/tokens"
ME = "/api/v1/users/me"


def _by(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_a_token_is_shown_once_and_stored_hashed(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    answer = await identity_app.post(
        TOKENS, json={"name": "ci", "scopes": ["users:read"]}, headers=ann.headers
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    secret = made["token"]
    assert credentials.is_access_token(secret)
    assert (made["name"], made["scopes"], made["hint"]) == ("ci", ["users:read"], secret[-4:])
    assert (await identity_app.get(ME, headers=_by(secret))).status_code == 200
    listed = await identity_app.get(TOKENS, headers=ann.headers)
    assert secret not in listed.text
    assert {token["name"] for token in listed.json()["data"]} == {"ci", "test"}
    for table in ("access_tokens", "journal.journal"):
        assert not await world.owner.fetchval(
            f"select count(*) from {table} t where t::text like $1",
            f"%{secret}%",
        )


async def test_a_repeated_request_does_not_give_the_secret_again(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    headers = {**ann.headers, "idempotency-key": "once"}
    first = await identity_app.post(TOKENS, json={"name": "ci"}, headers=headers)
    again = await identity_app.post(TOKENS, json={"name": "ci"}, headers=headers)
    assert first.status_code == again.status_code == 201, again.text
    secret = first.json()["data"].pop("token")
    assert "token" not in again.json()["data"]
    assert again.json()["data"]["id"] == first.json()["data"]["id"]
    kept = await world.owner.fetch("select body from idempotency_keys")
    assert all(secret.encode() not in row["body"] for row in kept)


@pytest.mark.parametrize(
    ("own", "wanted", "allowed"),
    [
        (["*"], ["*"], True),
        (["*"], ["tasks:*", "migration:write"], True),
        (["tokens:*", "tasks:read"], ["tasks:read"], True),
        (["tokens:*", "tasks:write"], ["tasks:read"], True),
        (["tokens:*", "tasks:write"], ["tasks:*"], True),
        (["tokens:*", "tasks:read"], ["tasks:write"], False),
        (["tokens:*", "tasks:read"], ["tasks:*"], False),
        (["tokens:*", "tasks:*"], ["*"], False),
        (["tokens:*"], ["admin"], False),
    ],
)
async def test_a_token_gives_no_more_than_it_has(  # noqa: PLR0913, PLR0917 -- cases and fixtures
    identity_app: httpx.AsyncClient,
    world: World,
    ann: Somebody,
    own: list[str],
    wanted: list[str],
    allowed: bool,  # noqa: FBT001 -- a case
) -> None:
    secret, _, _ = await administration.create_token(world.owner, "narrow", ann.email, own)
    answer = await identity_app.post(
        TOKENS, json={"name": "child", "scopes": wanted}, headers=_by(secret)
    )
    assert answer.status_code == (201 if allowed else 403), answer.text


async def test_without_scopes_the_child_has_its_parents(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret, _, _ = await administration.create_token(world.owner, "n", ann.email, ["tokens:*"])
    answer = await identity_app.post(TOKENS, json={"name": "child"}, headers=_by(secret))
    assert answer.json()["data"]["scopes"] == ["tokens:*"]
    child = answer.json()["data"]["token"]
    assert (await identity_app.get(ME, headers=_by(child))).status_code == 403


async def test_a_member_cannot_ask_for_an_admins_scope(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    body = {"name": "x", "scopes": ["admin"]}
    answer = await identity_app.post(TOKENS, json=body, headers=member.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_a_token_expires_and_its_children_with_it(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    soon = await identity_app.post(
        TOKENS, json={"name": "soon", "expiresIn": 3600}, headers=ann.headers
    )
    parent = soon.json()["data"]
    child = await identity_app.post(TOKENS, json={"name": "c"}, headers=_by(parent["token"]))
    assert child.json()["data"]["expiresAt"] == parent["expiresAt"]
    longer = await identity_app.post(
        TOKENS, json={"name": "c", "expiresIn": 7200}, headers=_by(parent["token"])
    )
    assert longer.status_code == 403
    exact = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    dated = await identity_app.post(
        TOKENS, json={"name": "d", "expiresAt": exact}, headers=ann.headers
    )
    assert datetime.fromisoformat(dated.json()["data"]["expiresAt"]).isoformat() == exact


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "x", "scopes": ["tasks:fly"]}, "scopes[0]"),
        ({"name": "x", "scope": ["*"]}, "scope"),
        ({"name": "x", "expiresIn": 0}, "expiresIn"),
        ({"name": "x", "expiresIn": 2**60}, "expiresIn"),
        ({"name": "x", "expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"name": "x", "expiresAt": "2031-01-01T00:00:00"}, "expiresAt"),
        ({"name": "x", "expiresAt": "0001-01-01T00:00:00+14:00"}, "expiresAt"),
        ({"name": "x", "expiresAt": "9999-12-31T23:59:59-14:00"}, "expiresAt"),
        ({"name": "x", "expiresAt": "2999-01-01T00:00:00Z", "expiresIn": 5}, "expiresIn"),
    ],
)
async def test_a_bad_body_names_its_field(
    identity_app: httpx.AsyncClient, ann: Somebody, body: dict[str, object], field: str
) -> None:
    answer = await identity_app.post(TOKENS, json=body, headers=ann.headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["errors"][0]["field"] == field


async def test_members_see_and_revoke_their_own_tokens_and_admins_all(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    own = (await identity_app.get(TOKENS, headers=member.headers)).json()["data"]
    assert [token["id"] for token in own] == [str(member.token_id)]
    every = (await identity_app.get(TOKENS, headers=ann.headers)).json()["data"]
    assert {token["id"] for token in every} == {str(ann.token_id), str(member.token_id)}
    for token_id in (ann.token_id, bob.token_id, uuid4()):
        answer = await identity_app.delete(f"{TOKENS}/{token_id}", headers=member.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "TOKEN_NOT_FOUND")
    path = f"{TOKENS}/{member.token_id}"
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 404
    assert (await identity_app.get(ME, headers=member.headers)).status_code == 401
    assert (await identity_app.get(ME, headers=bob.headers)).status_code == 200


async def test_many_revocations_at_once_happen_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    _, token_id, _ = await administration.create_token(world.owner, "x", ann.email, ["*"])
    answers = await asyncio.gather(
        *(identity_app.delete(f"{TOKENS}/{token_id}", headers=ann.headers) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [204, 404, 404, 404]


async def test_a_token_is_read_by_its_user_and_by_administrators(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    for reader, token_id, status in (
        (ann, ann.token_id, 200),
        (ann, member.token_id, 200),
        (member, member.token_id, 200),
        (member, ann.token_id, 404),
        (bob, ann.token_id, 404),
        (ann, uuid4(), 404),
    ):
        answer = await identity_app.get(f"{TOKENS}/{token_id}", headers=reader.headers)
        assert answer.status_code == status, (reader.email, token_id)
        if status == 404:
            assert answer.json()["code"] == "TOKEN_NOT_FOUND"
        else:
            token = answer.json()["data"]
            assert (token["id"], token["kind"]) == (str(token_id), "personal")
            assert "token" not in token
    listed = (await identity_app.get(TOKENS, headers=member.headers)).json()["data"]
    [own] = listed
    assert own["role"] == "member"


async def test_the_last_use_of_a_token_is_shown(
    identity_app: httpx.AsyncClient, authenticator: DatabaseAuthenticator, ann: Somebody
) -> None:
    path = f"{TOKENS}/{ann.token_id}"
    before = (await identity_app.get(path, headers=ann.headers)).json()["data"]
    assert before["lastUsedAt"] is None
    await authenticator.usage.flush()
    after = (await identity_app.get(path, headers=ann.headers)).json()["data"]
    assert after["lastUsedAt"] is not None


async def test_expired_tokens_are_listed_until_they_are_revoked_and_can_be_left_out(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    _, token_id, _ = await administration.create_token(world.owner, "old", ann.email, ["*"])
    await world.owner.execute(
        "update access_tokens set expires_at = now() - interval '1 day' where id = $1", token_id
    )
    for query, names in (
        ("", {"old", "test"}),
        ("?expired=true", {"old"}),
        ("?expired=false", {"test"}),
        ("?kind=service", set()),
        ("?kind=personal", {"old", "test"}),
    ):
        answer = await identity_app.get(f"{TOKENS}{query}", headers=ann.headers)
        assert {token["name"] for token in answer.json()["data"]} == names, query


async def test_an_unknown_scope_is_told_which_there_are(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    body = {"name": "x", "scopes": ["tasks:read", "tasks:fly"]}
    answer = await identity_app.post(TOKENS, json=body, headers=ann.headers)
    [error] = answer.json()["errors"]
    assert (answer.status_code, error["field"]) == (400, "scopes[1]")
    assert all(scope in error["message"] for scope in SCOPES)


@pytest.mark.parametrize("kind", ["personal", "service"])
async def test_a_token_keeps_its_end_in_another_workspace_of_its_users(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, kind: str
) -> None:
    secret, token_id, _ = await administration.create_token(
        world.owner, "short", ann.email, ["*"], life=timedelta(minutes=5)
    )
    made = await identity_app.post(
        "/api/v1/workspaces", json={"name": "Second"}, headers=_by(secret)
    )
    there = {**_by(secret), "roost-workspace": made.json()["data"]["id"]}
    asked = {"name": "x", "kind": kind}
    longer = await identity_app.post(TOKENS, json={**asked, "expiresIn": 3600}, headers=there)
    assert (longer.status_code, longer.json()["code"]) == (403, "FORBIDDEN")
    child = await identity_app.post(TOKENS, json=asked, headers=there)
    assert child.status_code == 201, child.text
    end = await world.owner.fetchval("select expires_at from access_tokens where id = $1", token_id)
    assert datetime.fromisoformat(child.json()["data"]["expiresAt"]) == end


async def test_an_owners_token_is_an_owners_to_revoke(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    admin = await world.member(ann, "admin@example.test", "admin", ["*"])
    other = await world.member(ann, "other@example.test", "admin", ["*"])
    owner = await world.member(ann, "owner@example.test", "owner", ["*"])
    for token_id, by, status in (
        (ann.token_id, admin, 403),
        (other.token_id, admin, 204),
        (ann.token_id, owner, 204),
        (admin.token_id, admin, 204),
    ):
        answer = await identity_app.delete(f"{TOKENS}/{token_id}", headers=by.headers)
        assert answer.status_code == status, answer.text
    live = await world.owner.fetch("select id from access_tokens where revoked_at is null")
    assert [row["id"] for row in live] == [owner.token_id]
