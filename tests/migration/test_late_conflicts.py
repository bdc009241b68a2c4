"""What changes while a plan is being carried out is decided on again, or asked about."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from roost.migration.ledger import Ledger
from roost.migration.model import State
from tests.migration.bench import API, Bench, Person, store, task

KEYS = {"task-store": store(*map(task, range(4))), "theme": "dark"}
CHANGED = {
    "task-store": store(*(task(number, title=f"New {number}") for number in range(4))),
    "theme": "light",
}
OVERWRITE = {"resolutions": [{"resolution": "overwrite"}]}
TASK = task(2)["id"]


class Interrupted(Ledger):
    """A run during which something happens, once the first batch is written."""

    meanwhile: Callable[[], Awaitable[Any]] | None = None

    async def write(self, work: Any, ahead: Any = None) -> Any:
        result = await super().write(work, ahead)
        if self.state is State.APPLYING and self.done == 1 and Interrupted.meanwhile is not None:
            meanwhile, Interrupted.meanwhile = Interrupted.meanwhile, None
            await meanwhile()
        return result


@pytest.fixture(autouse=True)
def interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("roost.migration.service.Ledger", Interrupted)
    monkeypatch.setattr(Interrupted, "meanwhile", None)


def rename(person: Person, title: str) -> Callable[[], Awaitable[Any]]:
    async def work() -> None:
        answer = await person.client.patch(f"{API}/tasks/{TASK}", json={"title": title})
        assert answer.status_code == 200, answer.text

    return work


async def step(person: Person, migration: dict[str, Any], name: str, body: Any) -> dict[str, Any]:
    path = f"{API}/migration/{migration['id']}/{name}"
    answer = await person.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()["data"]
    return document


async def titles(person: Person) -> list[str]:
    return [each["title"] for each in await person.get("/tasks", sort="title")]


async def stored(person: Person, migration: dict[str, Any]) -> set[bool]:
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    return {each["stored"] for each in receipt["keys"]}


async def late(bench: Bench, **config: Any) -> tuple[Person, dict[str, Any]]:
    """Answer all conflicts while somebody changes one of the tasks."""
    person = await bench.person()
    await person.migrate(KEYS)
    waiting = await person.migrate(CHANGED, batchSize=1, **config)
    assert waiting["counts"]["unresolved"] == 5
    Interrupted.meanwhile = rename(person, "Mine")
    return person, await step(person, waiting, "resolutions", OVERWRITE)


@pytest.mark.parametrize("validates", [True, False])
async def test_what_changed_under_an_answer_is_asked_about_again(
    bench: Bench, *, validates: bool
) -> None:
    person, migration = await late(bench, validateAfterMigration=validates)
    assert migration["state"] == "awaiting_resolution"
    assert (migration["counts"]["unresolved"], migration["counts"]["updated"]) == (1, 4)
    assert await titles(person) == ["Mine", "New 0", "New 1", "New 3"]
    assert await stored(person, migration) == {False}
    [item] = [each for each in await person.items(migration) if each["resolution"] is None]
    assert (item["targetId"], item["conflict"]["late"]) == (TASK, True)
    assert item["conflict"]["existing"]["title"] == "Mine"


async def test_an_answer_carries_on_and_leaves_what_was_written_alone(bench: Bench) -> None:
    person, migration = await late(bench)
    worked_on = f"{API}/tasks/{task(1)['id']}"
    assert (await person.client.patch(worked_on, json={"title": "Newer"})).status_code == 200
    assert (await person.client.delete(f"{API}/tasks/{task(3)['id']}")).status_code < 300
    done = await step(person, migration, "resolutions", OVERWRITE)
    assert (done["state"], done["counts"]["updated"]) == ("completed", 5)
    assert await titles(person) == ["New 0", "New 2", "Newer"]
    assert await stored(person, done) == {True}


async def test_it_is_asked_about_as_often_as_it_changes(bench: Bench) -> None:
    person, migration = await late(bench)
    await rename(person, "Mine again")()
    again = await step(person, migration, "resolutions", OVERWRITE)
    assert (again["state"], again["counts"]["unresolved"]) == ("awaiting_resolution", 1)
    assert "Mine again" in await titles(person)
    kept = await step(person, again, "resolutions", {"resolutions": [{"resolution": "skip"}]})
    assert (kept["state"], kept["counts"]["updated"]) == ("completed", 4)
    assert await titles(person) == ["Mine again", "New 0", "New 1", "New 3"]


async def test_undoing_takes_back_what_was_written_before_and_after_the_answer(
    bench: Bench,
) -> None:
    person, migration = await late(bench)
    done = await step(person, migration, "resolutions", OVERWRITE)
    undone = await step(person, done, "undo", {})
    assert (undone["state"], undone["undo"]["kept"]) == ("undone", [])
    assert await titles(person) == ["Mine", "Task 0", "Task 1", "Task 3"]
    user = await bench.watcher.fetchval(
        "select preferences from users where id = $1", person.user_id
    )
    assert json.loads(user) == {"theme": "dark"}


@pytest.mark.parametrize("policy", ["AUTO_OVERWRITE", "AUTO_MERGE", "AUTO_SKIP"])
async def test_a_policy_decides_on_what_changes_meanwhile_too(bench: Bench, policy: str) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    Interrupted.meanwhile = rename(person, "Mine")
    migration = await person.migrate(CHANGED, batchSize=1, conflictResolution=policy)
    assert (migration["state"], migration["counts"]["unresolved"]) == ("completed", 0)
    expected = "New 2" if policy == "AUTO_OVERWRITE" else "Mine"
    assert expected in await titles(person)


async def test_what_turns_up_meanwhile_is_asked_about(bench: Bench) -> None:
    person = await bench.person()

    async def appear() -> None:
        await bench.watcher.execute(
            "insert into tasks (workspace_id, id, created_by, title) values ($1, $2, $3, 'Mine')",
            person.workspace_id,
            TASK,
            person.user_id,
        )

    Interrupted.meanwhile = appear
    migration = await person.migrate(KEYS, batchSize=1)
    assert migration["state"] == "awaiting_resolution"
    assert (migration["counts"]["created"], migration["counts"]["unresolved"]) == (4, 1)
    done = await step(person, migration, "resolutions", OVERWRITE)
    assert (done["state"], "Task 2" in await titles(person)) == ("completed", True)


async def test_no_answer_is_taken_for_what_was_written(bench: Bench) -> None:
    person, migration = await late(bench)
    written = [each["id"] for each in await person.items(migration) if each["resolution"]]
    body = {"resolutions": [{"id": written[0], "resolution": "skip"}]}
    path = f"{API}/migration/{migration['id']}/resolutions"
    refused = await person.client.post(path, json=body)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "resolutions.0.id")
    skip = {"resolutions": [{"resolution": "skip"}]}
    done = await step(person, migration, "resolutions", skip)
    found = [item["resolution"] for item in await person.items(done)]
    assert sorted(found) == ["overwrite"] * 4 + ["skip"]
