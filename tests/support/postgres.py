"""One PostgreSQL for a whole test session, shared by every xdist worker."""

import asyncio
import fcntl
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from roost.db.embedded import EmbeddedServer, Endpoint

# Nothing here has to survive a crash.
FAST_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "300",
    "max_prepared_transactions": "10",
}
_ROOMY = 8 << 30


def _place() -> Path:
    """Give where clusters lie: in memory, where a database is made in a twentieth of the time."""
    memory = Path("/dev/shm")  # noqa: S108 -- every user's own directory in it is checked
    try:
        # The server's programs may be copied beside its data.
        is_runnable = not os.statvfs(memory).f_flag & os.ST_NOEXEC
        is_roomy = shutil.disk_usage(memory).free >= _ROOMY and os.access(memory, os.W_OK)
    except OSError:
        is_runnable = is_roomy = False
    return memory if is_runnable and is_roomy else Path(tempfile.gettempdir())


# Reachable for the unprivileged user a server of root's runs as; pytest's tmp_path is not.
ROOT = _place() / f"roost-tests-{os.geteuid()}"


@contextmanager
def _lock_of_all_runs() -> Iterator[None]:
    ROOT.mkdir(mode=0o711, exist_ok=True)
    if ROOT.lstat().st_uid != os.geteuid() or ROOT.is_symlink():
        msg = f"{ROOT} belongs to somebody else; remove it."
        raise RuntimeError(msg)
    with (ROOT / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove_unused(keep: Path | None = None) -> None:
    """Remove the servers of runs that have ended, killed ones included."""
    for directory in ROOT.iterdir():
        if directory == keep or not directory.is_dir():
            continue
        with (directory / "in-use").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def reachable_directory() -> Iterator[Path]:
    """Make an empty directory the server's user reaches, and remove it afterwards."""
    with _lock_of_all_runs():
        _remove_unused()
        directory = ROOT / uuid.uuid4().hex[:8]
        directory.mkdir(mode=0o711)
        directory.chmod(0o711)
        use = (directory / "in-use").open("a")
        fcntl.flock(use, fcntl.LOCK_SH)
    try:
        yield directory
    finally:
        # Others look through all directories meanwhile, and would find this one half gone.
        with _lock_of_all_runs():
            shutil.rmtree(directory, ignore_errors=True)
        use.close()


@contextmanager
def session_server(run_id: str) -> Iterator[Endpoint]:
    """Start or attach to the server of a test run; its last user removes it."""
    directory = ROOT / f"run-{run_id}"
    server = EmbeddedServer(directory / "data", settings=FAST_SETTINGS)
    with _lock_of_all_runs():
        _remove_unused(keep=directory)
        directory.mkdir(mode=0o711, exist_ok=True)
        directory.chmod(0o711)
        use = (directory / "in-use").open("a")
        fcntl.flock(use, fcntl.LOCK_SH)
        endpoint = server.start()
    try:
        with _lock_of_all_runs():
            administrate(endpoint, "create extension if not exists pg_stat_statements")
        yield endpoint
    finally:
        server.stop()
        with _lock_of_all_runs():
            use.close()
            _remove_unused()


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Endpoint]:
    """The embedded server of this test session, shared by all its workers."""
    worker_input = getattr(request.config, "workerinput", {})
    with session_server(worker_input.get("testrunuid", uuid.uuid4().hex)) as endpoint:
        yield endpoint


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """An empty data directory for a server of the test's own, also when root runs the tests."""
    with reachable_directory() as directory:
        yield directory / "data"


@contextmanager
def empty_database(postgres: Endpoint) -> Iterator[str]:
    """Make a database, for the block; gives the superuser's URL of it."""
    name = f"scratch_{uuid.uuid4().hex}"
    administrate(postgres, f"create database {name} template template0")
    try:
        yield postgres.url(database=name)
    finally:
        drop_database(postgres, name)


@pytest.fixture
def scratch_database(postgres: Endpoint) -> Iterator[str]:
    """The superuser's URL of a fresh, empty database; dropped afterwards."""
    with empty_database(postgres) as url:
        yield url


def drop_database(endpoint: Endpoint, name: str) -> None:
    """Drop it, and what was counted of its statements: the server counts a few thousand only."""
    administrate(
        endpoint,
        f"select pg_stat_statements_reset(0, oid, 0) from pg_database where datname = '{name}'",
        f"drop database if exists {name} with (force)",
    )


def administrate(endpoint: Endpoint, *statements: str) -> None:
    """Execute as the superuser, in the database `postgres`."""

    async def execute() -> None:
        connection = await asyncpg.connect(endpoint.url())
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    # In a thread of its own: the caller's may have an event loop.
    with ThreadPoolExecutor(1) as executor:
        executor.submit(lambda: asyncio.run(execute())).result()
