"""Rows of Roost's own in a dump: odd ones are set aside one by one, and moments are UTC's."""

import json
from base64 import b64encode
from typing import Any
from uuid import uuid4

import pytest

from roost.db.sealing import SecretBox
from tests.migration.bench import Bench, Person
from tests.migration.test_backup import rows_of

KEYS = ("a key that is only for tests", "another key that is only for tests")


def rows(table: str, *contents: dict[str, Any]) -> dict[str, str]:
    return {f"roost:{table}": json.dumps({"state": {"rows": contents}, "version": 0})}


def task_row(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()), "title": "T", "description": "", "status": "pending",
        "priority": "medium", "mode": "code", "labels": [], "metadata": {},
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z", "messages": [],
    } | fields  # fmt: skip


def environment_row(sealed: dict[str, str]) -> dict[str, Any]:
    return {
        "id": str(uuid4()), "name": "E", "description": "", "config": {}, "sealed": sealed,
        "createdAt": "2025-01-01T00:00:00Z", "updatedAt": "2025-01-01T00:00:00Z",
    }  # fmt: skip


def document_row(**fields: Any) -> dict[str, Any]:
    return {
        "id": str(uuid4()), "kind": "document", "key": "k", "subId": "", "content": "c",
        "contentType": "text/plain", "encoding": "text",
    } | fields  # fmt: skip


def sealed(key: str, name: str = "value") -> dict[str, str]:
    return {name: b64encode(SecretBox([key]).seal("not-" + "real")).decode()}


async def verdicts(person: Person, keys: dict[str, str]) -> list[tuple[str, str | None]]:
    """What becomes of each item; the same when all of it comes again, and nothing goes on."""
    migration = await person.migrate(keys, continueOnError=True)
    assert migration["state"] == "completed", migration["error"]
    found = [(item["verdict"], item["reason"]) for item in await person.items(migration)]
    again = await person.migrate(keys, continueOnError=True)
    assert again["counts"]["create"] == again["counts"]["conflict"] == 0
    return found


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("2025-01-01T10:00:00+05:30", "2025-01-01T04:30:00.000000Z"),
        ("2025-01-01T10:00:00", "2025-01-01T10:00:00.000000Z"),
        ("2025-01-01T10:00:00.5-01:00", "2025-01-01T11:00:00.500000Z"),
    ],
)
async def test_moments_are_stored_in_utc(bench: Bench, given: str, stored: str) -> None:
    person = await bench.person()
    message = {
        "id": str(uuid4()), "position": 0, "role": "user", "type": "message", "text": "t",
        "payload": {}, "createdAt": given,
    }  # fmt: skip
    row = task_row(createdAt=given, updatedAt=given, dueAt=given, messages=[message])
    environment = environment_row({}) | {"createdAt": given, "updatedAt": given}
    keys = rows("tasks", row) | rows("environments", environment)
    assert await verdicts(person, keys) == [("create", None)] * 2
    found = await person.get(f"/tasks/{row['id']}")
    assert {found[name] for name in ("createdAt", "updatedAt", "dueAt")} == {stored}
    [said] = await person.get(f"/tasks/{row['id']}/messages")
    assert said["createdAt"] == stored
    assert (await person.get(f"/environments/{environment['id']}"))["createdAt"] == stored


async def test_a_moment_before_all_years_is_no_row(bench: Bench) -> None:
    row = task_row(dueAt="0001-01-01T00:00:00+05:30")
    assert await verdicts(await bench.person(), rows("tasks", row)) == [("invalid", "NOT_A_ROW")]


async def test_of_two_with_one_name_the_second_is_set_aside(bench: Bench) -> None:
    person = await bench.person()
    one, two = {"key": "theme", "value": "dark"}, {"key": "theme", "value": "light"}
    found = await verdicts(
        person, rows("preferences", *({"id": str(uuid4())} | each for each in (one, two, one)))
    )
    assert found == [("create", None), ("invalid", "NOT_A_ROW"), ("skip", "DUPLICATE")]
    a, b = sealed(KEYS[0]), sealed(KEYS[0])
    secrets = [{"id": str(uuid4()), "name": "n", "sealed": each} for each in (a, b, a)]
    assert await verdicts(person, rows("secrets", *secrets)) == found


async def test_of_documents_with_one_id_and_other_content_none_is_lost(bench: Bench) -> None:
    identifier = str(uuid4())
    documents = [document_row(id=identifier, content=text) for text in ("a", "b", "a")]
    found = await verdicts(await bench.person(), rows("documents", *documents))
    assert found == [("create", None), ("create", None), ("skip", "DUPLICATE")]


@pytest.mark.parametrize("key", ["theme", "kanban-columns-1"])
async def test_a_setting_and_a_row_of_one_name_are_no_two_settings(bench: Bench, key: str) -> None:
    row = rows("preferences", {"id": str(uuid4()), "key": key, "value": "light"})
    found = await verdicts(await bench.person(), {key: '"dark"', **row})
    assert sorted(verdict for verdict, _ in found) == ["create", "invalid"]


async def test_what_no_key_opens_is_set_aside_alone(bench: Bench) -> None:
    person = await bench.person()
    good, bad = sealed(KEYS[0]), sealed(KEYS[1])
    secrets = [
        {"id": str(uuid4()), "name": name, "sealed": each}
        for name, each in (("a", good), ("b", bad), ("c", {}), ("d", {"value": "eA=="}))
    ]
    found = await verdicts(person, rows("secrets", *secrets))
    assert [verdict for verdict, _ in found] == ["create", "invalid", "invalid", "invalid"]
    lost = environment_row(sealed(KEYS[1], "A"))
    environments = rows("environments", environment_row(sealed(KEYS[0], "A")), lost)
    tasks = rows("tasks", task_row(environmentId=lost["id"]))
    found = await verdicts(person, environments | tasks)
    assert [verdict for verdict, _ in found] == ["create", "invalid", "create"]


async def test_a_row_that_is_refused_says_why(bench: Bench) -> None:
    person = await bench.person()
    row = {"id": str(uuid4()), "name": "n", "sealed": sealed(KEYS[1])}
    migration = await person.migrate(rows("secrets", row))
    assert "NOT_A_ROW" in migration["error"]["message"]
    [item] = await person.items(migration)
    assert "ROOST_SECRET_KEYS" in item["detail"]
    migration = await person.migrate(rows("secrets", row | {"sealed": {}}))
    assert "NOT_A_ROW" in migration["error"]["message"]


async def test_no_document_is_of_a_kind_that_has_rows_of_its_own(bench: Bench) -> None:
    person = await bench.person()
    for kind in ("task", "environment", "preference", "secret"):
        found = await verdicts(person, rows("documents", document_row(kind=kind)))
        assert found == [("invalid", "NOT_A_ROW")]


@pytest.mark.parametrize("kind", ["document", "message", "offlineWrite", "unknown", "backup"])
async def test_a_document_is_in_the_backup_of_what_changed_it(bench: Bench, kind: str) -> None:
    person = await bench.person()
    row = document_row(kind=kind)
    await person.migrate(rows("documents", row))
    changed = await person.migrate(
        rows("documents", row | {"content": "d"}), conflictResolution="AUTO_OVERWRITE"
    )
    backup = await rows_of(person, changed)
    [kept] = json.loads(backup["keys"]["roost:documents"])["state"]["rows"]
    assert kept == row
