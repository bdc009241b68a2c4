"""Which roles may be used on a PostgreSQL of somebody's own, and what the others are told."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from roost.db.embedded import Endpoint
from roost.db.faults import RoleError, SchemaError
from roost.db.pool import Database, Transaction
from roost.db.schema import known_revisions, schema_state
from roost.db.target import Target, TargetOptions, open_target, prepare
from roost.db.tenancy import Context
from roost.schema_tools import SCHEMA_TOOLS
from roost.tasks.routes import TaskRoutes
from tests.db.embedded.observe import DEBIAN_15, quick_server
from tests.db.life import one_life
from tests.support.house import House
from tests.support.postgres import reachable_directory

pytestmark = pytest.mark.timeout(180)


@dataclass
class Server:
    """A PostgreSQL that is not Roost's: its superuser's connection, and an empty database in it."""

    endpoint: Endpoint
    administrator: Any
    database: str

    def url(self, role: str) -> str:
        return self.endpoint.url(user=role, database=self.database)

    async def role(self, options: str = "", *, owner: bool = False) -> str:
        """Make a role that can log in; gives its name."""
        name = f"role_{uuid.uuid4().hex[:8]}"
        await self.administrator.execute(f"create role {name} login {options}")
        if owner:
            await self.administrator.execute(f"alter database {self.database} owner to {name}")
        return name


@pytest.fixture(
    scope="module",
    params=[
        "wheel",
        pytest.param(
            "15", marks=pytest.mark.skipif(not DEBIAN_15.exists(), reason="no PostgreSQL 15")
        ),
    ],
)
def endpoint(request: pytest.FixtureRequest) -> Any:
    """A server of the module's own: roles belong to the whole server."""
    with reachable_directory() as directory:
        bin_dir = DEBIAN_15 if request.param == "15" else None
        with quick_server(directory / "data", bin_dir) as endpoint:
            yield endpoint


@pytest.fixture
async def server(endpoint: Endpoint) -> AsyncIterator[Server]:
    administrator = await asyncpg.connect(endpoint.url())
    name = f"d_{uuid.uuid4().hex[:8]}"
    await administrator.execute(f"create database {name}")
    yield Server(endpoint, administrator, name)
    await administrator.execute(f"drop database {name} with (force)")
    await administrator.execute("drop role if exists roost_app")
    await administrator.close()


def target(url: str, owner_url: str | None = None) -> Target:
    return open_target(TargetOptions(Path("/nowhere"), database_url=url, owner_url=owner_url))


async def prepared(url: str, owner_url: str | None = None) -> Target:
    return await prepare(target(url, owner_url), SCHEMA_TOOLS)


async def see_that_tenants_are_kept_apart(made: Target) -> None:
    """Write as two tenants through the pool; each must see its own row only."""
    database = await Database.connect(made.pool)
    tenants = [uuid4(), uuid4()]

    async def insert(transaction: Transaction) -> None:
        await transaction.connection.execute(
            "insert into tasks (workspace_id, id, title)"
            " values (current_setting('roost.workspace_id')::uuid, $1, 'mine')",
            uuid4(),
        )

    async def seen(transaction: Transaction) -> list[Any]:
        rows = await transaction.connection.fetch("select workspace_id from tasks")
        return [row[0] for row in rows]

    for tenant in tenants:
        await database.write(Context(tenant), insert)
    for tenant in tenants:
        assert await database.write(Context(tenant), seen) == [tenant]
    async with database.connection() as connection:
        assert await connection.fetchval("select count(*) from tasks") == 0
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("alter table tasks disable row level security")
    await database.close()


async def test_one_role_that_may_make_roles_is_enough(server: Server) -> None:
    role = await server.role("createrole", owner=True)
    made = await prepared(server.url(role))
    assert made.pool.role == "roost_app"
    await see_that_tenants_are_kept_apart(made)


async def test_one_role_that_may_not_make_roles_is_told_what_to_run(server: Server) -> None:
    role = await server.role(owner=True)
    with pytest.raises(RoleError, match="may not make the role roost_app") as refusal:
        await prepared(server.url(role))
    statements = str(refusal.value).split("run:\n")[1]
    await server.administrator.execute(statements)
    await see_that_tenants_are_kept_apart(await prepared(server.url(role)))


async def test_a_superuser_steps_down_and_tenants_are_kept_apart(server: Server) -> None:
    made = await prepared(server.url("postgres"))
    assert made.pool.role == "roost_app"
    await see_that_tenants_are_kept_apart(made)


async def test_a_superuser_behind_pgbouncer_is_refused_with_the_fix(server: Server) -> None:
    with pytest.raises(RoleError, match=r"is a superuser.*DATABASE_OWNER_URL") as refusal:
        await prepared(server.url("postgres") + "&pgbouncer=true")
    assert "create role roost_login login" in str(refusal.value)


async def test_an_owner_and_a_log_in_of_its_own(server: Server) -> None:
    owner = await server.role("createrole", owner=True)
    login = await server.role()
    made = await prepared(server.url(login), server.url(owner))
    assert made.pool.role is None
    await see_that_tenants_are_kept_apart(made)


async def test_the_fix_that_is_given_for_pgbouncer_works(server: Server) -> None:
    owner = await server.role("createrole", owner=True)
    await prepared(server.url(owner))
    await server.administrator.execute("drop role if exists roost_login")
    await server.administrator.execute("create role roost_login login in role roost_app")
    made = await prepared(server.url("roost_login"), server.url(owner))
    await see_that_tenants_are_kept_apart(made)
    await server.administrator.execute("drop role roost_login")


async def test_a_pool_that_owns_the_tables_is_refused(server: Server) -> None:
    role = await server.role("createrole", owner=True)
    await prepared(server.url(role))
    login = await server.role(f"in role {role}")
    with pytest.raises(RoleError, match=r"owns Roost's tables"):
        await prepared(server.url(login), server.url(role))
    with pytest.raises(RoleError, match=r"owns Roost's tables"):
        await prepared(server.url(role) + "&pgbouncer=true")


async def test_a_pool_that_bypasses_row_level_security_is_refused(server: Server) -> None:
    owner = await server.role("createrole", owner=True)
    await prepared(server.url(owner))
    login = await server.role("bypassrls")
    await server.administrator.execute(f"grant roost_app to {login}")
    with pytest.raises(RoleError, match="bypasses row-level security"):
        await prepared(server.url(login), server.url(owner))


async def test_a_client_cannot_revise_the_schema_and_says_who_can(server: Server) -> None:
    owner = await server.role("createrole", owner=True)
    await prepared(server.url(owner))
    login = await server.role("in role roost_app")
    await see_that_tenants_are_kept_apart(await prepared(server.url(login)))
    await server_revision(server, known_revisions()[-2])
    with pytest.raises(SchemaError, match="owns no tables: set DATABASE_OWNER_URL"):
        await prepared(server.url(login))


async def server_revision(server: Server, revision: str) -> None:
    connection = await asyncpg.connect(server.url("postgres"))
    await connection.execute("update alembic_version set version_num = $1", revision)
    await connection.close()


async def test_a_database_of_somebody_who_may_not_make_tables_is_refused(server: Server) -> None:
    role = await server.role("createrole")
    with pytest.raises((SchemaError, RoleError)):
        await prepared(server.url(role))
    connection = await asyncpg.connect(server.url("postgres"))
    assert (await schema_state(connection)).current is None
    await connection.close()


async def test_tasks_live_their_lives_on_each_version(server: Server) -> None:
    made = await prepared(server.url("postgres"))
    database = await Database.connect(made.pool)
    house = House(database)
    house.mount(TaskRoutes(house.kit, alike=True).endpoints())
    names = ["alice", "bob"]
    for name in names:
        house.people.add(name)
    await asyncio.gather(*(one_life(house.client(name), name) for name in names))
    await database.close()
