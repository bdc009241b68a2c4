"""Workspaces that were deleted long ago go for good; so do log-ins that are over."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from roost.db.pool import Database
from roost.db.roles import APP_ROLE
from roost.identity import administration
from roost.identity.workspaces.housekeeping import clean_up, keep_clean
from tests.db.rows import TABLES, TENANT_TABLES, fill
from tests.identity.conftest import Somebody, World, until
from tests.support.schema import as_role, pool_config
from tests.support.waiting import until_others_wait

WORKSPACES = "/api/v1/workspaces"


@dataclass
class Tenants:
    """Two tenants with a row in every table, as the superuser sees them, and the pool."""

    superuser: Any
    database: Database
    mine: dict[str, UUID]
    theirs: dict[str, UUID]

    async def delete(self, days: float) -> None:
        """Let the first one have been deleted that many days ago."""
        await self.superuser.execute(
            "update workspaces set deleted_at = now() - $2::float8 * interval '1 day'"
            " where id = $1",
            self.mine["workspaces"],
            days,
        )

    async def traces(self, tenant: dict[str, UUID]) -> dict[str, list[str]]:
        """Every row of any table, the journal's too, that names the workspace."""
        found = {}
        for table in (*(f'"{name}"' for name in TABLES), "journal.journal"):
            rows = await self.superuser.fetch(
                f"select t::text as row from {table} t where strpos(t::text, $1) > 0 order by 1",
                str(tenant["workspaces"]),
            )
            found[table] = [row["row"] for row in rows]
        return found


@pytest.fixture
async def tenants(fresh_roost_database: str) -> AsyncIterator[Tenants]:
    superuser = await asyncpg.connect(fresh_roost_database)
    database = await Database.connect(pool_config(fresh_roost_database))
    mine, theirs = [await fill(fresh_roost_database) for _ in range(2)]
    yield Tenants(superuser, database, mine, theirs)
    await database.close()
    await superuser.close()


async def test_after_thirty_days_nothing_of_a_deleted_workspace_is_left(tenants: Tenants) -> None:
    await tenants.delete(30.01)
    before = await tenants.traces(tenants.theirs)
    full = await tenants.traces(tenants.mine)
    assert all(full[f'"{name}"'] for name in (*TENANT_TABLES, "workspaces"))
    assert full["journal.journal"]
    assert await clean_up(tenants.database) == 1
    assert not any((await tenants.traces(tenants.mine)).values())
    assert await tenants.traces(tenants.theirs) == before
    assert await clean_up(tenants.database) == 0
    known = "select count(*) from users where id = $1"
    assert await tenants.superuser.fetchval(known, tenants.mine["users"]) == 1


@pytest.mark.parametrize("days", [None, 0.0, 29.0, 29.99])
async def test_before_that_it_is_not_touched(tenants: Tenants, days: float | None) -> None:
    if days is not None:
        await tenants.delete(days)
    before = await tenants.traces(tenants.mine)
    assert await clean_up(tenants.database) == 0
    async with tenants.database.connection() as connection:
        workspace = tenants.mine["workspaces"]
        assert not await connection.fetchval("select purge_workspace($1)", workspace)
        assert not await connection.fetchval("select purge_workspace($1)", uuid4())
    assert await tenants.traces(tenants.mine) == before


async def test_a_deleted_workspace_without_members_goes_at_once(tenants: Tenants) -> None:
    await tenants.delete(0)
    place = tenants.mine["workspaces"]
    await tenants.superuser.execute("delete from memberships where workspace_id = $1", place)
    assert await clean_up(tenants.database) == 1
    assert not any((await tenants.traces(tenants.mine)).values())


async def test_several_workers_at_once_purge_it_once(tenants: Tenants) -> None:
    await tenants.delete(31)
    done = await asyncio.gather(*(clean_up(tenants.database) for _ in range(4)))
    assert sum(done) == 1
    assert not any((await tenants.traces(tenants.mine)).values())


async def test_a_purge_leaves_the_transaction_where_it_was(tenants: Tenants) -> None:
    await tenants.delete(31)
    here = "select current_setting('roost.workspace_id', true)"
    async with tenants.database.connection() as connection:
        async with connection.transaction():
            theirs = str(tenants.theirs["workspaces"])
            await connection.execute("select set_config('roost.workspace_id', $1, true)", theirs)
            workspace = tenants.mine["workspaces"]
            assert await connection.fetchval("select purge_workspace($1)", workspace)
            assert await connection.fetchval(here) == theirs
        assert not await connection.fetchval(here)


async def _agent(world: World, of: Somebody, name: str) -> UUID:
    _, token_id, _ = await administration.create_token(
        world.owner, name, of.email, ["tasks:read"], agent_role="member"
    )
    found: UUID = await world.owner.fetchval(
        "select user_id from access_tokens where id = $1", token_id
    )
    return found


async def _holding(superuser: Any, words: str) -> set[str]:
    """Name the tables, the journal's too, with a row in which those words are."""
    found = set()
    for table in (*(f'"{name}"' for name in TABLES), "journal.journal"):
        if await superuser.fetchval(
            f"select exists (select from {table} t where strpos(t::text, $1) > 0)", words
        ):
            found.add(table)
    return found


async def test_agents_go_with_their_workspace_and_nothing_of_their_names_is_left(
    world: World, ann: Somebody, bob: Somebody, fresh_roost_database: str
) -> None:
    superuser = await asyncpg.connect(fresh_roost_database)
    try:
        await _agent(world, ann, "marker of hers")
        removed = await _agent(world, ann, "marker removed")
        stays = await _agent(world, bob, "keeper of his")
        both = await _agent(world, ann, "keeper of both")
        await world.owner.execute("delete from memberships where user_id = $1", removed)
        await world.owner.execute(
            "insert into memberships (workspace_id, id, user_id, role)"
            " values ($1, $2, $2, 'member')",
            bob.workspace_id,
            both,
        )
        await superuser.execute("update users set name = name || ' now' where kind = 'agent'")
        assert {'"users"', "journal.journal"} <= await _holding(superuser, "marker")
        kept = "select array_agg(u::text order by id) from users u where name like 'keeper%'"
        before = await superuser.fetchval(kept)
        await superuser.execute(
            "update workspaces set deleted_at = now() - interval '31 days' where id = $1",
            ann.workspace_id,
        )
        assert await clean_up(world.database) == 1
        assert await _holding(superuser, "marker") == set()
        agents = await superuser.fetch("select id from users where kind = 'agent'")
        assert {row["id"] for row in agents} == {stays, both}
        assert await superuser.fetchval(kept) == before
        assert "journal.journal" in await _holding(superuser, "keeper of his")
        people = await superuser.fetch("select id from users where kind = 'person'")
        assert {row["id"] for row in people} == {ann.id, bob.id}
    finally:
        await superuser.close()


async def test_log_ins_that_are_over_are_swept(tenants: Tenants) -> None:
    for table, column in (("login_attempts", "state_hash"), ("login_links", "token_hash")):
        assert await tenants.superuser.fetchval(f"select count({column}) from {table}") == 2
    user = tenants.mine["users"]
    ago = "now() - interval '{}'"
    for statement in (
        f"update login_attempts set expires_at = {ago.format('61 minutes')} where id = $1",
        f"update login_links set expires_at = {ago.format('8 days')} where id = $1",
        f"update sessions set revoked_at = {ago.format('31 days')} where id = $1",
    ):
        table = statement.split()[1]
        status = await tenants.superuser.execute(statement, tenants.mine[table])
        assert status == "UPDATE 1"
    for kept, ended in (
        ("last_seen_at = now() - interval '36 days'", False),
        ("last_seen_at = now() - interval '38 days'", True),
        ("expires_at = now() - interval '29 days'", False),
        ("expires_at = now() - interval '31 days'", True),
    ):
        session = uuid4()
        await tenants.superuser.execute(
            "insert into sessions (id, user_id, token_hash, expires_at)"
            " values ($1, $2, $3, now() + interval '1 day')",
            session,
            user,
            session.bytes,
        )
        await tenants.superuser.execute(f"update sessions set {kept} where id = $1", session)
        await clean_up(tenants.database)
        there = "select count(*) from sessions where id = $1"
        assert await tenants.superuser.fetchval(there, session) == (0 if ended else 1), kept
    for table in ("login_attempts", "login_links", "sessions"):
        rows = await tenants.superuser.fetch(f"select id from {table}")
        ids = {row["id"] for row in rows}
        assert tenants.mine[table] not in ids
        assert tenants.theirs[table] in ids


async def test_housekeeping_goes_on_after_a_failure(
    tenants: Tenants, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "roost.identity")
    await tenants.delete(31)
    right = "execute on function purge_workspace(uuid)"
    await tenants.superuser.execute(f"revoke {right} from {APP_ROLE}")
    task = asyncio.create_task(keep_clean(tenants.database, period=0.01, first=0))
    try:
        await until(lambda: "could not be removed" in caplog.text)
        await tenants.superuser.execute(f"grant {right} to {APP_ROLE}")

        async def is_gone() -> bool:
            return not any((await tenants.traces(tenants.mine)).values())

        await until(is_gone)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _deleted(world: World, ann: Somebody, days: float) -> tuple[str, dict[str, str]]:
    """Delete Ann's first workspace; gives the way to restore it, and a credential elsewhere."""
    home = uuid4()
    await world.owner.execute(
        "insert into workspaces (id, slug, name, created_by) values ($1, $2, 'Home', $3)",
        home,
        f"home-{home}",
        ann.id,
    )
    await world.owner.execute(
        "insert into memberships (workspace_id, id, user_id, role) values ($1, $1, $2, 'owner')",
        home,
        ann.id,
    )
    await world.owner.execute(
        "update workspaces set deleted_at = now() - $2::float8 * interval '1 day' where id = $1",
        ann.workspace_id,
        days,
    )
    return f"{WORKSPACES}/{ann.workspace_id}/restore", {"origin": "http://roost.test"}


async def test_who_restores_in_time_keeps_the_workspace_although_the_purge_waits(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody, fresh_roost_database: str
) -> None:
    to, headers = await _deleted(world, ann, 29)
    cookie = await world.log_in(identity_app, ann)
    # So that it is due within this test: a second before it could not be restored any more.
    await world.owner.execute(
        "update workspaces set deleted_at = now() - interval '30 days' + interval '1 second'"
        " where id = $1",
        ann.workspace_id,
    )
    due = "select workspace_id from purgeable_workspaces()"
    owner = await asyncpg.connect(as_role(fresh_roost_database, "roost_owner"))
    try:
        async with owner.transaction():
            await owner.execute("select from workspaces where id = $1 for update", ann.workspace_id)
            restoring = asyncio.create_task(
                identity_app.post(to, headers={**headers, "cookie": f"roost_session={cookie}"})
            )
            await until_others_wait(world.owner)
            await until(lambda: world.owner.fetchval(due))
            purging = asyncio.create_task(clean_up(world.database))
            await until_others_wait(world.owner, 2)
        restored = await restoring
        assert (restored.status_code, await purging) == (200, 0), restored.text
    finally:
        await owner.close()
    by_session = {"cookie": f"roost_session={cookie}"}
    found = await identity_app.get(f"{WORKSPACES}/{ann.workspace_id}", headers=by_session)
    assert found.status_code == 200


async def test_who_restores_while_it_is_purged_finds_nothing(
    identity_app: httpx.AsyncClient, world: World, ann: Somebody
) -> None:
    to, headers = await _deleted(world, ann, 31)
    cookie = await world.log_in(identity_app, ann)
    async with world.owner.transaction():
        assert await world.owner.fetchval("select purge_workspace($1)", ann.workspace_id)
        restoring = asyncio.create_task(
            identity_app.post(to, headers={**headers, "cookie": f"roost_session={cookie}"})
        )
        await until_others_wait(world.owner)
    answer = await restoring
    assert (answer.status_code, answer.json()["code"]) == (404, "WORKSPACE_NOT_FOUND")
    known = "select count(*) from workspaces where id = $1"
    assert await world.owner.fetchval(known, ann.workspace_id) == 0
