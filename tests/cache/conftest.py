"""Workers of one server, in this process, over one database; and somebody who writes past them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
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
from tests.support.redis_server import RedisServer, redis_server
from tests.support.schema import as_role, pool_config

TASKS = "/api/v1/tasks"


@dataclass
class Workers:
    """`beside` is a connection that no worker knows of, which no policy binds."""

    owner: Any
    beside: Any
    database: str
    stack: AsyncExitStack
    place: Path
    applications: list[Application] = field(default_factory=list)

    async def start(self, *, alone: bool = False, **environment: str) -> Application:
        """Start one more."""
        settings = Settings.from_environment(environment)
        pool = pool_config(self.database)
        application = Application(settings, pool, self.place, environment={}, alone=alone)
        await self.stack.enter_async_context(running(application))
        self.applications.append(application)
        return application

    async def person(self, email: str) -> "Person":
        """Make somebody with a workspace of their own."""
        await administration.create_user(self.owner, email, "t")
        token, _, workspace = await administration.create_token(self.owner, "t", email, ["*"])
        return Person(self, token, workspace)

    async def member(self, of: "Person", email: str) -> "Person":
        """Make somebody in another's workspace."""
        await administration.create_user(self.owner, email, "t")
        await self.beside.execute(
            "insert into memberships (workspace_id, id, user_id, role)"
            " select $1, gen_random_uuid(), id, 'member' from users where email = $2",
            of.workspace,
            email,
        )
        token, _, _ = await administration.create_token(self.owner, "t", email, ["*"], of.workspace)
        return Person(self, token, of.workspace)


@dataclass
class Person:
    """Sends requests to whichever worker."""

    workers: Workers
    token: str
    workspace: UUID

    async def ask(
        self, worker: int, method: str, path: str, after: str | None = None, **options: Any
    ) -> httpx.Response:
        """Send one request."""
        application = self.workers.applications[worker]
        headers = {"authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        if after is not None:
            headers["roost-after-tick"] = after
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://roost.test") as client:
            return await client.request(method, path, headers=headers, **options)

    async def make(self, worker: int, title: str, after: str | None = None) -> httpx.Response:
        """Make a task."""
        answer = await self.ask(worker, "POST", TASKS, after, json={"title": title})
        assert answer.status_code == 201, answer.text
        return answer

    async def titles(self, worker: int, after: str | None = None) -> list[str]:
        """The titles that a worker shows."""
        answer = await self.ask(worker, "GET", TASKS, after)
        assert answer.status_code == 200, answer.text
        return [task["title"] for task in answer.json()["data"]]


@pytest.fixture(scope="module")
def standing_redis() -> Iterator[RedisServer]:
    """A server that stays up."""
    with redis_server() as server:
        yield server


@pytest.fixture
def redis(standing_redis: RedisServer) -> RedisServer:
    """That server, with nothing in it."""
    with standing_redis.client() as client:
        client.flushall()
    return standing_redis


@pytest.fixture
async def workers(fresh_roost_database: str) -> AsyncIterator[Workers]:
    """None is started yet."""
    owner = await asyncpg.connect(as_role(fresh_roost_database, OWNER_ROLE))
    beside = await asyncpg.connect(fresh_roost_database)
    with TemporaryDirectory() as directory:
        async with AsyncExitStack() as stack:
            yield Workers(owner, beside, fresh_roost_database, stack, Path(directory))
    await beside.close()
    await owner.close()
