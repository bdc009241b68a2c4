"""A task whose environment or assignee goes has changed: its next version, and its own tag."""

from typing import Any

import pytest

from tests.history.calls import World


@pytest.fixture
async def member(world: World, superuser: Any) -> str:
    """Somebody in alice's workspace to whom tasks can be assigned."""
    workspace = (await world.task())["workspaceId"]
    user = await superuser.fetchval(
        "insert into users (id, email) values (gen_random_uuid(), 'ann@example.test') returning id"
    )
    await superuser.execute(
        "insert into workspaces (id, slug, name, created_by) values ($1, 'alices', 'Hers', $2)",
        workspace,
        user,
    )
    await superuser.execute(
        "insert into memberships (workspace_id, id, user_id, role)"
        " values ($1, gen_random_uuid(), $2, 'member')",
        workspace,
        user,
    )
    return str(user)


async def test_a_deleted_environment_leaves_its_tasks_another_version(world: World) -> None:
    environment = await world.environment()
    task = await world.task(environmentId=environment["id"])
    path = f"/tasks/{task['id']}"
    answer = await world.client.get(f"/api/v1{path}")

    await world.ask("DELETE", f"/environments/{environment['id']}", status=204)

    left = await world.get(path)
    assert (left["environmentId"], left["version"]) == (None, 2)
    assert left["updatedAt"] > task["updatedAt"]
    stale = {"if-match": answer.headers["etag"]}
    await world.ask("PATCH", path, {"title": "x"}, 412, headers=stale)
    versions = [each["version"] for each in await world.get(f"{path}/history")]
    assert versions == [2, 1]


async def test_a_member_who_goes_leaves_their_tasks_another_version(
    world: World, superuser: Any, member: str
) -> None:
    task = await world.task(assigneeId=member)

    await superuser.execute("delete from memberships where user_id = $1::text::uuid", member)

    left = await world.get(f"/tasks/{task['id']}")
    assert (left["assigneeId"], left["version"]) == (None, 2)


async def test_a_change_that_takes_the_environment_away_is_one_version(world: World) -> None:
    environment = await world.environment()
    task = await world.task(environmentId=environment["id"])

    await world.patch(f"/tasks/{task['id']}", environmentId=None)

    assert (await world.get(f"/tasks/{task['id']}"))["version"] == 2
