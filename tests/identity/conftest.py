"""Two workspaces with people in them, and the routes of this room around them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from roost.db.dsn import DatabaseConfig
from roost.db.pool import Database
from roost.db.roles import OWNER_ROLE
from roost.identity import administration
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.routes import IdentityRoutes
from tests.support.app import served
from tests.support.schema import as_role, pool_config

DEADLINE = 60.0


async def until(condition: Callable[[], Any]) -> None:
    """Wait for a condition, which may be a coroutine function; fails at the deadline."""
    async with asyncio.timeout(DEADLINE):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


@dataclass(slots=True)
class Somebody:
    """A user with a workspace of their own, and a token that may do everything there."""

    email: str
    id: UUID
    workspace_id: UUID
    token: str
    token_id: UUID
    headers: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.headers = {"authorization": f"Bearer {self.token}"}


@dataclass(slots=True)
class World:
    """The database as its owner sees it, and as the pool does."""

    owner: Any
    config: DatabaseConfig
    database: Database

    async def somebody(self, email: str) -> Somebody:
        """Make a user with a workspace and a token."""
        user_id, workspace_id = await administration.create_user(self.owner, email, email[:3])
        token, token_id, _ = await administration.create_token(self.owner, "test", email, ["*"])
        return Somebody(email, user_id, workspace_id, token, token_id)

    async def log_in(self, client: httpx.AsyncClient, user: Somebody) -> str:
        """Log in by a fresh link; gives the session cookie."""
        secret = await administration.create_login_link(self.owner, user.id)
        answer = await client.get(administration.LINK_PATH, params={"token": secret})
        assert answer.status_code == 303, answer.text
        cookie = answer.cookies["roost_session"]
        client.cookies.clear()
        return cookie

    async def member(self, of: Somebody, email: str, role: str, scopes: list[str]) -> Somebody:
        """Make a user whose only workspace is somebody else's."""
        user_id = UUID(int=hash((of.id, email)) & (2**128 - 1))
        await self.owner.execute("insert into users (id, email) values ($1, $2)", user_id, email)
        await self.owner.execute(
            "insert into memberships (workspace_id, id, user_id, role) values ($1, $2, $2, $3)",
            of.workspace_id,
            user_id,
            role,
        )
        token, token_id, workspace = await administration.create_token(
            self.owner, "t", email, scopes
        )
        assert workspace == of.workspace_id
        return Somebody(email, user_id, workspace, token, token_id)


@pytest.fixture
async def world(fresh_roost_database: str) -> AsyncIterator[World]:
    """A database with the schema and nobody in it."""
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    config = pool_config(fresh_roost_database)
    database = await Database.connect(config)
    try:
        yield World(owner, config, database)
    finally:
        await database.close()
        await owner.close()


@pytest.fixture
async def authenticator(world: World) -> AsyncIterator[DatabaseAuthenticator]:
    """An authenticator that remembers, as a worker has one."""
    async with DatabaseAuthenticator(world.database, world.config) as running:
        await until(lambda: running.cache.enabled)
        yield running


@pytest.fixture
async def identity_app(
    world: World, authenticator: DatabaseAuthenticator
) -> AsyncIterator[httpx.AsyncClient]:
    """The routes of this room, over HTTP."""
    async with served(
        world.database,
        authenticator,
        lambda kit: IdentityRoutes(kit, authenticator).endpoints(),
        authenticator.refusals.note,
    ) as client:
        yield client


@pytest.fixture
async def ann(world: World) -> Somebody:
    """Somebody who owns a workspace."""
    return await world.somebody("ann@example.test")


@pytest.fixture
async def bob(world: World) -> Somebody:
    """Somebody who owns another workspace."""
    return await world.somebody("bob@example.test")
