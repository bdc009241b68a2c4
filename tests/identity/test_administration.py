"""What the command line does with people."""

import asyncio

import asyncpg
import httpx
import pytest

from roost.identity import administration
from roost.identity.administration import OperatorError
from tests.identity.conftest import Somebody, World


async def test_the_first_run_happens_once(world: World, identity_app: httpx.AsyncClient) -> None:
    assert await administration.is_first_run(world.owner)
    connections = [
        await asyncpg.connect(world.config.url.replace("roost_app", "roost_owner"))
        for _ in range(3)
    ]
    try:
        secrets = await asyncio.gather(*(administration.first_run(one) for one in connections))
    finally:
        for connection in connections:
            await connection.close()
    [secret] = [found for found in secrets if found is not None]
    assert not await administration.is_first_run(world.owner)
    answer = await identity_app.get(administration.LINK_PATH, params={"token": secret})
    assert answer.status_code == 303
    roles = await world.owner.fetch("select role from memberships")
    assert [row["role"] for row in roles] == ["owner"]


async def test_an_email_address_is_taken_once_whatever_its_case(
    world: World, ann: Somebody
) -> None:
    with pytest.raises(OperatorError, match="already"):
        await administration.create_user(world.owner, ann.email.upper())
    assert await world.owner.fetchval("select count(*) from workspaces") == 1
    assert await administration.find_user(world.owner, ann.email.upper()) == ann.id


@pytest.mark.parametrize("email", ["", "x", "a b@c", "@", "a@\x00", "a" * 320 + "@b"])
async def test_what_is_no_email_address_is_refused(world: World, email: str) -> None:
    with pytest.raises(OperatorError, match="not an e-mail address"):
        await administration.create_user(world.owner, email)


async def test_a_token_is_for_the_first_user_if_none_is_named(
    world: World, ann: Somebody, bob: Somebody
) -> None:
    _, _, workspace = await administration.create_token(world.owner, "x", None, ["*"])
    assert workspace == ann.workspace_id
    _, _, workspace = await administration.create_token(world.owner, "x", bob.email, ["tasks:read"])
    assert workspace == bob.workspace_id


async def test_what_is_unknown_is_named(world: World) -> None:
    with pytest.raises(OperatorError, match="no user yet"):
        await administration.create_token(world.owner, "x", None, ["*"])
    with pytest.raises(OperatorError, match=r"ghost@example\.test"):
        await administration.find_user(world.owner, "ghost@example.test")
    ann = await world.somebody("ann@example.test")
    with pytest.raises(OperatorError, match="tasks:fly"):
        await administration.create_token(world.owner, "x", None, ["tasks:fly"])
    with pytest.raises(OperatorError, match="no such workspace"):
        await administration.create_token(world.owner, "x", ann.email, ["*"], ann.id)


async def test_what_the_operator_does_with_people_is_in_the_audit_trail(
    world: World, ann: Somebody, bob: Somebody
) -> None:
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, 'viewer')",
        bob.workspace_id,
        ann.id,
    )
    secret = await administration.create_login_link(world.owner, ann.id)
    rows = await world.owner.fetch("select e.*, e::text as whole from audit_events e")
    told = {
        (row["action"], row["workspace_id"], row["target_id"])
        for row in rows
        if row["action"] in {"user.added", "login.link_created"}
    }
    assert told == {
        ("user.added", ann.workspace_id, str(ann.id)),
        ("user.added", bob.workspace_id, str(bob.id)),
        ("login.link_created", ann.workspace_id, str(ann.id)),
        ("login.link_created", bob.workspace_id, str(ann.id)),
    }
    for row in rows:
        assert '"by": "cli"' in row["details"]
        assert secret not in row["whole"]
        if row["action"] in {"user.added", "login.link_created"}:
            assert (row["actor_id"], row["address"], row["target_type"]) == (None, None, "user")


async def test_the_journal_names_who_and_why(world: World, ann: Somebody) -> None:
    rows = await world.owner.fetch("select distinct actor_id, cause from journal.journal")
    assert [(row["actor_id"], row["cause"]) for row in rows] == [(ann.id, "cli")]
    kept = await world.owner.fetchval("select count(*) from journal.journal")
    assert kept >= 4
