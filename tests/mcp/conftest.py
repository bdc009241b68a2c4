"""A server of two workers that agents connect to."""

from collections.abc import Iterator

import pytest

from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from tests.mcp.talking import Place
from tests.support.schema import _database, as_role
from tests.support.server import serving


@pytest.fixture(scope="session")
def place(postgres: Endpoint, template: str) -> Iterator[Place]:
    """`roost serve` with two workers, on a database of its own."""
    del template
    with _database(postgres) as superuser_url:
        url = as_role(superuser_url, OWNER_ROLE)
        with serving("--database-url", url, "--workers", "2") as server:
            yield Place(server, url, server.token())
