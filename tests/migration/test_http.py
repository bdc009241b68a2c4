"""The routes of migrations: bodies no other route takes, receipts, backups, and refusals."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any, get_args
from uuid import uuid4

import pytest
from openapi_spec_validator import validate

from roost.migration import routes
from roost.migration.claim import claimed
from roost.migration.model import Kind, Verdict
from roost.migration.octets import utf8
from roost.migration.routes import MigrationRoutes
from roost.migration.wire import KindName, VerdictName
from roost.web import openapi
from tests.migration.bench import API, BROWSER, GARBAGE, Bench, store, task

JSON = {"content-type": "application/json"}


async def test_raw_strings_may_hold_lone_surrogates_and_nul(bench: Bench) -> None:
    person = await bench.person()
    value = "a\ud800b\x00c"
    body = json.dumps({"keys": {"mine": value, "theme": "dark"}}).encode()
    assert b"\\ud800" in body
    migration = await person.post(body)
    assert (migration["state"], migration["counts"]["created"]) == ("completed", 2)
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    by_key = {each["key"]: each for each in receipt["keys"]}
    raw = utf8(value)
    assert by_key["mine"]["sha256"] == hashlib.sha256(raw).hexdigest()
    assert (by_key["mine"]["bytes"], by_key["mine"]["items"]) == (len(raw), 1)
    assert all(each["stored"] for each in receipt["keys"])
    assert receipt["sha256"] == hashlib.sha256(body).hexdigest()


@pytest.mark.parametrize("path", [BROWSER, GARBAGE])
async def test_the_backup_is_what_was_sent_byte_for_byte(bench: Bench, path: Any) -> None:
    person = await bench.person()
    body = path.read_bytes()
    assert body.rstrip().endswith(b"}")
    body = body.rstrip()[:-1] + b',"config":{"continueOnError":true}}'
    migration = await person.post(body)
    answer = await person.client.get(f"{API}/migration/{migration['id']}/backup")
    assert answer.content == body
    digest = hashlib.sha256(body).hexdigest()
    assert answer.headers["roost-sha256"] == digest
    assert answer.headers["etag"] == f'"{digest}"'


async def test_the_receipt_names_every_key(bench: Bench) -> None:
    person = await bench.person()
    keys = json.loads(BROWSER.read_bytes())["keys"]
    migration = await person.post_file(BROWSER)
    receipt = await person.get(f"/migration/{migration['id']}/receipt")
    assert {each["key"]: each["sha256"] for each in receipt["keys"]} == {
        key: hashlib.sha256(utf8(raw)).hexdigest() for key, raw in keys.items()
    }
    assert sum(each["items"] for each in receipt["keys"]) == migration["counts"]["found"]


async def test_items_are_filtered(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.post_file(GARBAGE, continueOnError=True)
    whole = await person.items(migration)
    for query in ({"verdict": "invalid"}, {"kind": "task,secret"}, {"key": "tasks"}):
        found = await person.items(migration, **query)
        [(name, value)] = query.items()
        assert found == [each for each in whole if each[name] in value.split(",")] != []


BAD = {
    "no json": (b"nonsense", "MALFORMED_BODY"),
    "cut": (b'{"keys": {"a": "b"', "MALFORMED_BODY"),
    "empty": (b"", "MALFORMED_BODY"),
    "a list": (b"[]", "MALFORMED_BODY"),
    "twice": (b'{"keys": {}, "keys": {}}', "MALFORMED_BODY"),
    "no keys": (b'{"origin": "x"}', "VALIDATION_ERROR"),
    "keys no object": (b'{"keys": "x"}', "VALIDATION_ERROR"),
    "unknown field": (b'{"keys": {}, "more": 1}', "VALIDATION_ERROR"),
    "unknown option": (b'{"keys": {}, "config": {"fast": true}}', "VALIDATION_ERROR"),
    "option of another type": (b'{"keys": {}, "config": {"batchSize": "x"}}', "VALIDATION_ERROR"),
    "option out of range": (b'{"keys": {}, "config": {"batchSize": 0}}', "VALIDATION_ERROR"),
    "config no object": (b'{"keys": {}, "config": 7}', "VALIDATION_ERROR"),
    "config no json": (b'{"keys": {}, "config": {]}}', "MALFORMED_BODY"),
    "origin no text": (b'{"keys": {}, "origin": 7}', "VALIDATION_ERROR"),
    "a parsed value": (b'{"keys": {"task-store": {"state": {}}}}', "MIGRATION_SOURCE"),
    "a key twice": (b'{"keys": {"a": "1", "a": "2"}}', "MIGRATION_SOURCE"),
    "deep": (b'{"keys": {}, "config": ' + b"[" * 5000 + b"]" * 5000 + b"}", None),
    "no utf-8": (b'{"keys": {"a": "\xff"}}', "MIGRATION_SOURCE"),
}


@pytest.mark.parametrize("name", BAD)
async def test_a_bad_body_is_refused_by_name_and_leaves_nothing(bench: Bench, name: str) -> None:
    person = await bench.person()
    body, code = BAD[name]
    answer = await person.client.post(f"{API}/migration", content=body, headers=JSON)
    assert answer.status_code == 400, answer.text
    assert code is None or answer.json()["code"] == code
    assert (await person.get("/migration"))["migrations"] == []


async def test_other_media_types_other_people_and_unknown_ids_are_refused(bench: Bench) -> None:
    person = await bench.person()
    answer = await person.client.post(
        f"{API}/migration", content=b"{}", headers={"content-type": "text/plain"}
    )
    assert answer.status_code == 415
    for path in ("", "/items", "/receipt", "/backup"):
        answer = await person.client.get(f"{API}/migration/{uuid4()}{path}")
        assert (answer.status_code, answer.json()["code"]) == (404, "MIGRATION_NOT_FOUND")
        assert (await person.client.get(f"{API}/migration/nine{path}")).status_code == 400
    for path in ("apply", "cancel"):
        answer = await person.client.post(f"{API}/migration/{uuid4()}/{path}")
        assert answer.json()["code"] == "MIGRATION_NOT_FOUND"


async def test_two_at_once_double_nothing(bench: Bench) -> None:
    person = await bench.person()
    body = json.dumps({"keys": {"task-store": store(*map(task, range(40)))}}).encode()
    answers = await asyncio.gather(
        *(person.client.post(f"{API}/migration", content=body, headers=JSON) for _ in range(3))
    )
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 201
    assert set(statuses) <= {201, 409}
    for answer in answers:
        if answer.status_code == 409:
            assert answer.json()["code"] == "MIGRATION_IN_PROGRESS"
    rows = await bench.rows(person)
    assert (len(rows["tasks"]), len(rows["messages"])) == (40, 80)


async def test_while_one_runs_another_is_refused(bench: Bench) -> None:
    person = await bench.person()
    async with claimed(bench.house.database, person.workspace_id, person.user_id) as mine:
        assert mine
        answer = await person.client.post(f"{API}/migration", json={"keys": {"theme": "dark"}})
    assert (answer.status_code, answer.json()["code"]) == (409, "MIGRATION_IN_PROGRESS")
    assert (await person.migrate({"theme": "dark"}))["state"] == "completed"


async def test_an_idempotency_key_gives_the_first_answer_again(bench: Bench) -> None:
    person = await bench.person()
    headers = {"idempotency-key": uuid4().hex}
    body = {"keys": {"theme": "dark"}}
    first = await person.client.post(f"{API}/migration", json=body, headers=headers)
    second = await person.client.post(f"{API}/migration", json=body, headers=headers)
    assert first.json() == second.json()
    assert len((await person.get("/migration"))["migrations"]) == 1
    other = await person.client.post(
        f"{API}/migration", json={"keys": {"theme": "light"}}, headers=headers
    )
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


def test_the_names_that_items_are_filtered_by_are_those_there_are() -> None:
    assert set(get_args(VerdictName)) == {each.value for each in Verdict}
    assert set(get_args(KindName)) == {each.value for each in Kind}


async def test_the_description_of_the_routes_is_valid_openapi(bench: Bench) -> None:
    routes = MigrationRoutes(bench.house.kit, bench.box, 1)
    validate(json.loads(json.dumps(openapi.document(routes.endpoints(), "0"))))


async def test_the_journal_names_the_migration_as_the_cause(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"task-store": store(task(1))})
    causes = await bench.watcher.fetch(
        "select distinct cause, actor_id from journal.journal where workspace_id = $1",
        person.workspace_id,
    )
    assert [(row["cause"], row["actor_id"]) for row in causes if row["cause"] != "cli"] == [
        (migration["id"], person.user_id)
    ]


async def test_rights_lost_while_a_dump_was_held_migrate_nothing(bench: Bench) -> None:
    person = await bench.person()
    known = bench.house.people.known

    async def parts() -> AsyncIterator[bytes]:
        yield b'{"keys":'
        known.clear()  # who asks was looked up before the body was asked for
        yield b'{"theme":"dark"}}'

    answer = await person.client.post(f"{API}/migration", content=parts(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHORIZED")
    there = "select count(*) from migrations where workspace_id = $1"
    assert await bench.watcher.fetchval(there, person.workspace_id) == 0


async def test_a_dump_that_never_ends_is_cut_off(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "DUMP_SECONDS", 0.2)
    person = await bench.person()

    async def parts() -> AsyncIterator[bytes]:
        yield b"{"
        while True:
            await asyncio.sleep(0.01)
            yield b" "

    answer = await person.client.post(f"{API}/migration", content=parts(), headers=JSON)
    assert (answer.status_code, answer.json()["code"]) == (408, "REQUEST_TIMEOUT")
