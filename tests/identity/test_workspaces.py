"""Workspaces over HTTP."""

import asyncio
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from roost.identity import administration
from roost.identity.workspaces.service import slug_of
from tests.identity.conftest import Somebody, World
from tests.support.waiting import until_others_wait

WORKSPACES = "/api/v1/workspaces"
ME = "/api/v1/users/me"


async def test_a_new_workspace_belongs_to_who_made_it(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    body = {"name": "Skunk Works", "slug": "skunk"}
    answer = await identity_app.post(WORKSPACES, json=body, headers=ann.headers)
    assert answer.status_code == 201, answer.text
    made = answer.json()["data"]
    assert (made["slug"], made["role"], made["createdBy"]) == ("skunk", "owner", str(ann.id))
    path = f"{WORKSPACES}/{made['id']}"
    assert answer.headers["location"] == path
    assert (await identity_app.get(path, headers=ann.headers)).json()["data"] == made
    listed = (await identity_app.get(WORKSPACES, headers=ann.headers)).json()["data"]
    assert [row["id"] for row in listed] == [str(ann.workspace_id), made["id"]]
    cookie = await world.log_in(identity_app, ann)
    chosen = {"cookie": f"roost_session={cookie}", "roost-workspace": "skunk"}
    users = (await identity_app.get("/api/v1/users", headers=chosen)).json()["data"]
    assert [user["id"] for user in users] == [str(ann.id)]
    others = (await identity_app.get(WORKSPACES, headers=bob.headers)).json()["data"]
    assert [row["id"] for row in others] == [str(bob.workspace_id)]


async def test_a_foreign_workspace_is_a_404_like_one_that_does_not_exist(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    for workspace_id in (bob.workspace_id, uuid4()):
        path = f"{WORKSPACES}/{workspace_id}"
        for answer in (
            await identity_app.get(path, headers=ann.headers),
            await identity_app.get(f"{path}/members", headers=ann.headers),
            await identity_app.patch(path, json={"name": "x"}, headers=ann.headers),
            await identity_app.delete(path, headers=ann.headers),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    own = await identity_app.get(f"{WORKSPACES}/{bob.workspace_id}", headers=bob.headers)
    assert own.json()["data"]["version"] == 1


async def test_a_slug_is_unique_and_well_formed(
    identity_app: httpx.AsyncClient, ann: Somebody, bob: Somebody
) -> None:
    body = {"name": "One", "slug": "one"}
    assert (await identity_app.post(WORKSPACES, json=body, headers=ann.headers)).status_code == 201
    taken = await identity_app.post(WORKSPACES, json=body, headers=bob.headers)
    assert (taken.status_code, taken.json()["code"]) == (409, "CONFLICT")
    for slug in ("Upper", "a b", "-a", "a--b", "", str(uuid4()), "x" * 64, "a\n"):
        answer = await identity_app.post(
            WORKSPACES, json={"name": "x", "slug": slug}, headers=ann.headers
        )
        assert answer.status_code == 400, slug
        assert answer.json()["errors"][0]["field"] == "slug"


async def test_of_many_who_want_a_slug_one_gets_it(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    body = {"name": "One", "slug": "one"}
    answers = await asyncio.gather(
        *(identity_app.post(WORKSPACES, json=body, headers=ann.headers) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize("name", ["Skunk Works!", "\u00dcbung", "\u4e2d\u6587", "x" * 255, "--"])
def test_a_slug_is_made_of_any_name(name: str) -> None:
    slug = slug_of(name)
    assert len(slug) <= 63
    assert slug.replace("-", "").isalnum()
    assert not slug.startswith("-")
    assert slug_of(name) != slug


async def test_owners_and_admins_rename_and_others_do_not(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    path = f"{WORKSPACES}/{ann.workspace_id}"
    for role, status in (("admin", 200), ("member", 403), ("viewer", 403)):
        someone = await world.member(ann, f"{role}@example.test", role, ["*"])
        answer = await identity_app.patch(path, json={"name": role}, headers=someone.headers)
        assert answer.status_code == status, role
        deleted = await identity_app.delete(path, headers=someone.headers)
        assert deleted.status_code == 403, role
    found = (await identity_app.get(path, headers=ann.headers)).json()["data"]
    assert (found["name"], found["version"]) == ("admin", 2)


async def test_of_two_renames_of_the_same_version_one_wins(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    path = f"{WORKSPACES}/{ann.workspace_id}"
    headers = {**ann.headers, "if-match": '"v1"'}
    answers = await asyncio.gather(
        *(identity_app.patch(path, json={"name": f"n{n}"}, headers=headers) for n in range(2))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412]


async def test_a_deleted_workspace_is_gone_for_everybody_but_stays_in_the_database(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    made = await identity_app.post(WORKSPACES, json={"name": "Home"}, headers=ann.headers)
    home = made.json()["data"]["id"]
    member = await world.member(ann, "m@example.test", "member", ["*"])
    assert (await identity_app.get(ME, headers=member.headers)).status_code == 200
    path = f"{WORKSPACES}/{ann.workspace_id}"
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    for someone in (ann, member):
        assert (await identity_app.get(ME, headers=someone.headers)).status_code == 401
    token, _, workspace = await administration.create_token(world.owner, "t", ann.email, ["*"])
    assert str(workspace) == home
    by_token = {"authorization": f"Bearer {token}"}
    assert (await identity_app.get(path, headers=by_token)).status_code == 404
    assert await world.owner.fetchval(
        "select deleted_at is not null from workspaces where id = $1", ann.workspace_id
    )


async def test_members_without_another_workspace_get_one_when_theirs_is_deleted(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    await identity_app.post(WORKSPACES, json={"name": "Home"}, headers=ann.headers)
    member = await world.member(ann, "m@example.test", "member", ["*"])
    gone = await world.member(ann, "gone@example.test", "viewer", ["*"])
    await world.owner.execute("update users set is_active = false where id = $1", gone.id)
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, 'member')",
        ann.workspace_id,
        bob.id,
    )
    cookie = await world.log_in(identity_app, member)
    path = f"{WORKSPACES}/{ann.workspace_id}"
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    by_session = {"cookie": f"roost_session={cookie}"}
    me = await identity_app.get(ME, headers=by_session)
    assert (me.status_code, me.json()["data"]["role"]) == (200, "owner")
    [home] = (await identity_app.get(WORKSPACES, headers=by_session)).json()["data"]
    assert (home["name"], home["createdBy"]) == ("m", str(member.id))
    others = (await identity_app.get(WORKSPACES, headers=bob.headers)).json()["data"]
    assert [row["id"] for row in others] == [str(bob.workspace_id)]
    owned = "select count(*) from memberships where user_id = $1"
    assert await world.owner.fetchval(owned, gone.id) == 1


async def test_a_member_of_two_workspaces_deleted_at_once_gets_one_of_their_own(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "member", ["*"])
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, 'admin')",
        bob.workspace_id,
        uuid4(),
        member.id,
    )
    for someone in (ann, bob):
        await identity_app.post(WORKSPACES, json={"name": "Home"}, headers=someone.headers)
    cookie = await world.log_in(identity_app, member)
    async with asyncio.TaskGroup() as group, world.owner.transaction():
        # Nothing is written until both are as far as they get.
        await world.owner.execute("lock table workspaces in share mode")
        deletions = [
            group.create_task(
                identity_app.delete(f"{WORKSPACES}/{one.workspace_id}", headers=one.headers)
            )
            for one in (ann, bob)
        ]
        await until_others_wait(world.owner, 2)
    answers = [deletion.result() for deletion in deletions]
    assert [answer.status_code for answer in answers] == [204, 204]
    by_session = {"cookie": f"roost_session={cookie}"}
    found = (await identity_app.get(WORKSPACES, headers=by_session)).json()["data"]
    assert [row["role"] for row in found] == ["owner"]


async def _with_home(client: httpx.AsyncClient, world: World, owner: Somebody) -> dict[str, str]:
    """Make a second workspace, and a credential that outlives the first."""
    made = await client.post(WORKSPACES, json={"name": "Home"}, headers=owner.headers)
    home = UUID(made.json()["data"]["id"])
    token, _, _ = await administration.create_token(world.owner, "h", owner.email, ["*"], home)
    return {"authorization": f"Bearer {token}"}


async def _names(client: httpx.AsyncClient, headers: dict[str, str], **query: str) -> list[str]:
    answer = await client.get(WORKSPACES, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


async def test_a_deleted_workspace_is_restored_with_all_that_was_in_it(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    headers = await _with_home(identity_app, world, ann)
    member = await world.member(ann, "m@example.test", "member", ["*"])
    path = f"{WORKSPACES}/{ann.workspace_id}"
    before = (await identity_app.get(path, headers=ann.headers)).json()["data"]
    assert (before["deletedAt"], before["restorableUntil"]) == (None, None)
    stale = await identity_app.delete(path, headers={**ann.headers, "if-match": '"v7"'})
    assert (stale.status_code, stale.json()["currentVersion"]) == (412, 1)
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    assert await _names(identity_app, headers) == ["Home"]
    answer = await identity_app.get(WORKSPACES, params={"deleted": "true"}, headers=headers)
    [listed] = answer.json()["data"]
    assert listed["id"] == before["id"]
    moments = (datetime.fromisoformat(listed[name]) for name in ("restorableUntil", "deletedAt"))
    until_, deleted_at = moments
    assert until_ - deleted_at == timedelta(days=30)
    restored = await identity_app.post(f"{path}/restore", headers=headers)
    assert restored.status_code == 200, restored.text
    shown = restored.json()["data"]
    assert shown == {**before, "version": 3, "updatedAt": shown["updatedAt"]}
    for someone in (ann, member):
        assert (await identity_app.get(path, headers=someone.headers)).status_code == 200
    assert await _names(identity_app, headers, deleted="true") == []
    again = await identity_app.post(f"{path}/restore", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "CONFLICT")
    actions = await world.owner.fetch(
        "select action from audit_events where workspace_id = $1 order by id", ann.workspace_id
    )
    assert [row["action"] for row in actions][-2:] == ["workspace.deleted", "workspace.restored"]


async def test_only_owners_restore_and_only_for_thirty_days(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    headers = await _with_home(identity_app, world, ann)
    narrow, _, _ = await administration.create_token(
        world.owner, "n", bob.email, ["workspaces:*"], bob.workspace_id
    )
    by_narrow = {"authorization": f"Bearer {narrow}"}
    path = f"{WORKSPACES}/{ann.workspace_id}"
    insert = "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $3, $4)"
    await world.owner.execute(insert, ann.workspace_id, uuid4(), bob.id, "admin")
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    for role, by in (("admin", bob.headers), ("owner", by_narrow)):
        await world.owner.execute(
            "update memberships set role = $3 where workspace_id = $1 and user_id = $2",
            ann.workspace_id,
            bob.id,
            role,
        )
        assert await _names(identity_app, by, deleted="true") == []
        for to in (path, f"{WORKSPACES}/{uuid4()}"):
            answer = await identity_app.post(f"{to}/restore", headers=by)
            assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    await world.owner.execute(
        "update workspaces set deleted_at = now() - interval '30 days' where id = $1",
        ann.workspace_id,
    )
    assert await _names(identity_app, headers, deleted="true") == []
    assert (await identity_app.post(f"{path}/restore", headers=headers)).status_code == 404


async def test_the_slug_of_a_deleted_workspace_stays_reserved(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, bob: Somebody
) -> None:
    headers = await _with_home(identity_app, world, ann)
    path = f"{WORKSPACES}/{ann.workspace_id}"
    await identity_app.patch(path, json={"slug": "mine"}, headers=ann.headers)
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    body = {"name": "x", "slug": "mine"}
    taken = await identity_app.post(WORKSPACES, json=body, headers=bob.headers)
    assert taken.status_code == 409
    restored = await identity_app.post(f"{path}/restore", headers=headers)
    assert restored.json()["data"]["slug"] == "mine"


async def test_of_those_who_restore_at_once_one_does(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    headers = await _with_home(identity_app, world, ann)
    path = f"{WORKSPACES}/{ann.workspace_id}"
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    answers = await asyncio.gather(
        *(identity_app.post(f"{path}/restore", headers=headers) for _ in range(4))
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_who_was_an_owner_when_it_was_deleted_is_asked_not_when_the_wait_began(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    headers = await _with_home(identity_app, world, ann)
    path = f"{WORKSPACES}/{ann.workspace_id}"
    assert (await identity_app.delete(path, headers=ann.headers)).status_code == 204
    async with world.owner.transaction():
        await world.owner.execute(
            "select from workspaces where id = $1 for update", ann.workspace_id
        )
        restoring = asyncio.create_task(identity_app.post(f"{path}/restore", headers=headers))
        await until_others_wait(world.owner)
        await world.owner.execute(
            "update memberships set role = 'admin' where workspace_id = $1", ann.workspace_id
        )
    assert (await restoring).status_code == 404


async def test_the_only_workspace_cannot_be_deleted_even_two_at_once(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    own = f"{WORKSPACES}/{ann.workspace_id}"
    assert (await identity_app.delete(own, headers=ann.headers)).status_code == 409
    made = await identity_app.post(WORKSPACES, json={"name": "Two"}, headers=ann.headers)
    other = made.headers["location"]
    # As a session: a token would be gone with its workspace.
    cookie = await world.log_in(identity_app, ann)
    headers = {"cookie": f"roost_session={cookie}", "origin": "http://roost.test"}
    answers = await asyncio.gather(
        identity_app.delete(own, headers=headers), identity_app.delete(other, headers=headers)
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_members_are_listed_with_their_roles(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    member = await world.member(ann, "m@example.test", "viewer", ["*"])
    path = f"{WORKSPACES}/{ann.workspace_id}/members"
    answer = await identity_app.get(path, headers=member.headers)
    roles = {row["email"]: row["role"] for row in answer.json()["data"]}
    assert roles == {ann.email: "owner", member.email: "viewer"}
    assert answer.json()["pagination"]["total"] == 2


async def test_a_narrow_token_stays_in_its_workspace(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    made = await identity_app.post(WORKSPACES, json={"name": "Two"}, headers=ann.headers)
    other = made.headers["location"]
    secret, _, _ = await administration.create_token(
        world.owner, "narrow", ann.email, ["workspaces:*"], ann.workspace_id
    )
    headers = {"authorization": f"Bearer {secret}"}
    listed = (await identity_app.get(WORKSPACES, headers=headers)).json()["data"]
    assert [row["id"] for row in listed] == [str(ann.workspace_id)]
    assert (await identity_app.get(other, headers=headers)).status_code == 404
    assert (await identity_app.delete(other, headers=headers)).status_code == 404
    assert (
        await identity_app.post(WORKSPACES, json={"name": "x"}, headers=headers)
    ).status_code == 403


async def test_a_workspace_is_made_once_for_each_idempotency_key(
    identity_app: httpx.AsyncClient, ann: Somebody
) -> None:
    headers = {**ann.headers, "idempotency-key": "k"}
    answers = [
        await identity_app.post(WORKSPACES, json={"name": "Two"}, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    listed = (await identity_app.get(WORKSPACES, headers=ann.headers)).json()
    assert listed["pagination"]["total"] == 2
