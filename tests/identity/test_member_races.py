"""Memberships that change in several places at once."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

import httpx
import pytest

from roost.db.pool import Database
from roost.identity.access.authenticator import DatabaseAuthenticator
from tests.identity.conftest import Somebody, World, until
from tests.identity.test_members import WORKSPACES, join, path, roles


@pytest.mark.parametrize("ways", [("patch", "patch"), ("delete", "delete"), ("patch", "delete")])
async def test_of_two_owners_who_go_at_once_one_stays(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, ways: tuple[str, str]
) -> None:
    other = await world.member(ann, "other@example.test", "owner", ["*"])
    for _ in range(5):
        await world.owner.execute(
            "insert into memberships (workspace_id, id, user_id, role) select $1, $2, u, 'owner'"
            " from unnest($3::uuid[]) u"
            " on conflict (workspace_id, user_id) do update set role = 'owner'",
            ann.workspace_id,
            uuid4(),
            [other.id],
        )
        await world.owner.execute(
            "update memberships set role = 'owner' where workspace_id = $1", ann.workspace_id
        )
        going = []
        for way, who in zip(ways, (ann, other), strict=True):
            # By session: a token would end with the membership.
            cookie = await world.log_in(identity_app, who)
            headers = {"cookie": f"roost_session={cookie}", "origin": "http://roost.test"}
            body = {"role": "member"} if way == "patch" else None
            going.append(
                identity_app.request(way.upper(), path(ann, who), json=body, headers=headers)
            )
        statuses = Counter(answer.status_code for answer in await asyncio.gather(*going))
        assert statuses[409] == 1, statuses
        assert Counter((await roles(world, ann)).values())["owner"] == 1
        if ann.id not in await roles(world, ann):
            await join(world, ann, ann, "owner")


async def test_a_transfer_to_somebody_who_leaves_at_once_leaves_an_owner(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    to = f"{WORKSPACES}/{ann.workspace_id}/transfer"
    for number in range(6):
        heir = await world.member(ann, f"heir{number}@example.test", "member", ["*"])
        given, left = await asyncio.gather(
            identity_app.post(to, json={"userId": str(heir.id)}, headers=ann.headers),
            identity_app.delete(path(ann, heir), headers=heir.headers),
        )
        assert (given.status_code, left.status_code) in {(200, 409), (404, 204)}
        assert Counter((await roles(world, ann)).values())["owner"] == 1
        await world.owner.execute(
            "update memberships set role = case when user_id = $2 then 'owner' else 'member' end"
            " where workspace_id = $1",
            ann.workspace_id,
            ann.id,
        )


async def test_two_removals_from_ones_last_workspaces_leave_one_of_ones_own(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    for number in range(4):
        member = await world.member(ann, f"m{number}@example.test", "member", ["*"])
        await join(world, bob, member, "member")
        answers = await asyncio.gather(
            identity_app.delete(path(ann, member), headers=ann.headers),
            identity_app.delete(path(bob, member), headers=bob.headers),
        )
        assert [answer.status_code for answer in answers] == [204, 204]
        homes = await world.owner.fetch(
            "select role from memberships where user_id = $1", member.id
        )
        assert [row["role"] for row in homes] == ["owner"]


async def test_other_workers_hear_of_lost_roles_and_memberships(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "admin", ["*"])
    cookie = await world.log_in(identity_app, member)
    wanted = str(ann.workspace_id)
    database = await Database.connect(world.config)
    try:
        async with DatabaseAuthenticator(database, world.config) as elsewhere:
            await until(lambda: elsewhere.cache.enabled)

            async def role() -> str | None:
                try:
                    found = await elsewhere.authenticate(None, cookie, wanted)
                except Exception as error:  # noqa: BLE001 -- told apart by its name
                    return type(error).__name__
                return found.role if found else None

            assert await role() == "admin"
            patched = await identity_app.patch(
                path(ann, member), json={"role": "viewer"}, headers=ann.headers
            )
            assert patched.status_code == 200
            await until(lambda: _is(role, "viewer"))
            removed = await identity_app.delete(path(ann, member), headers=ann.headers)
            assert removed.status_code == 204
            await until(lambda: _is(role, "ProblemError"))
            assert await elsewhere.authenticate(member.token, None, None) is None
    finally:
        await database.close()


async def _is(asked: Any, wanted: str) -> bool:
    return bool(await asked() == wanted)


async def test_a_principal_that_is_remembered_too_long_changes_nothing(
    identity_app: httpx.AsyncClient,
    authenticator: DatabaseAuthenticator,
    world: World,
    ann: Somebody,
) -> None:
    admin = await world.member(ann, "admin@example.test", "admin", ["*"])
    member = await world.member(ann, "m@example.test", "member", ["*"])
    assert (await identity_app.get(path(ann), headers=admin.headers)).status_code == 200
    async with world.owner.transaction():
        # Triggers stay silent: as if the worker had not heard of it yet.
        await world.owner.execute("alter table memberships disable trigger principal_changed")
        await world.owner.execute(
            "update memberships set role = 'viewer' where user_id = $1", admin.id
        )
        await world.owner.execute("alter table memberships enable trigger principal_changed")
    assert authenticator.cache.enabled
    workspace = f"{WORKSPACES}/{ann.workspace_id}"
    for method, to, body in (
        ("PATCH", path(ann, member), {"role": "admin"}),
        ("DELETE", path(ann, member), None),
        ("PATCH", workspace, {"name": "mine"}),
        ("POST", f"{workspace}/invitations", {"role": "admin"}),
    ):
        answer = await identity_app.request(method, to, json=body, headers=admin.headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN"), to
        # Still remembered as an admin: it was the service that refused.
        assert "role" in answer.json()["detail"] or "owner" in answer.json()["detail"]
    assert (await roles(world, ann))[member.id] == "member"
