"""A real replica: one that keeps up, and one that falls behind."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from roost.db.dsn import DatabaseConfig
from roost.db.embedded import Endpoint
from roost.db.pool import Database
from roost.performance.checks.kinds import Finding
from roost.performance.health import health
from tests.db.embedded.observe import DEBIAN_15, owner_credentials, quick_server
from tests.performance.test_activity import until
from tests.support.postgres import reachable_directory

MIB_BEHIND = 300
pytestmark = pytest.mark.skipif(
    not (DEBIAN_15 / "pg_basebackup").exists(), reason="needs Debian's PostgreSQL 15"
)


@contextmanager
def replica_of(primary: Endpoint, data_dir: Path) -> Iterator[str]:
    """Run a replica; gives its URL."""
    folder = data_dir / "postgres" / "replica"
    as_owner: Any = owner_credentials(data_dir)

    def run(program: str, *arguments: str | Path) -> None:
        command = [DEBIAN_15 / program, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **as_owner)

    run("pg_basebackup", "-d", primary.url(database="postgres"), "-D", folder, "-R", "-c", "fast")
    sockets = folder.parent / "replica-sockets"
    sockets.mkdir(mode=0o777)
    sockets.chmod(0o777)
    options = f"-c port=5433 -c listen_addresses='' -c unix_socket_directories={sockets}"
    run("pg_ctl", "start", "-w", "-D", folder, "-l", folder / "log", "-o", options)
    try:
        yield f"postgresql://postgres@/postgres?host={sockets}&port=5433"
    finally:
        run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", folder)


async def lag(database: Database) -> Finding | None:
    """Give what is said of replicas, once one is connected."""
    checks = (await health(database)).checks
    (found,) = [each for each in checks if each.name == "replicationLag"]
    return found if found.status != "skipped" else None


async def test_a_replica_that_falls_behind_is_warned_of_and_one_that_keeps_up_is_not() -> None:
    with reachable_directory() as directory:
        data_dir = directory / "data"
        with quick_server(data_dir, DEBIAN_15) as primary, replica_of(primary, data_dir) as url:
            await _fall_behind(primary.url(database="postgres"), url)


async def _fall_behind(primary_url: str, replica_url: str) -> None:
    database = await Database.connect(DatabaseConfig(primary_url, max_connections=2))
    primary, replica = await asyncpg.connect(primary_url), await asyncpg.connect(replica_url)
    try:
        found = await until(lambda: lag(database))
        assert (found.status, len(found.items)) == ("ok", 1)
        await replica.execute("select pg_wal_replay_pause()")
        await primary.execute(
            "select pg_logical_emit_message(false, 'test', repeat('x', 1024 * 1024))"
            f" from generate_series(1, {MIB_BEHIND})"
        )
        found = await lag(database)
        assert found is not None
        assert found.status == "warn"
        assert found.value is not None
        assert found.value * 1024 >= MIB_BEHIND * 0.9
        await replica.execute("select pg_wal_replay_resume()")

        async def caught_up() -> bool:
            now = await lag(database)
            return now is not None and now.status == "ok"

        assert await until(caught_up)
    finally:
        await primary.close()
        await replica.close()
        await database.close()
