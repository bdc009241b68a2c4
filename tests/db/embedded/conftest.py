"""Data directories with a database in them, copied rather than initialised each time."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.db.embedded.observe import DEBIAN_15, query, quick_server
from tests.support.postgres import reachable_directory


def copy(source: Path, target: Path) -> Path:
    """Copy a stopped server's data directory, owners included."""
    subprocess.run(["cp", "-a", source, target], check=True)
    return target


@pytest.fixture(scope="session")
def master() -> Iterator[Path]:
    """A data directory whose table `kept` holds the number 7; not to be touched."""
    with reachable_directory() as directory:
        data_dir = directory / "data"
        with quick_server(data_dir) as endpoint:
            query(endpoint, "CREATE TABLE kept AS SELECT 7 AS n")
        yield data_dir


@pytest.fixture(scope="session")
def old_master() -> Iterator[Path]:
    """A data directory that PostgreSQL 15 made; not to be touched."""
    with reachable_directory() as directory:
        data_dir = directory / "data"
        with quick_server(data_dir, DEBIAN_15) as endpoint:
            query(endpoint, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
            query(endpoint, "CREATE EXTENSION pg_trgm")
            query(endpoint, "ALTER SYSTEM SET work_mem = '7MB'")
        yield data_dir


@pytest.fixture
def made(master: Path, data_dir: Path) -> Path:
    """A data directory of the test's own in which the table `kept` holds the number 7."""
    return copy(master, data_dir)


@pytest.fixture
def old(old_master: Path, data_dir: Path) -> Path:
    """A data directory of the test's own that PostgreSQL 15 made, with a table `kept`."""
    return copy(old_master, data_dir)
