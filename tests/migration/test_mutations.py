"""Whatever is changed behind a migration's back before it looks, the look finds it.

Every column of every table that it writes, in every way that its type allows: changed, exchanged
with another row's, and the row gone. Triggers are off, so that nothing else tells of it.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import pytest

import roost.migration.run
from roost.migration.verify import verify
from tests.migration.bench import API, Bench, Person, store, task

OTHERS = {
    "status": "'failed'",
    "priority": "'urgent'",
    "mode": "'ask'",
    "role": "'system'",
    "kind": "'backup'",
    "encoding": "'base64'",
}
"""Another value, where a table's own checks leave a choice of few."""
BY_TYPE = {
    "text": "coalesce({0}, '') || 'x'",
    "uuid": "gen_random_uuid()",
    "integer": "{0} + 70",
    "double precision": "coalesce({0}, 0) + 1",
    "boolean": "not {0}",
    "timestamp with time zone": "coalesce({0}, now()) - interval '1 us'",
    "text[]": "array_append({0}, 'x')",
    "jsonb": """coalesce(nullif({0}, 'null'), '{{}}') || '{{"x": 1}}'""",
    "bytea": "set_byte({0}, length({0}) / 2, (get_byte({0}, length({0}) / 2) + 1) % 256)",
}
FREE = {
    # A count of changes: one that has grown says that somebody has worked on the row.
    ("tasks", "version"),
    ("environments", "version"),
    # When the sealed row was written, which the source does not say.
    ("environment_secrets", "created_at"),
    ("environment_secrets", "updated_at"),
    ("kept_secrets", "created_at"),
    ("kept_secrets", "updated_at"),
    # When a text was kept, likewise.
    ("documents", "created_at"),
    ("documents", "updated_at"),
    # What no source has, and so no migration writes.
    ("tasks", "assignee_id"),
    # Ids that are drawn, and that nothing refers to.
    ("environment_secrets", "id"),
    ("kept_secrets", "id"),
}
TABLES = ("tasks", "messages", "environments", "environment_secrets", "documents", "kept_secrets")


def keys() -> dict[str, str]:
    """Two of everything, which differ."""
    pull = {"number": 7, "url": "https://git.example/p/7", "state": "open"}
    environments = [
        {
            "id": f"20000000-0000-4000-8000-{number:012d}",
            "name": f"E{number}",
            "description": f"the environment {number}",
            "githubOrganization": "example",
            "githubRepository": f"example/{number}",
            "githubToken": f"fake-token-{number}",
            "isActive": number == 0,
            "createdAt": f"2025-06-0{number + 1}T08:00:00.000Z",
            "updatedAt": f"2025-06-1{number + 1}T08:00:00.000Z",
        }
        for number in range(2)
    ]
    tasks = [
        task(
            number,
            pullRequest=pull | {"number": number},
            mode=["code", "ask"][number],
            status=["DONE", "IN_PROGRESS"][number],
            repository=f"example/{number}",
            branch=f"b{number}",
            statusMessage=f"said {number}",
            hasChanges=number == 0,
            createdAt=f"2025-06-0{number + 1}T08:00:00.000Z",
            updatedAt=f"2025-06-1{number + 1}T08:00:00.000Z",
        )
        for number in range(2)
    ]
    return {
        "task-store": store(*tasks),
        "environments": json.dumps(environments),
        "notes": "some text",
        "more-notes": "another",
        "electric_auth_token": "fake-token-a",
        "other_auth_token": "fake-token-b",
        "theme": "dark",
    }


def change(column: Any) -> str:
    """An expression for another value."""
    name = column["name"]
    if name in OTHERS and column["type"] == "text":
        return OTHERS[name]
    return BY_TYPE[column["type"]].format(name)


@asynccontextmanager
async def silenced(bench: Bench, table: str) -> AsyncIterator[None]:
    """Have the journal and every other trigger of a table know nothing of what is done."""
    triggers = await bench.watcher.fetch(
        "select tgname from pg_trigger where tgrelid = $1::regclass and tgenabled = 'A'", table
    )
    await bench.watcher.execute(f"alter table {table} disable trigger all")
    yield
    await bench.watcher.execute(f"alter table {table} enable trigger all")
    for trigger in triggers:
        name = trigger["tgname"]
        await bench.watcher.execute(f'alter table {table} enable always trigger "{name}"')


async def migrated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, table: str, statement: str
) -> tuple[int, dict[str, Any]]:
    """Migrate with a statement run before the look; gives how many rows it has touched."""
    person: Person = await bench.person()
    touched: list[int] = []

    async def meanwhile(ledger: Any) -> None:
        async with bench.watcher.transaction(), silenced(bench, table):
            with suppress(asyncpg.UniqueViolationError):
                async with bench.watcher.transaction():
                    said = statement.replace("$1", f"'{person.workspace_id}'")
                    touched.append(int((await bench.watcher.execute(said)).split()[-1]))
        await verify(ledger)

    with monkeypatch.context() as patched:
        patched.setattr(roost.migration.run, "verify", meanwhile)
        migration = await person.migrate(keys())
    # What the database itself does not let happen touches nothing.
    return sum(touched), migration


def is_found(migration: dict[str, Any]) -> bool:
    """Whether it was found, and taken back."""
    error = migration["error"] or {}
    assert error.get("code") in (None, "VERIFICATION_FAILED"), error
    return (migration["state"], error.get("code")) == ("failed", "VERIFICATION_FAILED")


@pytest.mark.parametrize("table", TABLES)
async def test_a_change_of_any_column_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    columns = await bench.watcher.fetch(
        "select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute "
        "where attrelid = $1::regclass and attnum > 0 and attgenerated = '' and not attisdropped",
        table,
    )
    missed = []
    for column in columns:
        name = column["name"]
        if (table, name) in FREE:
            continue
        one = f"select id from {table} where workspace_id = $1 order by id limit 1"
        changed = f"update {table} set {name} = {change(column)} where id = ({one})"
        changed += " and workspace_id = $1"
        touched, migration = await migrated(bench, monkeypatch, table, changed)
        assert touched == 1, name
        if not is_found(migration):
            missed.append(name)
    assert not missed


@pytest.mark.parametrize("table", TABLES)
async def test_values_that_two_rows_have_exchanged_are_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    columns = await bench.watcher.fetch(
        "select attname::text as name from pg_attribute where attrelid = $1::regclass "
        "and attnum > 0 and attgenerated = '' and not attisdropped and attname <> 'id'",
        table,
    )
    missed, exchanged = [], 0
    for column in columns:
        name = column["name"]
        if (table, name) in FREE:
            continue
        pair = (
            f"select a.id as one, b.id as other, a.{name} as ones, b.{name} as others "
            f"from {table} a join {table} b using (workspace_id) where workspace_id = $1 "
            f"and a.id < b.id and a.{name} is distinct from b.{name} limit 1"
        )
        swap = (
            f"update {table} t set {name} = case when t.id = one then others else ones end "
            f"from ({pair}) p where t.id in (one, other) and workspace_id = $1"
        )
        touched, migration = await migrated(bench, monkeypatch, table, swap)
        exchanged += touched == 2
        if touched and not is_found(migration):
            missed.append(name)
    assert exchanged > 0
    assert not missed


@pytest.mark.parametrize("table", TABLES)
async def test_a_row_that_is_gone_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    one = f"select id from {table} where workspace_id = $1 order by id limit 1"
    lost = f"delete from {table} where id = ({one}) and workspace_id = $1"
    touched, migration = await migrated(bench, monkeypatch, table, lost)
    assert touched == 1
    assert is_found(migration)


@pytest.mark.parametrize(
    "value",
    ["'{}'", """preferences || '{"theme": "light"}'""", """'{"theme": {"value": "dark"}}'"""],
)
async def test_another_preference_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    statement = (
        f"update users set preferences = {value} where id = (select user_id from memberships "
        "where workspace_id = $1 limit 1)"
    )
    touched, migration = await migrated(bench, monkeypatch, "users", statement)
    assert touched == 1
    assert is_found(migration)


async def test_an_environment_that_is_switched_off_meanwhile_is_no_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await bench.person()
    made = await person.client.post(f"{API}/environments", json={"name": "here before"})
    path = f"{API}/environments/{made.json()['data']['id']}"
    assert (await person.client.post(f"{path}/activate")).status_code == 200

    async def meanwhile(ledger: Any) -> None:
        assert (await person.client.post(f"{path}/deactivate")).status_code == 200
        await verify(ledger)

    monkeypatch.setattr(roost.migration.run, "verify", meanwhile)
    migration = await person.migrate(keys())
    assert (migration["state"], migration["error"]) == ("completed", None)
    found = await person.get("/environments")
    assert not any(each["isActive"] for each in found)
