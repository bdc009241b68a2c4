"""Service tokens: agents with one token, in one workspace."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from roost.errors import ProblemError
from roost.identity import administration
from roost.identity.access import credentials
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.administration import OperatorError
from roost.identity.login.sessions import Client, log_in
from tests.identity.conftest import Somebody, World

API = "/api/v1"
TOKENS = f"{API}/tokens"
ME = f"{API}/users/me"


def by(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def make(client: httpx.AsyncClient, maker: Somebody, **body: Any) -> dict[str, Any]:
    answer = await client.post(
        TOKENS, json={"name": "robot", "kind": "service", **body}, headers=maker.headers
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


async def me(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    answer = await client.get(ME, headers=by(token))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


async def test_a_service_token_is_an_agent_of_its_own(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    made = await make(identity_app, ann)
    assert (made["kind"], made["role"], made["name"]) == ("service", "member", "robot")
    agent = await me(identity_app, made["token"])
    assert agent["id"] == made["userId"] != str(ann.id)
    assert (agent["kind"], agent["role"], agent["name"]) == ("agent", "member", "robot")
    assert agent["email"] == f"{agent['id']}@agents.noreply.invalid"
    found = await identity_app.get(f"{API}/users?kind=agent", headers=ann.headers)
    assert [user["id"] for user in found.json()["data"]] == [agent["id"]]
    people = await identity_app.get(f"{API}/users?kind=person", headers=ann.headers)
    assert [user["id"] for user in people.json()["data"]] == [str(ann.id)]
    members = await identity_app.get(
        f"{API}/workspaces/{ann.workspace_id}/members", headers=ann.headers
    )
    assert {member["kind"] for member in members.json()["data"]} == {"person", "agent"}
    journal = await world.owner.fetch(
        "select actor_id from journal.journal where row_id like $1", f"%{agent['id']}%"
    )
    assert {row["actor_id"] for row in journal} == {ann.id}, "the maker made it"


async def test_what_an_agent_does_is_told_as_the_agents(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    made = await make(identity_app, ann, role="admin")
    body = {"provider": "github", "providerId": "1", "email": "n@example.test"}
    added = await identity_app.post(f"{API}/users", json=body, headers=by(made["token"]))
    assert added.status_code == 201, added.text
    audit = f"{API}/workspaces/{ann.workspace_id}/audit"
    wanted = f"action=user.added&actor={made['userId']}"
    answer = await identity_app.get(f"{audit}?{wanted}", headers=ann.headers)
    [event] = answer.json()["data"]
    assert event["actor"] == {
        "name": "robot",
        "email": f"{made['userId']}@agents.noreply.invalid",
        "kind": "agent",
    }
    journal = await world.owner.fetch(
        "select actor_id from journal.journal where row_id like $1",
        f"%{added.json()['data']['id']}%",
    )
    assert {str(row["actor_id"]) for row in journal} == {made["userId"]}


async def test_an_agent_outlives_its_makers_membership(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    admin = await world.member(ann, "admin@example.test", "admin", ["*"])
    made = await make(identity_app, admin)
    mine = (await identity_app.post(TOKENS, json={"name": "x"}, headers=admin.headers)).json()
    await world.owner.execute("delete from memberships where user_id = $1", admin.id)
    fresh = DatabaseAuthenticator(world.database)
    assert await fresh.authenticate(mine["data"]["token"], None, None) is None
    assert await fresh.authenticate(made["token"], None, None) is not None


@pytest.mark.parametrize(
    ("maker", "body", "status"),
    [
        ("owner", {"role": "admin"}, 201),
        ("admin", {"role": "admin"}, 201),
        ("admin", {"role": "viewer", "scopes": ["tasks:read"]}, 201),
        ("admin", {"role": "viewer", "scopes": ["tasks:*"]}, 201),
        ("admin", {"role": "viewer", "scopes": ["invitations:read"]}, 403),
        ("admin", {"role": "member", "scopes": ["admin"]}, 403),
        ("admin", {"role": "admin", "scopes": ["workspaces:create"]}, 403),
        ("admin", {"role": "owner"}, 400),
        ("admin", {"role": "king"}, 400),
        ("admin", {"kind": "personal", "role": "viewer"}, 400),
        ("admin", {"kind": "robot"}, 400),
        ("member", {}, 403),
        ("viewer", {"role": "viewer"}, 403),
    ],
)  # fmt: skip
async def test_administrators_make_agents_up_to_their_own_role(  # noqa: PLR0913, PLR0917 -- cases and fixtures
    identity_app: httpx.AsyncClient,
    world: World,
    ann: Somebody,
    maker: str,
    body: dict[str, Any],
    status: int,
) -> None:
    somebody = await world.member(ann, "maker@example.test", maker, ["*"])
    answer = await identity_app.post(
        TOKENS, json={"name": "robot", "kind": "service", **body}, headers=somebody.headers
    )
    assert answer.status_code == status, answer.text
    agents = await world.owner.fetchval("select count(*) from users where kind = 'agent'")
    assert agents == (status == 201)


async def test_a_token_without_the_scope_admin_makes_no_agent(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret, _, _ = await administration.create_token(world.owner, "n", ann.email, ["tokens:*"])
    body = {"name": "x", "kind": "service", "scopes": ["tokens:read"]}
    answer = await identity_app.post(TOKENS, json=body, headers=by(secret))
    assert answer.status_code == 403, answer.text


async def test_an_agent_reaches_no_other_workspace_whatever_its_scopes(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    made = await identity_app.post(
        f"{API}/workspaces", json={"name": "Second"}, headers=ann.headers
    )
    second = made.json()["data"]["id"]
    robot = await make(identity_app, ann, scopes=["*"], role="admin")
    assert robot["scopes"] == ["*"]
    for other in (second, str(bob.workspace_id), str(uuid4())):
        headers = {**by(robot["token"]), "roost-workspace": other}
        answer = await identity_app.get(ME, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
        in_path = await identity_app.get(
            f"{API}/workspaces/{other}/members", headers=by(robot["token"])
        )
        assert in_path.status_code == 404
    listed = await identity_app.get(f"{API}/workspaces", headers=by(robot["token"]))
    assert [one["id"] for one in listed.json()["data"]] == [str(ann.workspace_id)]


async def test_an_agent_makes_and_joins_no_workspace_and_no_token_of_its_own(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    robot = by((await make(identity_app, ann, scopes=["*"], role="admin"))["token"])
    refused = await identity_app.post(f"{API}/workspaces", json={"name": "x"}, headers=robot)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert "no agent has" in refused.json()["detail"]
    invited = await identity_app.post(
        f"{API}/workspaces/{bob.workspace_id}/invitations",
        json={"role": "member"},
        headers=bob.headers,
    )
    secret = invited.json()["data"]["token"]
    joined = await identity_app.post(f"{API}/invitations/{secret}/accept", headers=robot)
    assert (joined.status_code, joined.json()["code"]) == (403, "FORBIDDEN")
    for scopes in ({}, {"scopes": ["tasks:read"]}, {"scopes": ["*"]}):
        own = await identity_app.post(TOKENS, json={"name": "x", **scopes}, headers=robot)
        assert (own.status_code, own.json()["code"]) == (403, "FORBIDDEN"), scopes


async def test_an_agent_makes_agents_of_no_wider_rights(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    narrow = ["admin", "tokens:*", "tasks:read"]
    robot = by((await make(identity_app, ann, scopes=narrow, role="admin"))["token"])
    for scopes, status in ((["tasks:read"], 201), (["tasks:write"], 403), (["*"], 403)):
        body = {"name": "child", "kind": "service", "scopes": scopes}
        answer = await identity_app.post(TOKENS, json=body, headers=robot)
        assert answer.status_code == status, (scopes, answer.text)


async def test_to_revoke_its_token_deactivates_an_agent_and_keeps_its_name(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    robot = await make(identity_app, ann)
    assert (await me(identity_app, robot["token"]))["isActive"]
    gone = await identity_app.delete(f"{TOKENS}/{robot['id']}", headers=ann.headers)
    assert gone.status_code == 204
    assert (await identity_app.get(ME, headers=by(robot["token"]))).status_code == 401
    kept = await identity_app.get(f"{API}/users/{robot['userId']}", headers=ann.headers)
    assert (kept.json()["data"]["name"], kept.json()["data"]["isActive"]) == ("robot", False)
    assert await world.owner.fetchval("select is_active from users where id = $1", ann.id)


async def test_to_revoke_a_persons_token_leaves_the_person(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    gone = await identity_app.delete(f"{TOKENS}/{member.token_id}", headers=ann.headers)
    assert gone.status_code == 204
    assert await world.owner.fetchval("select is_active from users where id = $1", member.id)


async def test_to_remove_or_deactivate_an_agent_ends_its_token(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    removed, deactivated = [await make(identity_app, ann) for _ in range(2)]
    members = f"{API}/workspaces/{ann.workspace_id}/members"
    for robot, to in (
        (removed, f"{members}/{removed['userId']}"),
        (deactivated, f"{API}/users/{deactivated['userId']}"),
    ):
        assert (await me(identity_app, robot["token"]))["id"] == robot["userId"]
        answer = await identity_app.delete(to, headers=ann.headers)
        assert answer.status_code == 204, answer.text
        assert (await identity_app.get(ME, headers=by(robot["token"]))).status_code == 401
        shown = await identity_app.get(f"{TOKENS}/{robot['id']}", headers=ann.headers)
        assert shown.status_code == 404


async def test_an_agent_logs_in_by_no_link(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    robot = await make(identity_app, ann)
    agent_id = UUID(robot["userId"])
    secret = await administration.create_login_link(world.owner, agent_id)
    with pytest.raises(ProblemError, match="link"):
        await log_in(world.database, secret, Client(None, None, None, ""))
    assert await world.owner.fetchval("select count(*) from sessions") == 0
    with pytest.raises(OperatorError, match="no user with"):
        await administration.find_user(world.owner, f"{agent_id}@agents.noreply.invalid")


async def test_a_token_made_twice_with_one_key_is_one_agent(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    headers = {**ann.headers, "idempotency-key": "once"}
    for _ in range(2):
        answer = await identity_app.post(
            TOKENS, json={"name": "robot", "kind": "service"}, headers=headers
        )
        assert answer.status_code == 201
    assert await world.owner.fetchval("select count(*) from users where kind = 'agent'") == 1


async def test_the_operator_makes_agents_too(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    secret, token_id, workspace = await administration.create_token(
        world.owner, "deploy", ann.email, ["tasks:*"], agent_role="viewer"
    )
    assert credentials.is_access_token(secret)
    assert workspace == ann.workspace_id
    shown = await identity_app.get(f"{TOKENS}/{token_id}", headers=ann.headers)
    token = shown.json()["data"]
    assert (token["kind"], token["role"], token["scopes"]) == ("service", "viewer", ["tasks:*"])
    assert token["userId"] != str(ann.id)
