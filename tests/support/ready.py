"""A database with the whole schema for each test, copied from one that is made once."""

import asyncio
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from roost.db.embedded import Endpoint
from tests.support.postgres import _administrate
from tests.support.schema import make_schema


@pytest.fixture(scope="session")
def schema_template(postgres: Endpoint) -> Iterator[str]:
    """The name of a database that has the schema and nothing else."""
    name = f"template_{uuid.uuid4().hex}"
    _administrate(postgres, f'CREATE DATABASE "{name}" TEMPLATE template0')
    with ThreadPoolExecutor(1) as executor:
        executor.submit(lambda: asyncio.run(make_schema(postgres.url(database=name)))).result()
    yield name
    _administrate(postgres, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def ready_database(postgres: Endpoint, schema_template: str) -> Iterator[str]:
    """The superuser's URL of a database with the schema; dropped afterwards."""
    name = f"ready_{uuid.uuid4().hex}"
    _administrate(postgres, f'CREATE DATABASE "{name}" TEMPLATE "{schema_template}"')
    yield postgres.url(database=name)
    _administrate(postgres, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
