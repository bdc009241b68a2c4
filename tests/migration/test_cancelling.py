"""A migration is cancelled wherever it is, and what it has written is taken back."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from roost.db.pool import Database
from roost.migration.cancelling import cancel
from roost.migration.ledger import Ledger
from roost.migration.model import State
from roost.migration.service import Migrations
from roost.migration.targets.target import Place
from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.test_late_conflicts import OVERWRITE, Interrupted, rename, step
from tests.migration.test_recovery import Mortal, StoppedError
from tests.migration.test_undo import CHANGED, KEYS, TASK, snapshot
from tests.support.schema import pool_config

CONFIG = {"conflictResolution": "AUTO_OVERWRITE", "batchSize": 2}


class Held(Ledger):
    """A run that lets something happen when it comes to a place."""

    at: tuple[State, int] | None = None
    meanwhile: Callable[[], Awaitable[Any]]

    async def write(self, work: Any, ahead: Any = None) -> Any:
        result = await super().write(work, ahead)
        if (self.state, self.done) == Held.at:
            Held.at = None
            await Held.meanwhile()
        return result


@pytest.fixture(autouse=True)
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.migration.service.Ledger", Held)
    monkeypatch.setattr(Held, "at", None)


def hold(place: tuple[State, int], meanwhile: Callable[[], Awaitable[Any]]) -> None:
    Held.at = place
    Held.meanwhile = staticmethod(meanwhile)


async def ask(person: Person, migration_id: str, prefer: str = "") -> httpx.Response:
    headers = {"prefer": prefer} if prefer else {}
    return await person.client.post(f"{API}/migration/{migration_id}/cancel", headers=headers)


async def running(person: Person) -> dict[str, Any]:
    found: dict[str, Any] = (await person.get("/migration"))["running"]
    return found


PLACES = [
    (State.RECEIVED, 4),
    (State.APPLYING, 0),
    (State.APPLYING, 6),
    (State.VERIFYING, 0),
    (State.VERIFYING, 2),
]


@pytest.mark.parametrize("place", PLACES, ids=str)
async def test_a_run_stops_where_it_is_and_goes_back(
    bench: Bench, place: tuple[State, int]
) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)

    async def meanwhile() -> None:
        answer = await ask(person, (await running(person))["id"], "respond-async")
        assert answer.status_code == 202, answer.text
        assert answer.json()["data"]["error"]["code"] == "CANCELLING"

    hold(place, meanwhile)
    migration = await person.migrate(CHANGED, **CONFIG)
    assert Held.at is None
    assert (migration["state"], migration["error"]["code"]) == ("cancelled", "CANCELLED")
    assert migration["finishedAt"]
    assert await snapshot(bench, person) == before
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert not any(each["stored"] for each in receipt["keys"])
    assert (await person.migrate(CHANGED, **CONFIG))["state"] == "completed"


async def test_another_worker_is_answered_when_it_has_stopped(
    bench: Bench, roost_database: str
) -> None:
    person = await bench.person()
    stops, goes_on = asyncio.Event(), asyncio.Event()

    async def meanwhile() -> None:
        stops.set()
        await goes_on.wait()

    hold((State.APPLYING, 2), meanwhile)
    run = asyncio.create_task(person.migrate(KEYS, batchSize=2))
    await asyncio.wait_for(stops.wait(), 20)
    database = await Database.connect(pool_config(roost_database))
    try:
        worker = Migrations(database, bench.box, lambda: None)
        whose = person.workspace_id, person.user_id
        migration = await running(person)
        cancelling = asyncio.create_task(worker.cancel(*whose, migration["id"]))
        async with asyncio.timeout(20):
            while (await running(person))["error"] is None:  # noqa: ASYNC110 -- another worker's
                await asyncio.sleep(0.01)
        assert not cancelling.done()
        goes_on.set()
        await cancelling
    finally:
        await database.close()
    found = await person.get(f"/migration/{migration['id']}")
    assert (found["state"], (await run)["state"]) == ("cancelled", "cancelled")
    assert await person.get("/tasks") == []


async def test_what_a_dead_process_left_is_taken_back_by_who_cancels_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    migration = await left(bench, person, monkeypatch)
    answer = await ask(person, migration["id"])
    assert (answer.status_code, answer.json()["data"]["state"]) == (200, "cancelled")
    assert await person.get("/tasks") == []
    assert (await person.get("/migration"))["mayStart"] is True


async def test_a_process_that_dies_when_it_was_asked_to_stop_is_followed_by_one_that_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    migration = await left(bench, person, monkeypatch)
    place = Place(person.workspace_id, person.user_id, bench.box, migration["id"])
    ledger = Ledger(bench.house.database, place, migration["id"], lambda: None)
    assert await ledger.write(lambda transaction: cancel(transaction, place))
    assert await bench.migrations.resume_all() >= 1
    assert (await person.get(f"/migration/{migration['id']}"))["state"] == "cancelled"
    assert await person.get("/tasks") == []


async def left(bench: Bench, person: Person, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a process leaves that was killed while it wrote."""
    with monkeypatch.context() as patched:
        patched.setattr("roost.migration.service.Ledger", Mortal)
        patched.setattr(Mortal, "left", 14)
        with pytest.raises(StoppedError):
            await person.migrate(KEYS, batchSize=2)
    migration = await running(person)
    assert migration["state"] == "applying"
    assert (await bench.rows(person))["tasks"]
    return migration


async def test_what_waits_for_an_answer_about_the_rest_is_taken_back(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    await person.migrate({"task-store": KEYS["task-store"], "theme": "dark"})
    before = await snapshot(bench, person)
    monkeypatch.setattr("roost.migration.service.Ledger", Interrupted)
    changed = {
        "task-store": store(*(task(number, title=f"New {number}") for number in range(6))),
        "theme": "light",
    }
    waiting = await person.migrate(changed, batchSize=1)
    second = task(2)["id"]
    Interrupted.meanwhile = rename(person, "Mine")
    late = await step(person, waiting, "resolutions", OVERWRITE)
    assert (late["state"], late["counts"]["updated"]) == ("awaiting_resolution", 6)
    await bench.watcher.execute(
        "update migration_items set resolution = 'overwrite' "
        "where migration_id = $1 and conflict ? 'late'",
        late["id"],
    )
    cancelled = await step(person, late, "cancel", {})
    assert (cancelled["state"], cancelled["error"]["code"]) == ("cancelled", "CANCELLED")
    after = await snapshot(bench, person)
    for found in (before, after):
        found["tasks"] = [row for row in found["tasks"] if row["id"] != second]
    assert after == before
    assert json.loads(after["preferences"]) == {"theme": "dark"}
    assert (await person.get(f"/tasks/{second}"))["title"] == "Mine"


async def test_what_somebody_has_worked_on_stays_and_is_named(bench: Bench) -> None:
    person = await bench.person()

    async def meanwhile() -> None:
        answer = await person.client.patch(f"{API}/tasks/{TASK}", json={"title": "Mine"})
        assert answer.status_code == 200
        assert (await ask(person, (await running(person))["id"], "respond-async")).is_success

    hold((State.APPLYING, 6), meanwhile)
    migration = await person.migrate(KEYS, batchSize=2)
    assert migration["state"] == "cancelled"
    assert [each["title"] for each in await person.get("/tasks")] == ["Mine"]
    assert migration["error"]["remaining"] == [{"kind": "task", "targetId": TASK}]
    undone = await step(person, migration, "undo", {"force": True})
    assert (undone["state"], await person.get("/tasks")) == ("undone", [])


async def test_to_cancel_twice_is_to_cancel_once_and_what_has_ended_stays(bench: Bench) -> None:
    person, other = await bench.person(), await bench.person()

    async def meanwhile() -> None:
        migration_id = (await running(person))["id"]
        assert (await ask(other, migration_id)).status_code == 404
        for _ in range(2):
            assert (await ask(person, migration_id, "respond-async")).status_code == 202

    hold((State.APPLYING, 2), meanwhile)
    migration = await person.migrate(KEYS, batchSize=2)
    assert migration["state"] == "cancelled"
    refused = await ask(person, migration["id"])
    assert (refused.status_code, refused.json()["code"]) == (409, "MIGRATION_STATE")


async def test_a_key_is_answered_as_it_was_though_the_migration_has_ended(bench: Bench) -> None:
    person = await bench.person()
    key = {"idempotency-key": "cancel-1", "prefer": "respond-async"}
    paths: list[str] = []

    async def meanwhile() -> None:
        paths.append(f"{API}/migration/{(await running(person))['id']}/cancel")
        assert (await person.client.post(paths[0], headers=key)).status_code == 202

    hold((State.APPLYING, 2), meanwhile)
    assert (await person.migrate(KEYS, batchSize=2))["state"] == "cancelled"
    again = await person.client.post(paths[0], headers=key)
    assert (again.status_code, again.json()["data"]["error"]["code"]) == (202, "CANCELLING")
    refused = await person.client.post(paths[0], headers={"idempotency-key": "cancel-2"})
    assert refused.json()["code"] == "MIGRATION_STATE"
