"""A database with Roost's whole schema, made by its owner, and the pool's way into it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from roost.db.dsn import DatabaseConfig
from roost.db.embedded import Endpoint
from roost.db.roles import (
    APP_ROLE,
    DOCTOR_ROLE,
    OWNER_ROLE,
    ensure_app_role,
    ensure_doctor_role,
    let_doctor_work,
)
from roost.db.schema import upgrade
from roost.schema_tools import SCHEMA_TOOLS
from tests.support.postgres import administrate, drop_database

TEMPLATE = "roost_template"


def as_role(superuser_url: str, role: str) -> str:
    """Give the URL of the same database for another role of the test's server."""
    return superuser_url.replace("//postgres@", f"//{role}@", 1)


async def make_roles(superuser_url: str) -> None:
    """Make the two roles, which belong to the server that all tests share."""
    # Locks belong to a database: every caller takes this one in the same.
    parts = urlsplit(superuser_url)._replace(path="/postgres")
    connection = await asyncpg.connect(urlunsplit(parts))
    try:
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(871)")
            if not await connection.fetchval(
                "select 1 from pg_roles where rolname = $1", OWNER_ROLE
            ):
                await connection.execute(f"create role {OWNER_ROLE} login createrole")
            await ensure_app_role(connection)
            await ensure_doctor_role(connection)
            await connection.execute(f"alter role {DOCTOR_ROLE} login")
            await connection.execute(f"alter role {APP_ROLE} login")
            await connection.execute(f"grant {APP_ROLE} to {OWNER_ROLE} with admin option")
    finally:
        await connection.close()


async def make_schema(superuser_url: str) -> str:
    """Make roles and tables in an empty database; gives the owner's URL."""
    await make_roles(superuser_url)
    connection = await asyncpg.connect(superuser_url)
    try:
        name = await connection.fetchval("select quote_ident(current_database())")
        await connection.execute(f"alter database {name} owner to {OWNER_ROLE}")
        await connection.execute(f"alter schema public owner to {OWNER_ROLE}")
    finally:
        await connection.close()
    owner_url = as_role(superuser_url, OWNER_ROLE)
    await upgrade(owner_url, SCHEMA_TOOLS)
    owner = await asyncpg.connect(owner_url)
    try:
        await let_doctor_work(owner)
    finally:
        await owner.close()
    return owner_url


async def make_template(superuser_url: str) -> None:
    """Make the template once for all workers; the next one finds it finished."""
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("select pg_advisory_lock(872)")
        known = "select 1 from pg_database where datname = $1 and datistemplate"
        if await connection.fetchval(known, TEMPLATE):
            return
        await connection.execute(f"create database {TEMPLATE}")
        template_url = superuser_url.replace("/postgres?", f"/{TEMPLATE}?", 1)
        inside = await asyncpg.connect(template_url)
        for name in ("pg_trgm", "pg_stat_statements", "pgstattuple"):
            await inside.execute(f"create extension if not exists {name}")
        await inside.close()
        await make_schema(template_url)
        await connection.execute(f"alter database {TEMPLATE} is_template true")
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def template(postgres: Endpoint) -> str:
    """The name of a database that has Roost's whole schema."""
    asyncio.run(make_template(postgres.url()))
    return TEMPLATE


@contextmanager
def _database(postgres: Endpoint) -> Iterator[str]:
    name = f"roost_{uuid4().hex[:12]}"
    administrate(postgres, f"create database {name} template {TEMPLATE} owner {OWNER_ROLE}")
    try:
        yield postgres.url(database=name)
    finally:
        drop_database(postgres, name)


@pytest.fixture(scope="session")
def roost_database(postgres: Endpoint, template: str) -> Iterator[str]:
    """The superuser's URL of this worker's database, which its tests share.

    Each test works in workspaces of its own, which the database keeps apart.
    """
    del template
    with _database(postgres) as url:
        yield url


@pytest.fixture
def fresh_roost_database(postgres: Endpoint, template: str) -> Iterator[str]:
    """The superuser's URL of an empty database with the whole schema, for one test alone."""
    del template
    with _database(postgres) as url:
        yield url


def pool_config(superuser_url: str, *, max_connections: int = 8) -> DatabaseConfig:
    """Say how the pool connects: as the role that row-level security binds."""
    return DatabaseConfig(as_role(superuser_url, APP_ROLE), max_connections=max_connections)
