"""Servers to follow, and the official clients, where npm has installed them."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from roost.db.embedded import Endpoint
from roost.db.roles import OWNER_ROLE
from tests.migration.browser.home import Home
from tests.support.postgres import empty_database
from tests.support.schema import as_role
from tests.support.server import serving
from tests.sync.clients.engine import Engine
from tests.sync.clients.scripting import NODE_MODULES

_NEEDS_NPM = pytest.mark.skip(reason="needs Node, and `npm ci` in tests/sync/clients")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave these tests out where there are no clients."""
    if shutil.which("node") and (NODE_MODULES / ".package-lock.json").exists():
        return
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(_NEEDS_NPM)


@pytest.fixture(scope="package")
def engine(postgres: Endpoint) -> Iterator[Engine]:
    """`roost sync serve` over a database of its own; each test makes tables of its own."""
    with empty_database(postgres) as url, Engine.over(url) as engine:
        yield engine


@pytest.fixture
def issues(engine: Engine) -> str:
    """The name of an empty table."""
    return engine.table("id int primary key, title text, done bool not null default false")


@pytest.fixture(scope="package")
def served(roost_database: str) -> Iterator[str]:
    """The address of a running Roost."""
    with serving("--database-url", as_role(roost_database, OWNER_ROLE)) as server:
        yield server.url


@pytest.fixture
def home(served: str, roost_database: str) -> Iterator[Home]:
    """A new user of it."""
    with Home.of_a_new_user(served, roost_database) as found:
        yield found
