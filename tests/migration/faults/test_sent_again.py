"""Requests whose answers were lost, sent again; and requests that come at the same moment."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest

from roost.db.faults import OutcomeUnknownError
from roost.db.pool import Database
from roost.migration.answering import Desk
from roost.migration.once import AnsweredError
from roost.migration.targets.target import Place
from roost.migration.undo import _undo as taken_back
from roost.migration.undo import undo
from roost.web.reply import Reply
from tests.db.waiting import until
from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.test_undo import snapshot

KEYS = {"task-store": store(*map(task, range(30))), "theme": "dark"}
OTHER = {"task-store": store(task(1, title="theirs")), "theme": "light"}
Steps = list[tuple[str, dict[str, Any]]]


class DiedError(BaseException):
    """Stands for the end of a process."""


@contextmanager
def dying_before_it_answers() -> Iterator[None]:
    """Let the process end between the last commit of a request and its answer."""

    async def die(*_: object, **__: object) -> None:
        raise DiedError

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Desk, "shown", die)
        yield


@contextmanager
def unconfirmed_commits() -> Iterator[None]:
    """Let the connection break when a commit was made and nobody has heard of it."""
    commit = Database._commit

    async def unheard(self: Database, block: Any) -> None:
        await commit(self, block)
        message = "unconfirmed"
        raise OutcomeUnknownError(message)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Database, "_commit", unheard)
        yield


async def send(person: Person, path: str, body: Any, key: str, **headers: str) -> httpx.Response:
    sent = {"idempotency-key": key} | headers
    return await person.client.post(f"{API}/migration{path}", json=body, headers=sent)


async def lost_and_again(person: Person, path: str, body: Any) -> httpx.Response:
    with dying_before_it_answers(), pytest.raises(DiedError):
        await send(person, path, body, f"again {path}")
    answer = await send(person, path, body, f"again {path}")
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.is_success, answer.text
    return answer


async def test_a_start_whose_answer_was_lost_is_made_once(bench: Bench) -> None:
    person = await bench.person()
    answer = await lost_and_again(person, "", {"keys": KEYS})
    assert answer.status_code == 202
    now = (await person.client.get(answer.headers["location"])).json()["data"]
    assert (now["state"], now["counts"]["created"]) == ("completed", 31)
    assert len((await person.get("/migration"))["migrations"]) == 1


async def test_a_start_sent_again_writes_over_nothing_that_was_done_since(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    body = {"keys": OTHER, "config": {"conflictResolution": "AUTO_OVERWRITE"}}
    with dying_before_it_answers(), pytest.raises(DiedError):
        await send(person, "", body, "key")
    edited = f"{API}/tasks/{task(1)['id']}"
    await person.client.patch(edited, json={"title": "mine"})
    assert (await send(person, "", body, "key")).status_code == 202
    assert (await person.client.get(edited)).json()["data"]["title"] == "mine"


async def test_steps_whose_answers_were_lost_are_taken_once(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    before = await snapshot(bench, person)
    waiting = await person.migrate(OTHER)
    path = f"/{waiting['id']}"
    await lost_and_again(person, f"{path}/resolutions", {"resolutions": [{"resolution": "skip"}]})
    assert (await person.get(f"/migration{path}"))["state"] == "completed"
    planned = await person.migrate(OTHER, review=True, conflictResolution="AUTO_OVERWRITE")
    path = f"/{planned['id']}"
    await lost_and_again(person, f"{path}/apply", None)
    assert (await person.get(f"/migration{path}"))["counts"]["updated"] == 2
    answer = await lost_and_again(person, f"{path}/undo", {})
    assert (answer.status_code, answer.json()["data"]["state"]) == (200, "undone")
    now = await person.get(f"/migration{path}")
    assert (now["state"], now["undo"]["number"]) == ("undone", 1)
    assert await snapshot(bench, person) == before
    dropped = await person.migrate(OTHER, review=True)
    answer = await lost_and_again(person, f"/{dropped['id']}/cancel", None)
    assert answer.json()["data"]["state"] == "cancelled"


async def test_an_older_undo_sent_again_does_not_undo_a_newer_one(bench: Bench) -> None:
    person = await bench.person()
    path = f"/{(await person.migrate(KEYS))['id']}/undo"
    with dying_before_it_answers(), pytest.raises(DiedError):
        await send(person, path, {}, "first")
    assert (await send(person, path, {}, "second")).json()["data"]["state"] == "completed"
    again = await send(person, path, {}, "first")
    assert again.headers["idempotent-replayed"] == "true"
    assert len(await person.get("/tasks", limit=100)) == 30


async def test_an_undo_that_was_not_confirmed_is_done_once(bench: Bench) -> None:
    person = await bench.person()
    path = f"/{(await person.migrate(KEYS))['id']}"
    with unconfirmed_commits():
        answer = await send(person, f"{path}/undo", {}, "key")
    assert (answer.status_code, answer.json()["code"]) == (503, "DATABASE_UNAVAILABLE")
    assert (await send(person, f"{path}/undo", {}, "key")).json()["data"]["state"] == "undone"
    assert (await person.get(f"/migration{path}"))["undo"]["number"] == 1


async def together(
    person: Person, path: str, body: Any, keys: list[str], prefer: str
) -> list[httpx.Response]:
    """Send all at the same moment: each is done, or says that another one is at it."""
    sent = [send(person, path, body, key, prefer=prefer) for key in keys]
    answers = await asyncio.gather(*sent)
    refused = {answer.json()["code"] for answer in answers if not answer.is_success}
    assert refused <= {"MIGRATION_IN_PROGRESS", "CONTENTION"}
    return [answer for answer in answers if answer.is_success]


PREFERENCES = pytest.mark.parametrize("prefer", ["respond-async", "return=representation"])


@PREFERENCES
@pytest.mark.parametrize("keys", [["same"] * 6, [f"key {number}" for number in range(6)]])
async def test_starts_at_the_same_moment_make_each_row_once(
    bench: Bench, keys: list[str], prefer: str
) -> None:
    person = await bench.person()
    body = {"keys": KEYS, "config": {"batchSize": 5}}
    answers = await together(person, "", body, keys, prefer)
    made = {answer.json()["data"]["id"] for answer in answers}
    for each in made:
        await person.client.get(f"{API}/migration/{each}/events")
    migrations = (await person.get("/migration"))["migrations"]
    assert {each["id"] for each in migrations} == made
    assert {each["state"] for each in migrations} == {"completed"}
    # One of another key may come when the first is over: it finds everything there.
    assert len(made) <= len(set(keys))
    assert sum(each["counts"]["created"] for each in migrations) == 31


@PREFERENCES
async def test_undos_at_the_same_moment_with_one_key_are_one(bench: Bench, prefer: str) -> None:
    person = await bench.person()
    path = f"/{(await person.migrate(KEYS))['id']}"
    assert await together(person, f"{path}/undo", {}, ["key"] * 6, prefer)

    async def undone() -> bool:
        return bool((await person.get(f"/migration{path}"))["undo"])

    await until(undone)
    now = await person.get(f"/migration{path}")
    assert (now["state"], now["undo"]["number"]) == ("undone", 1)


async def test_an_undo_of_which_two_have_begun_has_one_answer(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a lost connection has let go of the first one's claim, and it goes on."""
    person = await bench.person()
    migration = await person.migrate(KEYS)
    place = Place(person.workspace_id, person.user_id, bench.box, UUID(migration["id"]))
    write, arrived = Database.write, asyncio.Barrier(2)
    sealed: list[UUID] = []

    async def together_from_there(self: Database, context: Any, work: Any) -> Any:
        # Both know by then which undo it will be.
        if getattr(work, "func", None) is taken_back:
            await asyncio.wait_for(arrived.wait(), 30)
        return await write(self, context, work)

    async def seal(_transaction: Any, migration_id: UUID) -> None:
        if sealed:
            raise AnsweredError(Reply())
        sealed.append(migration_id)

    monkeypatch.setattr(Database, "write", together_from_there)
    twice = [undo(bench.house.database, place, seal, force=False) for _ in range(2)]
    ended = await asyncio.gather(*twice, return_exceptions=True)
    assert sorted(type(each).__name__ for each in ended) == ["AnsweredError", "NoneType"]
    now = await person.get(f"/migration/{migration['id']}")
    assert (now["state"], now["undo"]["number"]) == ("undone", 1)
