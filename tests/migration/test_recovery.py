"""What goes wrong on the way: rows changed behind its back, dead processes, refused rows."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from roost.migration.ledger import Ledger
from roost.migration.model import State
from tests.migration.bench import API, DATA, Bench, Person, store, task


@asynccontextmanager
async def tampering(
    bench: Bench, person: Person, table: str, when: str, body: str
) -> AsyncIterator[None]:
    """Let the database itself do something to the rows of one workspace as they are written."""
    name = f"tamper_{uuid4().hex}"
    await bench.watcher.execute(
        f"create function {name}() returns trigger language plpgsql as "
        f"$$ begin {body} end $$;"
        f"create trigger {name} {when} on {table} for each row "
        f"when (new.workspace_id = '{person.workspace_id}') execute function {name}()"
    )
    try:
        yield
    finally:
        await bench.watcher.execute(f"drop trigger {name} on {table}; drop function {name}()")


FAULTS = {
    "a changed title": (
        "tasks",
        "if new.title = 'Task 3' then new.title = 'x'; end if; return new;",
    ),
    "a changed moment": ("tasks", "new.created_at = new.created_at + interval '1 us'; return new;"),
    "a lost message": ("messages", "if new.text = 'did 2' then return null; end if; return new;"),
    "a changed payload": ("messages", "new.payload = '{}'; return new;"),
    "messages in another order": ("messages", "new.position = 1 - new.position; return new;"),
    "a lost document": ("documents", "return null;"),
    "another document": ("documents", "new.content = new.content || ' '; return new;"),
    "a spoilt secret": ("kept_secrets", "new.ciphertext = 'x'; return new;"),
    "a lost secret": ("environment_secrets", "return null;"),
}
KEYS = {
    "task-store": store(*map(task, range(6))),
    "environments": '[{"id": "e", "name": "E", "githubToken": "fake-' + 'token"}]',
    "my-notes": "some text",
    "electric_auth_token": "fake-" + "token",
    "theme": "dark",
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_what_reads_back_otherwise_is_found_and_all_of_it_taken_back(
    bench: Bench, fault: str
) -> None:
    person = await bench.person()
    table, body = FAULTS[fault]
    async with tampering(bench, person, table, "before insert", body):
        migration = await person.migrate(KEYS, batchSize=2)
    assert migration["state"] == "failed"
    assert migration["error"]["code"] == "VERIFICATION_FAILED"
    assert migration["error"]["items"]
    rows = await bench.rows(person)
    assert not any(rows[table] for table in DATA)
    preferences = "select preferences from users where id = $1"
    assert await bench.watcher.fetchval(preferences, person.user_id) == "{}"
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert not any(each["stored"] for each in receipt["keys"])
    again = await person.migrate(KEYS)
    assert (again["state"], again["counts"]["created"]) == ("completed", 10)


async def test_overwritten_rows_get_their_old_values_back(bench: Bench) -> None:
    person = await bench.person()
    await person.migrate(KEYS)
    path = f"{API}/tasks/{task(1)['id']}"
    await person.client.patch(path, json={"title": "mine", "labels": ["a"]})
    await person.client.post(f"{path}/messages", json={"role": "user", "text": "go on"})
    changed = KEYS | {
        "task-store": store(task(1, messages=["only this"]), task(7)),
        "theme": "light",
        "electric_auth_token": "fake-" + "other",
        "environments": KEYS["environments"].replace('"E"', '"F"'),
    }
    before = await _content(bench, person)
    body = "if new.title = 'Task 7' then new.title = 'x'; end if; return new;"
    async with tampering(bench, person, "tasks", "before insert", body):
        migration = await person.migrate(changed, conflictResolution="AUTO_OVERWRITE")
    assert migration["error"]["code"] == "VERIFICATION_FAILED"
    assert migration["counts"]["conflict"] == 4
    assert await _content(bench, person) == before


async def _content(bench: Bench, person: Person) -> dict[str, Any]:
    """What people see of a workspace: no versions, which only grow."""
    tasks = await person.get("/tasks", sort="createdAt", limit=100)
    said = {each["id"]: await person.get(f"/tasks/{each['id']}/messages") for each in tasks}
    environments = await person.get("/environments")
    sealed = await bench.watcher.fetch(
        "select name, ciphertext from environment_secrets where workspace_id = $1 union all "
        "select name, ciphertext from kept_secrets where workspace_id = $1 order by 1",
        person.workspace_id,
    )
    for each in [*tasks, *environments]:
        del each["version"]
    for each in environments:
        for secret in each["secrets"]:
            del secret["updatedAt"]
    return {
        "tasks": tasks,
        "messages": said,
        "environments": environments,
        "secrets": [(row["name"], bench.box.open(row["ciphertext"])) for row in sealed],
        "preferences": await bench.watcher.fetchval(
            "select preferences from users where id = $1", person.user_id
        ),
    }


REFUSE = (
    "if new.title = 'Task 3' then raise check_violation using message = 'no'; end if; return new;"
)


async def test_a_row_that_the_database_refuses_is_found_and_the_rest_goes_on(bench: Bench) -> None:
    person = await bench.person()
    async with tampering(bench, person, "tasks", "before insert", REFUSE):
        migration = await person.migrate(KEYS, continueOnError=True)
    assert migration["state"] == "completed"
    assert (migration["counts"]["created"], migration["counts"]["invalid"]) == (9, 1)
    [item] = await person.items(migration, verdict="invalid")
    assert item["reason"] == "REFUSED_BY_DATABASE"
    assert item["sourceId"] == task(3)["id"]


async def test_a_row_that_the_database_refuses_undoes_everything(bench: Bench) -> None:
    person = await bench.person()
    async with tampering(bench, person, "tasks", "before insert", REFUSE):
        migration = await person.migrate(KEYS, batchSize=1)
    assert migration["error"]["code"] == "ROW_REFUSED"
    rows = await bench.rows(person)
    assert not any(rows[table] for table in DATA)


class StoppedError(BaseException):
    """Stands for the end of a process."""


class Mortal(Ledger):
    """A run that ends, like a killed process, after so many transactions."""

    left = 0

    async def write(self, work: Any, ahead: Any = None) -> Any:
        if Mortal.left == 0:
            raise StoppedError
        Mortal.left -= 1
        return await super().write(work, ahead)


@pytest.mark.parametrize("steps", range(1, 20))
async def test_wherever_it_was_killed_the_next_one_goes_on(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    person, whole = await bench.person(), await bench.person()
    await whole.migrate(KEYS)
    Mortal.left = steps
    with monkeypatch.context() as patched:
        patched.setattr("roost.migration.service.Ledger", Mortal)
        with pytest.raises(StoppedError):
            await person.migrate(KEYS, batchSize=2)
    [left] = (await person.get("/migration"))["migrations"]
    assert State(left["state"]) in (State.RECEIVED, State.APPLYING, State.VERIFYING)
    assert (await person.get("/migration"))["mayStart"] is False
    assert await bench.migrations.resume_all() >= 1
    [done] = (await person.get("/migration"))["migrations"]
    assert (done["state"], done["counts"]["created"]) == ("completed", 10)
    found, expected = await _content(bench, person), await _content(bench, whole)
    for each in (*found["tasks"], *expected["tasks"]):
        for name in ("workspaceId", "createdBy"):
            del each[name]
    assert found["tasks"] == expected["tasks"]
    assert found["secrets"] == expected["secrets"]
    assert found["preferences"] == expected["preferences"]
    assert len(found["environments"]) == 1


async def test_what_somebody_changes_meanwhile_is_not_overwritten(bench: Bench) -> None:
    person = await bench.person()
    body = (
        "if new.title = 'Task 5' then update tasks set title = 'mine', version = version + 1 "
        f"where id = '{task(1)['id']}' and workspace_id = new.workspace_id; end if; return new;"
    )
    async with tampering(bench, person, "tasks", "before insert", body):
        migration = await person.migrate(KEYS, batchSize=1)
    assert migration["state"] == "completed"
    assert (await person.get(f"/tasks/{task(1)['id']}"))["title"] == "mine"


async def test_what_somebody_removes_meanwhile_is_no_fault_of_the_migration(bench: Bench) -> None:
    person = await bench.person()
    body = (
        "if new.title = 'Task 5' then perform set_config('roost.cause', 'a request', true); "
        f"delete from tasks where id = '{task(1)['id']}' and workspace_id = new.workspace_id; "
        "end if; return new;"
    )
    async with tampering(bench, person, "tasks", "before insert", body):
        migration = await person.migrate(KEYS, batchSize=1)
    assert (migration["state"], migration["error"]) == ("completed", None)
    assert len(await person.get("/tasks")) == 5
