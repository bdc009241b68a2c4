"""A migration that goes on by itself: begun, watched, and found again."""

import asyncio
import json
from typing import Any

import pytest

from tests.migration.bench import API, Bench, Person, store, task

KEYS = {"task-store": store(*map(task, range(30))), "theme": "dark"}
ASYNC = {"prefer": "respond-async", "idempotency-key": "once"}


async def begun(person: Person, **config: Any) -> Any:
    body = {"keys": KEYS, "config": config}
    return await person.client.post(f"{API}/migration", json=body, headers=ASYNC)


def events_of(text: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, id and data of each event; comments are passed over."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "data" in lines:
            found.append((lines["event"], lines["id"], json.loads(lines["data"])))
    return found


async def test_it_is_answered_when_the_dump_is_stored_and_goes_on(bench: Bench) -> None:
    person = await bench.person()
    answer = await begun(person, batchSize=1)
    assert answer.status_code == 202, answer.text
    assert answer.headers["preference-applied"] == "respond-async"
    migration = answer.json()["data"]
    assert answer.headers["location"] == f"{API}/migration/{migration['id']}"
    async with asyncio.timeout(30):
        watched = await person.client.get(f"{API}/migration/{migration['id']}/events")
    assert watched.headers["content-type"].startswith("text/event-stream")
    events = events_of(watched.text)
    assert events[-1][0] == "end"
    assert events[-1][2]["state"] == "completed"
    assert events[-1][2]["counts"]["created"] == 31
    done = [data["progress"]["done"] for name, _, data in events if name == "progress"]
    assert done
    assert all(data["id"] == migration["id"] for _, _, data in events)


async def test_the_same_key_gives_the_same_migration(bench: Bench) -> None:
    person = await bench.person()
    first = await begun(person)
    async with asyncio.timeout(30):
        await person.client.get(f"{first.headers['location']}/events")
    again = await begun(person)
    assert (again.status_code, again.json()) == (202, first.json())
    assert len((await person.get("/migration"))["migrations"]) == 1


async def test_who_has_heard_the_end_is_not_told_again(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"theme": "dark"})
    path = f"{API}/migration/{migration['id']}/events"
    [(name, last, _)] = events_of((await person.client.get(path)).text)
    assert name == "end"
    again = await person.client.get(path, headers={"last-event-id": last})
    assert (again.status_code, again.content) == (204, b"")


async def test_another_ones_migration_is_not_watched(bench: Bench) -> None:
    person, other = await bench.person(), await bench.person()
    migration = await person.migrate({"theme": "dark"})
    answer = await other.client.get(f"{API}/migration/{migration['id']}/events")
    assert (answer.status_code, answer.json()["code"]) == (404, "MIGRATION_NOT_FOUND")


async def test_a_second_one_is_refused_in_the_background_too(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    go_on = asyncio.Event()

    async def waits(*_: object) -> None:
        await go_on.wait()

    monkeypatch.setattr("roost.migration.carrying.carry_out", waits)
    assert (await begun(person)).status_code == 202
    body = {"keys": {"theme": "light"}}
    second = await person.client.post(
        f"{API}/migration", json=body, headers={"prefer": "respond-async"}
    )
    assert (second.status_code, second.json()["code"]) == (409, "MIGRATION_IN_PROGRESS")
    go_on.set()
