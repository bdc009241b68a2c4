"""Who is in a workspace, followed live."""

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from roost.app import Application, running
from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from roost.settings import Settings
from tests.support.schema import as_role, pool_config
from tests.sync.follower import Follower


class Home:
    """A workspace, whom it has as a follower sees it, and a way past the server."""

    def __init__(self, client: httpx.AsyncClient, owner: Any, beside: Any) -> None:
        self.client, self.owner, self.beside = client, owner, beside
        self.workspace: UUID
        self.follower: Follower

    async def seen(self) -> dict[str | None, dict[str, str | None]]:
        tick = await self.beside.fetchval("select journal.make_tick()")
        await self.follower.catch_up((int(tick) << 20) | ((1 << 20) - 1))
        return {row["name"]: row for row in self.follower.rows.values()}

    async def user(self, email: str, name: str) -> UUID:
        user, _ = await administration.create_user(self.owner, email, name)
        return user

    async def join(self, user: UUID, role: str = "member") -> None:
        await self.beside.execute(
            "insert into memberships (workspace_id, id, user_id, role)"
            " values ($1, gen_random_uuid(), $2, $3)",
            self.workspace,
            user,
            role,
        )


@pytest.fixture
async def home(fresh_roost_database: str) -> AsyncIterator[Home]:
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    beside = await asyncpg.connect(fresh_roost_database)
    settings = Settings.from_environment({})
    with TemporaryDirectory() as directory:
        pool = pool_config(fresh_roost_database)
        application = Application(settings, pool, Path(directory), environment={})
        async with running(application):
            transport = httpx.ASGITransport(application)
            async with httpx.AsyncClient(transport=transport, base_url="http://r") as client:
                made = Home(client, owner, beside)
                await administration.create_user(owner, "me@example.test", "me")
                token, _, made.workspace = await administration.create_token(
                    owner, "t", "me@example.test", ["*"]
                )
                client.headers["authorization"] = f"Bearer {token}"
                made.follower = Follower(client, {"table": "users"})
                yield made
    await owner.close()
    await beside.close()


async def test_people_come_change_and_go(home: Home) -> None:
    assert list(await home.seen()) == ["me"]
    ann = await home.user("ann@example.test", "Ann")
    assert list(await home.seen()) == ["me"]
    await home.join(ann)
    seen = await home.seen()
    assert seen["Ann"] == {
        "workspace_id": str(home.workspace),
        "id": str(ann),
        "kind": "person",
        "name": "Ann",
        "avatar_url": None,
        "role": "member",
        "is_active": "t",
        "created_at": seen["Ann"]["created_at"],
    }
    await home.beside.execute("update memberships set role = 'admin' where user_id = $1", ann)
    await home.beside.execute("update users set name = 'Anna' where id = $1", ann)
    assert (await home.seen())["Anna"]["role"] == "admin"
    await home.beside.execute("delete from memberships where user_id = $1", ann)
    assert list(await home.seen()) == ["me"]


async def test_a_user_of_two_workspaces_is_seen_in_each_by_its_role(home: Home) -> None:
    other = await home.user("other@example.test", "Other")
    theirs = await home.beside.fetchval(
        "select workspace_id from memberships where user_id = $1", other
    )
    await home.join(other, "viewer")
    assert (await home.seen())["Other"]["role"] == "viewer"
    roles = await home.beside.fetch("select workspace_id, role from workspace_users"
                                    " where id = $1", other)  # fmt: skip
    assert dict(map(tuple, roles)) == {theirs: "owner", home.workspace: "viewer"}


async def test_only_what_members_may_see_is_shown(home: Home) -> None:
    for columns in ("id,email", "id,preferences"):
        answer = await home.client.get(
            "/v1/shape", params={"table": "users", "offset": "-1", "columns": columns}
        )
        assert answer.status_code == 400
    await home.seen()
    assert "example.test" not in str(home.follower.rows)
    for where in ("id in (select id from users)", "email like '%'"):
        given = {"table": "users", "offset": "-1", "where": where}
        assert (await home.client.get("/v1/shape", params=given)).status_code == 400
    given = {"table": "tasks", "offset": "-1", "where": "created_by in (select id from users)"}
    assert (await home.client.get("/v1/shape", params=given)).status_code == 400
    assert (
        await home.client.get("/v1/shape", params={"table": "workspace_users", "offset": "-1"})
    ).status_code == 400


async def test_nothing_of_an_erased_user_stays_in_what_was_journaled(home: Home) -> None:
    name = "Zebediah Unmistakable"
    zeb = await home.user("zeb@example.test", name)
    token, _, _ = await administration.create_token(home.owner, "t", "zeb@example.test", ["*"])
    await home.join(zeb)
    assert name in await home.seen()
    gone = await home.client.post(
        f"/api/v1/users/{zeb}/erase",
        headers={"authorization": f"Bearer {token}"},
        json={"confirm": "zeb@example.test"},
    )
    assert gone.is_success, gone.text
    assert list(await home.seen()) == ["me"]
    left = await home.beside.fetchval(
        "select count(*) from journal.journal where old like $1 or new like $1", f"%{name}%"
    )
    assert left == 0


async def test_no_answer_is_for_caches_that_people_share(home: Home) -> None:
    shape = {"table": "users", "offset": "18446744073709551615_0", "handle": "1-1"}
    for params, status in (({"table": "users", "offset": "-1"}, 200), (shape, 409)):
        answer = await home.client.get("/v1/shape", params=params)
        assert answer.status_code == status
        assert "private" in answer.headers["cache-control"]
        assert "public" not in answer.headers["cache-control"]
