"""What people do in Roost after a migration, or beside it, outlives the next one."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from roost.db.pool import Database
from roost.environments.model import SECRET_NAME
from roost.migration import carrying, claim
from roost.migration.ledger import Ledger
from roost.migration.model import Config, State
from roost.migration.request import open_dump
from roost.migration.service import Migrations
from tests.migration.bench import API, Bench, Person, store, task
from tests.migration.test_recovery import StoppedError, tampering
from tests.support.schema import pool_config

TASK = task(1)["id"]
SPOIL = "if new.title = 'Task 7' then new.title = 'x'; end if; return new;"


async def say(person: Person, text: str) -> None:
    answer = await person.client.post(
        f"{API}/tasks/{TASK}/messages", json={"role": "user", "text": text}
    )
    assert answer.status_code == 201, answer.text


async def conversation(person: Person) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await person.get(f"/tasks/{TASK}/messages", limit=100)
    assert [each["position"] for each in found] == list(range(len(found)))
    return found


@pytest.mark.parametrize("incoming", [["only this"], ["a", "b", "c", "d"], []])
async def test_overwriting_keeps_what_was_said_here_since(
    bench: Bench, incoming: list[str]
) -> None:
    person = await bench.person()
    await person.migrate({"task-store": store(task(1))})
    await say(person, "go on")
    await say(person, "and on")
    here = (await conversation(person))[2:]
    keys = {"task-store": store(task(1, messages=incoming))}
    migration = await person.migrate(keys, conflictResolution="AUTO_OVERWRITE")
    assert (migration["state"], migration["counts"]["updated"]) == ("completed", 1)
    now = await conversation(person)
    assert [each["text"] for each in now] == [*incoming, "go on", "and on"]
    same = ("id", "createdBy", "createdAt", "payload", "role", "type")
    assert [[each[name] for name in same] for each in now[len(incoming) :]] == [
        [each[name] for name in same] for each in here
    ]
    again = await person.migrate(keys)
    assert again["counts"]["same"] == 1


async def test_overwriting_taken_back_gives_the_conversation_back_to_the_letter(
    bench: Bench,
) -> None:
    person = await bench.person()
    await person.migrate({"task-store": store(task(1))})
    await say(person, "go on")
    before = await bench.rows(person, "messages")
    # Only the date differs, which messages without a date have from their task.
    changed = store(task(1, createdAt="2025-06-01T00:00:00.000Z"), task(7))
    async with tampering(bench, person, "tasks", "before insert", SPOIL):
        migration = await person.migrate(
            {"task-store": changed}, conflictResolution="AUTO_OVERWRITE"
        )
    assert migration["error"]["code"] == "VERIFICATION_FAILED"
    assert (await bench.rows(person, "messages"))["messages"] == before["messages"]


class Answered(Ledger):
    """A run during which its user answers in a task, once the first batch is committed."""

    say: Any = None

    async def write(self, work: Any, ahead: Any = None) -> Any:
        result = await super().write(work, ahead)
        if self.state is State.APPLYING and self.done == 1 and Answered.say is not None:
            say, Answered.say = Answered.say, None
            await say()
        return result


async def test_a_task_that_was_answered_in_is_not_taken_back_but_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    monkeypatch.setattr("roost.migration.service.Ledger", Answered)
    monkeypatch.setattr(Answered, "say", lambda: say(person, "go on"))
    async with tampering(bench, person, "tasks", "before insert", SPOIL):
        migration = await person.migrate(
            {"task-store": store(task(1), task(2), task(7))}, batchSize=1
        )
    assert migration["error"]["code"] == "VERIFICATION_FAILED"
    assert [each["id"] for each in await person.get("/tasks")] == [TASK]
    assert (await conversation(person))[-1]["text"] == "go on"
    assert migration["error"]["remaining"] == [{"kind": "task", "targetId": TASK}]


async def test_two_members_bring_the_same_dump_and_each_has_rows_of_their_own(
    bench: Bench,
) -> None:
    alice = await bench.person()
    bob = await bench.person(alice.workspace_id)
    environment = str(uuid4())
    keys = {
        "task-store": store(task(1, environmentId=environment), task(2)),
        "environments": f'[{{"id": "{environment}", "name": "E"}}]',
    }
    await alice.migrate(keys)
    hers = await bench.rows(alice)
    first = await bob.migrate(keys)
    assert (first["state"], first["counts"]["create"]) == ("completed", 3)
    both = await bench.rows(bob)
    assert set(hers["tasks"]) < set(both["tasks"])
    assert len(both["tasks"]) == 4
    theirs = [each for each in await bob.get("/tasks") if each["createdBy"] == str(bob.user_id)]
    assert len(theirs) == 2
    assert all(UUID(each["id"]).version == 5 for each in theirs)
    [named] = {each["environmentId"] for each in theirs} - {None}
    mine = await bob.get("/environments")
    assert {each["id"]: each["userId"] for each in mine}[named] == str(bob.user_id)
    for person in (alice, bob):
        again = await person.migrate(keys)
        assert (again["counts"]["same"], again["counts"]["create"]) == (3, 0)
    assert await bench.rows(bob) == both


async def test_every_migrated_secret_can_be_listed_and_removed(bench: Bench) -> None:
    person = await bench.person()
    odd = {'A"B': "1", "A B": "2", "9\\": "3", "ä" * 300: "4", "ok": "5", "": "6"}
    source = {"id": "e", "name": "E", "environment": odd}
    keys = {"environments": json.dumps([source])}
    migration = await person.migrate(keys)
    assert migration["state"] == "completed"
    [environment] = await person.get("/environments")
    names = [each["name"] for each in environment["secrets"]]
    assert len(names) == len(odd)
    assert all(SECRET_NAME.fullmatch(name) for name in names)
    assert "ok" in names
    [item] = await person.items(migration, kind="environment")
    renamed = [each for each in item["warnings"] if each["code"] == "SECRET_RENAMED"]
    assert 'A"B' in {each["detail"] for each in renamed}
    assert len(renamed) == len(odd) - 1
    assert (await person.migrate(keys))["counts"]["same"] == 1
    path = f"{API}/environments/{environment['id']}/secrets"
    for name in names:
        assert (await person.client.delete(f"{path}/{name}")).status_code < 300
    [environment] = await person.get("/environments")
    assert environment["secrets"] == []


async def test_one_connection_is_enough_to_migrate(bench: Bench, roost_database: str) -> None:
    person = await bench.person()
    database = await Database.connect(pool_config(roost_database, max_connections=1))
    try:
        migrations = Migrations(database, bench.box, lambda: None)
        received = open_dump(b'{"keys": {"theme": "dark"}}', None)
        async with asyncio.timeout(20):
            await migrations.start(person.workspace_id, person.user_id, received, Config())
    finally:
        await database.close()
    [migration] = (await person.get("/migration"))["migrations"]
    assert migration["state"] == "completed"


async def test_a_full_server_says_when_to_come_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim, "PATIENCE", 0.05)
    person, database = await bench.person(), bench.house.database
    holding = [claim.claimed(database, uuid4(), uuid4()) for _ in range(claim.AT_ONCE)]
    for each in holding:
        assert await each.__aenter__()
    answer = await person.client.post(f"{API}/migration", json={"keys": {"theme": "dark"}})
    assert (answer.status_code, answer.json()["code"]) == (503, "CONTENTION")
    assert int(answer.headers["retry-after"]) > 0
    for each in holding:
        await each.__aexit__(None, None, None)
    assert (await person.migrate({"theme": "dark"}))["state"] == "completed"


async def test_a_migration_that_cannot_go_on_holds_up_no_other_and_is_tried_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = [await bench.person(), await bench.person()]
    with monkeypatch.context() as patched:
        patched.setattr("roost.migration.carrying.carry_out", _stop)
        for person in people:
            with pytest.raises(StoppedError):
                await person.migrate({"theme": "dark"})
    finish = carrying.finish_earlier
    failures: list[UUID] = []

    async def once_broken(database: Database, make: Any, workspace_id: UUID, user_id: UUID) -> int:
        if not failures:
            failures.append(user_id)
            raise OSError
        return await finish(database, make, workspace_id, user_id)

    monkeypatch.setattr(carrying, "finish_earlier", once_broken)
    monkeypatch.setattr("roost.migration.carrying._FIRST_PAUSE", 0.01)
    async with asyncio.timeout(20):
        await bench.migrations.keep_resuming()
    assert failures
    for person in people:
        [migration] = (await person.get("/migration"))["migrations"]
        assert migration["state"] == "completed"


async def _stop(*_: object, **__: object) -> None:
    raise StoppedError


async def test_what_was_cancelled_cannot_be_applied(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"theme": "dark"}, review=True)
    path = f"{API}/migration/{migration['id']}"
    assert (await person.client.post(f"{path}/cancel")).status_code == 200
    answer = await person.client.post(f"{path}/apply")
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_STATE")
    assert answer.json()["state"] == State.CANCELLED
