"""A disk that becomes full in the midst of a migration, or of its undo, and has room again."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest

from roost.db.embedded import EmbeddedServer, Endpoint
from roost.db.roles import OWNER_ROLE
from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.conftest import open_bench
from tests.migration.faults.small_disk import Disk, small_disk
from tests.migration.faults.world import living
from tests.migration.test_undo import snapshot
from tests.support.postgres import FAST_SETTINGS, reachable_directory
from tests.support.schema import TEMPLATE, make_template

pytestmark = pytest.mark.timeout(240)
SIZE = 1_500
KEYS = {"task-store": store(*map(task, range(SIZE))), "my-notes": "some text", "theme": "dark"}
BODY = {"keys": KEYS, "config": {"batchSize": 100}}
_MIB = 1 << 20


@pytest.fixture(scope="module")
def lonely() -> Iterator[Endpoint]:
    """A server of these tests' own: others' checkpoints would fail while the disk is full."""
    with (
        reachable_directory() as directory,
        EmbeddedServer(directory / "data", settings=FAST_SETTINGS) as server,
    ):
        asyncio.run(make_template(server.url()))
        yield server


@pytest.fixture
def disk(lonely: Endpoint) -> Iterator[Disk]:
    """A small disk that PostgreSQL can write to."""
    with reachable_directory() as directory, small_disk(directory / "disk", 64) as disk:
        owner = lonely.socket_dir.stat()
        disk.database.mkdir(mode=0o700)
        os.chown(disk.database, owner.st_uid, owner.st_gid)
        yield disk


@pytest.fixture
async def crowded(lonely: Endpoint, disk: Disk) -> AsyncIterator[Bench]:
    """A bench whose database lies on the small disk."""
    name = f"small_{uuid4().hex[:12]}"
    admin = await asyncpg.connect(lonely.url())
    await admin.execute(f"create tablespace {name} location '{disk.database}'")
    await admin.execute(
        f"create database {name} template {TEMPLATE} owner {OWNER_ROLE} tablespace {name}"
    )
    try:
        async with open_bench(lonely.url(database=name)) as bench:
            yield bench
    finally:
        await admin.execute(f"drop database if exists {name} with (force)")
        await admin.execute(f"drop tablespace {name}")
        await admin.close()


async def send(person: Person, path: str, body: Any, key: str) -> httpx.Response:
    headers = {"idempotency-key": key}
    return await person.client.post(f"{API}/migration{path}", json=body, headers=headers)


def is_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["code"]) == (507, "STORAGE_FULL"), answer.text
    assert "Make room" in answer.json()["hint"]
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("room", [0, 1 * _MIB, 3 * _MIB])
async def test_a_migration_that_found_no_room_goes_on_when_there_is_some(
    crowded: Bench, disk: Disk, room: int
) -> None:
    person = await crowded.person()
    before = await snapshot(crowded, person)
    disk.fill(room)
    is_refused(await send(person, "", BODY, "start"))
    left = (await person.get("/migration"))["migrations"]
    assert [each["state"] for each in left] in ([], ["received"], ["applying"], ["verifying"])
    disk.make_room()
    await crowded.migrations.resume_all()
    answer = await send(person, "", BODY, "start")
    assert answer.is_success, answer.text
    [migration] = (await person.get("/migration"))["migrations"]
    assert (migration["state"], migration["counts"]["created"]) == ("completed", SIZE + 2)
    rows = await crowded.rows(person)
    assert (len(rows["tasks"]), len(rows["messages"])) == (SIZE, 2 * SIZE)
    after = await snapshot(crowded, person)

    undo = f"/{migration['id']}/undo"
    disk.fill(0)
    is_refused(await send(person, undo, {}, "undo"))
    assert await snapshot(crowded, person) == after
    assert (await person.get(f"/migration/{migration['id']}"))["state"] == "completed"
    disk.make_room()
    undone = await send(person, undo, {}, "undo")
    assert undone.json()["data"]["state"] == "undone"
    assert await snapshot(crowded, person) == before


@pytest.mark.long
@pytest.mark.parametrize("room", [0, 2 * _MIB, 4 * _MIB, 8 * _MIB, 12 * _MIB])
def test_with_all_of_postgres_on_it_nothing_is_lost_either(data_dir: Path, room: int) -> None:
    with small_disk(data_dir, 320) as disk, living(data_dir) as world:
        before = world.rows()
        disk.fill(room)
        # Without room for its log PostgreSQL ends, and with it what it was asked.
        with suppress(httpx.TransportError), world.server.client(world.token) as client:
            headers = {"idempotency-key": "start"}
            answer = client.post(f"{API}/migration", json=BODY, headers=headers)
            assert answer.status_code in {503, 507}, answer.text
        disk.make_room()
        migration = world.settled(world.post("/migration", BODY, "start"))
        assert migration["state"] == "completed", migration["error"]
        assert migration["counts"]["created"] == SIZE + 2
        assert len(world.get("/migration")["migrations"]) == 1
        undone = world.post(f"/migration/{migration['id']}/undo", {}, "undo", waits=True)
        assert undone["state"] == "undone"
        assert world.rows() == before
