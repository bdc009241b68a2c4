"""The real PgBouncer in transaction mode, with fewer connections than there are requests."""

import asyncio
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from roost.db.pool import Database
from roost.db.roles import APP_ROLE, OWNER_ROLE
from roost.db.schema import known_revisions, upgrade
from roost.db.target import Target, TargetOptions, open_target, prepare
from roost.journal.ticker import Ticker
from roost.schema_tools import SCHEMA_TOOLS
from roost.tasks.routes import TaskRoutes
from tests.db.life import TASKS, one_life
from tests.db.waiting import until
from tests.support.house import House
from tests.support.schema import as_role

PGBOUNCER = Path("/usr/sbin/pgbouncer")
SERVER_CONNECTIONS = 2
pytestmark = pytest.mark.skipif(not PGBOUNCER.exists(), reason="no PgBouncer")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def bouncing(
    directory: Path,
    superuser_url: str,
    mode: str = "transaction",
    connections: int = SERVER_CONNECTIONS,
    ignored: str = "extra_float_digits",
) -> Iterator[int]:
    """Run PgBouncer before the server of a URL; gives its port.

    `ignored` are start-up parameters that it does not refuse.
    """
    parts = urlsplit(superuser_url)
    place = parse_qs(parts.query)
    # Only its owner reaches the server's socket, and PgBouncer does not run as root.
    owner = Path(place["host"][0]).stat()
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    directory.mkdir(mode=0o755, exist_ok=True)
    port = free_port()
    (directory / "users").write_text(
        "".join(f'"{role}" ""\n' for role in (APP_ROLE, OWNER_ROLE, "postgres"))
    )
    (directory / "pgbouncer.ini").write_text(
        f"""[databases]
* = host={place["host"][0]} port={place["port"][0]}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = trust
auth_file = {directory}/users
pool_mode = {mode}
default_pool_size = {connections}
max_client_conn = 200
ignore_startup_parameters = {ignored}
"""
    )
    for file in directory.iterdir():
        file.chmod(0o644)
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            [PGBOUNCER, directory / "pgbouncer.ini"], stderr=log, stdout=log, **who
        )
        try:
            yield port
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture
def bouncer(data_dir: Path, fresh_roost_database: str) -> Iterator[str]:
    """The pool's URL through PgBouncer."""
    directory = data_dir.parent / "pgbouncer"
    with bouncing(directory, fresh_roost_database) as port:
        name = urlsplit(fresh_roost_database).path
        yield f"postgresql://{APP_ROLE}@127.0.0.1:{port}{name}?pgbouncer=true"


async def reach(url: str) -> None:
    async def answers() -> bool:
        try:
            await (await asyncpg.connect(url.partition("?")[0], statement_cache_size=0)).close()
        except (OSError, asyncpg.PostgresError):
            return False
        return True

    await until(answers)


async def prepared(pool_url: str, owner_url: str | None) -> Target:
    await reach(pool_url)
    options = TargetOptions(Path("/nowhere"), database_url=pool_url, owner_url=owner_url)
    return await prepare(open_target(options), SCHEMA_TOOLS)


@pytest.fixture
async def house(bouncer: str, fresh_roost_database: str) -> AsyncIterator[House]:
    made = await prepared(bouncer, as_role(fresh_roost_database, OWNER_ROLE))
    assert made.pool.pgbouncer
    database = await Database.connect(made.pool)
    house = House(database)
    house.mount(TaskRoutes(house.kit, alike=True).endpoints())
    yield house
    await database.close()


async def test_tenants_live_their_lives_at_once_and_never_meet(house: House) -> None:
    names = [f"tenant{number}" for number in range(12)]
    for name in names:
        house.people.add(name)
    await asyncio.gather(*(one_life(house.client(name), name) for name in names))


async def test_the_ticker_makes_ticks_beside_them(house: House) -> None:
    house.people.add("alice")
    async with Ticker(house.database.connection) as ticker:
        busy = [house.client("alice").post(TASKS, json={"title": "x"}) for _ in range(20)]
        for answer in await asyncio.gather(*busy):
            assert answer.status_code == 201, answer.text
        ticker.announce()
        await asyncio.wait_for(ticker.wait_beyond(0), 20)
        assert ticker.connected


async def test_nothing_of_a_tenant_stays_on_the_servers_connections(house: House) -> None:
    house.people.add("alice")
    for _ in range(5):
        await house.client("alice").post(TASKS, json={"title": "x"})
    for _ in range(10):
        async with house.database.connection() as connection:
            assert not await connection.fetchval(
                "select current_setting('roost.workspace_id', true)"
            )
            assert await connection.fetchval("select count(*) from tasks") == 0


async def test_the_schema_can_be_revised_through_it(
    data_dir: Path, scratch_database: str, template: str
) -> None:
    del template  # it makes the roles
    superuser = await asyncpg.connect(scratch_database)
    name = await superuser.fetchval("select current_database()")
    await superuser.execute(f'alter database "{name}" owner to {OWNER_ROLE}')
    with bouncing(data_dir.parent / "pgbouncer", scratch_database) as port:
        url = f"postgresql://{APP_ROLE}@127.0.0.1:{port}/{name}?pgbouncer=true"
        owner = f"postgresql://{OWNER_ROLE}@127.0.0.1:{port}/{name}?pgbouncer=true"
        made = await prepared(url, owner)
        assert await upgrade(made.owner, SCHEMA_TOOLS) == []
        held = "select count(*) from pg_locks where locktype = 'advisory' and database ="
        held += " (select oid from pg_database where datname = current_database())"
        assert await superuser.fetchval(held) == 0
    at = await superuser.fetchval("select version_num from alembic_version")
    assert at == known_revisions()[-1]
    await superuser.close()


async def test_a_cut_between_it_and_the_server_is_told(
    house: House, fresh_roost_database: str
) -> None:
    house.people.add("alice")
    client = house.client("alice")
    assert (await client.post(TASKS, json={"title": "x"})).status_code == 201
    admin = await asyncpg.connect(fresh_roost_database)
    end = (
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
        " where usename = $1 and datname = current_database()"
    )
    await admin.execute(end, APP_ROLE)

    async def works() -> bool:
        answer = await client.post(TASKS, json={"title": "y"})
        assert answer.status_code in {201, 503}, answer.text
        return answer.status_code == 201

    await until(works)
    await admin.close()
