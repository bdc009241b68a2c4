"""One server over a database, for the tests of a module; each test has a schema of its own."""

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import pytest_asyncio

from roost.db.embedded import Endpoint
from tests.support.postgres import empty_database
from tests.support.server import Server
from tests.sync.test_oracle import synced


@pytest.fixture(scope="module")
def database(postgres: Endpoint) -> Iterator[str]:
    with empty_database(postgres) as url:
        yield url


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[Server]:
    with synced(database) as server:
        yield server


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(server: Server) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as client:
        yield client


@pytest.fixture
def schema() -> str:
    """Of each test's own: a worker may still remember a table that was dropped."""
    return f"s{uuid4().hex[:8]}"


@pytest_asyncio.fixture(loop_scope="module")
async def connection(database: str, schema: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database, server_settings={"search_path": schema})
    await connection.execute(f"create schema {schema}")
    yield connection
    await connection.close()
