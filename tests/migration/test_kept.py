"""What was kept word for word can be looked at by its owner, and by nobody else."""

import json
from base64 import b64decode
from typing import Any
from uuid import uuid4

import pytest

from tests.migration.bench import API, Bench, Person

DOCUMENTS = "/migration/documents"
FAKE = "ghp_" + "a1" * 9
KEYS = {
    "my-notes": "some text \u00e9",
    "odd": "a\x00b",
    "odder": "a\x00",
    "form-draft-1": '{"title":"draft"}',
    "electric_offline_queue": json.dumps([{"id": "1", "type": "insert", "table": "tasks"}]),
    "task-store": '{"state":{"tasks":[{"id":"1","title":"t"},{"id":"2","ti',
    "electric_auth_token": "fake-" + "token",
    f"secure_{FAKE}": "fake-" + "other",
}


async def listed(person: Person, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        params: dict[str, Any] = {"limit": 3} | query | ({"cursor": cursor} if cursor else {})
        answer = await person.client.get(API + DOCUMENTS, params=params)
        assert answer.status_code == 200, answer.text
        found += answer.json()["data"]
        cursor = answer.json()["pagination"]["nextCursor"]
        if cursor is None:
            return found


@pytest.fixture
async def person(bench: Bench) -> Person:
    person = await bench.person()
    migration = await person.migrate(KEYS, continueOnError=True)
    assert migration["state"] == "completed"
    return person


async def test_every_text_is_listed_page_by_page_with_its_kind_and_size(person: Person) -> None:
    found = {(each["kind"], each["key"]): each for each in await listed(person)}
    assert found.keys() == {
        ("unknown", "my-notes"),
        ("unknown", "odd"),
        ("unknown", "odder"),
        ("document", "form-draft-1"),
        ("offlineWrite", "electric_offline_queue"),
        ("quarantine", "task-store"),
        ("secret", "electric_auth_token"),
        ("secret", "secure_ghp[redacted]"),
    }
    sizes = {key: each["size"] for (_, key), each in found.items()}
    assert (sizes["my-notes"], sizes["odd"], sizes["odder"]) == (12, 3, 2)
    assert sizes["electric_auth_token"] is None


async def test_a_text_is_read_as_it_was(person: Person) -> None:
    for each in await listed(person):
        document = await person.get(f"{DOCUMENTS}/{each['id']}")
        content = document.pop("content")
        if each["kind"] == "secret":
            assert content is None
            assert "fake" not in json.dumps(document)
            continue
        assert document == each
        raw = b64decode(content) if each["encoding"] == "base64" else content.encode()
        assert len(raw) == each["size"]
        assert raw.decode() in KEYS[each["key"]]
        if each["kind"] in {"unknown", "document"}:
            assert raw.decode() == KEYS[each["key"]]


@pytest.mark.parametrize(
    ("query", "keys"),
    [
        ({"kind": "quarantine"}, ["task-store"]),
        ({"kind": ["offlineWrite", "document"]}, ["electric_offline_queue", "form-draft-1"]),
        ({"key": "my-notes"}, ["my-notes"]),
        ({"key": "electric_auth_token"}, ["electric_auth_token"]),
        ({"key": "notes"}, []),
        ({"kind": "unknown", "sort": "-size"}, ["my-notes", "odd", "odder"]),
        ({"kind": "unknown", "sort": "-key"}, ["odder", "odd", "my-notes"]),
    ],
)
async def test_the_list_is_filtered_and_sorted(
    person: Person, query: dict[str, Any], keys: list[str]
) -> None:
    found = [each["key"] for each in await listed(person, **query)]
    assert (found if "sort" in query else sorted(found)) == keys


@pytest.mark.parametrize("sort", ["size", "-size", "key", "-createdAt"])
async def test_every_order_pages_through_all_of_them_once(person: Person, sort: str) -> None:
    found = [each["id"] for each in await listed(person, sort=sort)]
    assert sorted(found) == sorted(each["id"] for each in await listed(person))
    assert len(found) == len(KEYS)


@pytest.mark.parametrize("query", [{"kind": "task"}, {"sort": "content"}, {"limit": 101}])
async def test_a_wrong_question_is_refused(person: Person, query: dict[str, Any]) -> None:
    answer = await person.client.get(API + DOCUMENTS, params=query)
    assert answer.status_code in {400, 422}


async def test_nobody_else_sees_them_here_or_elsewhere(bench: Bench, person: Person) -> None:
    colleague = await bench.person(person.workspace_id)
    for other in (colleague, await bench.person()):
        assert await listed(other) == []
        for each in await listed(person):
            answer = await other.client.get(f"{API}{DOCUMENTS}/{each['id']}")
            assert (answer.status_code, answer.json()["code"]) == (404, "DOCUMENT_NOT_FOUND")


async def test_an_unknown_one_is_not_found(person: Person) -> None:
    answer = await person.client.get(f"{API}{DOCUMENTS}/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "DOCUMENT_NOT_FOUND")


async def test_what_did_not_change_is_not_sent_again(person: Person) -> None:
    [each] = await listed(person, key="my-notes")
    first = await person.client.get(f"{API}{DOCUMENTS}/{each['id']}")
    headers = {"if-none-match": first.headers["etag"]}
    again = await person.client.get(f"{API}{DOCUMENTS}/{each['id']}", headers=headers)
    assert (again.status_code, again.content) == (304, b"")


async def test_an_items_target_is_the_document_that_keeps_it(bench: Bench) -> None:
    person = await bench.person()
    migration = await person.migrate({"my-notes": "some text"})
    [item] = await person.items(migration)
    document = await person.get(f"{DOCUMENTS}/{item['targetId']}")
    assert (document["key"], document["content"]) == ("my-notes", "some text")
