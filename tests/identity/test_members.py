"""Members: their roles, leaving, removing, and workspaces that change hands."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.identity.conftest import Somebody, World
from tests.support.waiting import until_others_wait

WORKSPACES = "/api/v1/workspaces"
ROLES = ("owner", "admin", "member", "viewer")


def path(of: Somebody, member: Somebody | None = None) -> str:
    members = f"{WORKSPACES}/{of.workspace_id}/members"
    return f"{members}/{member.id}" if member else members


async def roles(world: World, of: Somebody) -> dict[UUID, str]:
    rows = await world.owner.fetch(
        "select user_id, role from memberships where workspace_id = $1", of.workspace_id
    )
    return {row["user_id"]: row["role"] for row in rows}


async def trail(world: World, workspace_id: UUID) -> list[str]:
    rows = await world.owner.fetch(
        "select action from audit_events where workspace_id = $1 order by id", workspace_id
    )
    return [row["action"] for row in rows]


async def join(world: World, of: Somebody, who: Somebody, role: str) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, $4)",
        of.workspace_id,
        uuid4(),
        who.id,
        role,
    )


async def test_members_are_found_by_role_and_by_a_part_of_name_or_email(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    for role in ("admin", "member", "viewer"):
        await world.member(ann, f"{role}@example.test", role, ["*"])

    async def emails(**query: Any) -> set[str]:
        answer = await identity_app.get(path(ann), params=query, headers=ann.headers)
        assert answer.status_code == 200, answer.text
        return {row["email"].partition("@")[0] for row in answer.json()["data"]}

    assert await emails() == {"ann", "admin", "member", "viewer"}
    assert await emails(role="owner,viewer") == {"ann", "viewer"}
    assert await emails(search="ADMIN@") == {"admin"}
    assert await emails(search="m", role=["member"]) == {"member"}
    assert await emails(search="%") == set()
    bad = await identity_app.get(path(ann), params={"role": "king"}, headers=ann.headers)
    assert bad.status_code == 400


async def test_a_stranger_and_a_narrow_token_of_elsewhere_see_no_members(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for method, to, body in (
        ("GET", path(ann), None),
        ("PATCH", path(ann, ann), {"role": "viewer"}),
        ("DELETE", path(ann, ann), None),
        ("POST", f"{WORKSPACES}/{ann.workspace_id}/transfer", {"userId": str(bob.id)}),
    ):
        answer = await identity_app.request(method, to, json=body, headers=bob.headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")


@pytest.mark.parametrize("actor", ROLES)
async def test_who_may_give_which_role_to_whom(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, actor: str
) -> None:
    someone = await world.member(ann, "actor@example.test", actor, ["*"])
    target = await world.member(ann, "target@example.test", "member", ["*"])
    for before in ROLES:
        for after in ROLES:
            await world.owner.execute(
                "update memberships set role = $2 where user_id = $1", target.id, before
            )
            answer = await identity_app.patch(
                path(ann, target), json={"role": after}, headers=someone.headers
            )
            touches_owner = before != after and "owner" in {before, after}
            allowed = actor == "owner" or (actor == "admin" and not touches_owner)
            assert answer.status_code == (200 if allowed else 403), (actor, before, after)
            found = (await roles(world, ann))[target.id]
            assert found == (after if allowed else before)
            if allowed:
                assert answer.json()["data"]["role"] == after


@pytest.mark.parametrize("actor", ROLES)
async def test_who_may_remove_whom(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, actor: str
) -> None:
    someone = await world.member(ann, "actor@example.test", actor, ["*"])
    for role in ROLES:
        target = await world.member(ann, f"{role}@example.test", role, ["*"])
        answer = await identity_app.delete(path(ann, target), headers=someone.headers)
        allowed = actor == "owner" or (actor == "admin" and role != "owner")
        assert answer.status_code == (204 if allowed else 403), (actor, role)
        assert (target.id in await roles(world, ann)) is not allowed
    left = await identity_app.delete(path(ann, someone), headers=someone.headers)
    assert left.status_code == 204
    assert someone.id not in await roles(world, ann)


async def test_a_token_without_the_permission_leaves_but_removes_nobody(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    admin = await world.member(ann, "admin@example.test", "admin", ["workspaces:leave"])
    member = await world.member(ann, "m@example.test", "member", ["*"])
    refused = await identity_app.delete(path(ann, member), headers=admin.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "FORBIDDEN")
    assert (await identity_app.delete(path(ann, admin), headers=admin.headers)).status_code == 204


async def test_the_last_owner_stays_an_owner(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    retired = await world.member(ann, "old@example.test", "owner", ["*"])
    await world.owner.execute("update users set is_active = false where id = $1", retired.id)
    for answer in (
        await identity_app.patch(path(ann, ann), json={"role": "admin"}, headers=ann.headers),
        await identity_app.delete(path(ann, ann), headers=ann.headers),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert (await roles(world, ann))[ann.id] == "owner"


async def test_an_unknown_member_is_a_404_and_a_bad_id_or_role_a_400(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for answer in (
        await identity_app.patch(path(ann, bob), json={"role": "viewer"}, headers=ann.headers),
        await identity_app.delete(path(ann, bob), headers=ann.headers),
        await identity_app.post(
            f"{WORKSPACES}/{ann.workspace_id}/transfer",
            json={"userId": str(bob.id)},
            headers=ann.headers,
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "USER_NOT_FOUND")
    for answer in (
        await identity_app.patch(path(ann, ann), json={"role": "king"}, headers=ann.headers),
        await identity_app.patch(path(ann, ann), json={}, headers=ann.headers),
        await identity_app.delete(f"{path(ann)}/me", headers=ann.headers),
    ):
        assert answer.status_code == 400


async def test_who_is_removed_gets_a_home_and_loses_tokens_and_tasks_of_the_workspace(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    cookie = await world.log_in(identity_app, member)
    by_session = {"cookie": f"roost_session={cookie}"}
    task, environment = uuid4(), uuid4()
    tenant = "select set_config('roost.workspace_id', $1, false)"
    await world.owner.execute(tenant, str(ann.workspace_id))
    await world.owner.execute(
        "insert into tasks (workspace_id, id, title, created_by, assignee_id)"
        " values ($1, $2, 't', $3, $3)",
        ann.workspace_id,
        task,
        member.id,
    )
    await world.owner.execute(
        "insert into environments (workspace_id, id, name, user_id) values ($1, $2, 'e', $3)",
        ann.workspace_id,
        environment,
        member.id,
    )
    assert (await identity_app.delete(path(ann, member), headers=ann.headers)).status_code == 204
    me = "/api/v1/users/me"
    assert (await identity_app.get(me, headers=member.headers)).status_code == 401
    shown = (await identity_app.get(me, headers=by_session)).json()["data"]
    assert (shown["id"], shown["role"]) == (str(member.id), "owner")
    [home] = (await identity_app.get(WORKSPACES, headers=by_session)).json()["data"]
    assert await trail(world, UUID(home["id"])) == ["workspace.created"]
    assert (await trail(world, ann.workspace_id))[-1] == "member.removed"
    row = await world.owner.fetchrow(
        "select assignee_id, created_by from tasks where id = $1", task
    )
    assert tuple(row) == (None, member.id)
    kept = "select user_id from environments where id = $1"
    assert await world.owner.fetchval(kept, environment) == member.id


async def test_who_has_another_workspace_gets_none_when_leaving(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await join(world, ann, bob, "viewer")
    assert (await identity_app.delete(path(ann, bob), headers=bob.headers)).status_code == 204
    listed = (await identity_app.get(WORKSPACES, headers=bob.headers)).json()["data"]
    assert [row["id"] for row in listed] == [str(bob.workspace_id)]
    assert (await trail(world, ann.workspace_id))[-1] == "member.left"


async def test_a_workspace_changes_hands(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    heir = await world.member(ann, "heir@example.test", "viewer", ["*"])
    admin = await world.member(ann, "admin@example.test", "admin", ["*"])
    to = f"{WORKSPACES}/{ann.workspace_id}/transfer"
    body = {"userId": str(heir.id)}
    assert (await identity_app.post(to, json=body, headers=admin.headers)).status_code == 403
    own = await identity_app.post(to, json={"userId": str(ann.id)}, headers=ann.headers)
    assert (own.status_code, own.json()["errors"][0]["field"]) == (400, "userId")
    answer = await identity_app.post(to, json=body, headers=ann.headers)
    assert (answer.status_code, answer.json()["data"]["role"]) == (200, "admin")
    assert await roles(world, ann) == {ann.id: "admin", heir.id: "owner", admin.id: "admin"}
    assert (await trail(world, ann.workspace_id))[-3:] == [
        "member.role_changed",
        "member.role_changed",
        "workspace.transferred",
    ]


@pytest.mark.parametrize("change", ["is_active = false", "kind = 'agent'"])
async def test_nobody_who_could_not_act_becomes_an_owner(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, change: str
) -> None:
    heir = await world.member(ann, "heir@example.test", "member", ["*"])
    await world.owner.execute(f"update users set {change} where id = $1", heir.id)
    for answer in (
        await identity_app.patch(path(ann, heir), json={"role": "owner"}, headers=ann.headers),
        await identity_app.post(
            f"{WORKSPACES}/{ann.workspace_id}/transfer",
            json={"userId": str(heir.id)},
            headers=ann.headers,
        ),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "CONFLICT")
    assert await roles(world, ann) == {ann.id: "owner", heir.id: "member"}


@pytest.mark.parametrize("way", ["transfer", "patch"])
async def test_who_is_being_deactivated_does_not_become_the_owner(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, way: str
) -> None:
    heir = await world.member(ann, "heir@example.test", "member", ["*"])
    transfer = f"{WORKSPACES}/{ann.workspace_id}/transfer"
    async with world.owner.transaction():
        await world.owner.execute("update users set is_active = false where id = $1", heir.id)
        giving = asyncio.create_task(
            identity_app.post(transfer, json={"userId": str(heir.id)}, headers=ann.headers)
            if way == "transfer"
            else identity_app.patch(path(ann, heir), json={"role": "owner"}, headers=ann.headers)
        )
        await until_others_wait(world.owner)
    assert (await giving).status_code == 409
    assert await roles(world, ann) == {ann.id: "owner", heir.id: "member"}


async def test_an_agent_that_is_removed_gets_no_workspace(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    agent = await world.member(ann, "agent@example.test", "member", ["tasks:*"])
    await world.owner.execute("update users set kind = 'agent' where id = $1", agent.id)
    assert (await identity_app.delete(path(ann, agent), headers=ann.headers)).status_code == 204
    owned = "select count(*) from memberships where user_id = $1"
    assert await world.owner.fetchval(owned, agent.id) == 0
