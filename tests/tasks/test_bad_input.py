"""Bad input to the routes of tasks: a clear problem, never a 500, and nothing changed."""

from typing import Any

import httpx
import pytest

from tests.support.house import House
from tests.tasks.test_crud import TASKS, make

NESTED = b'{"title":"x","metadata":' + b'{"a":' * 100 + b"1" + b"}" * 101
BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"title=x",
    "half of it": b'{"title":"x"',
    "two documents": b'{"title":"x"} {}',
    "an array": b"[]",
    "null": b"null",
    "a wrong type": b'{"title":7}',
    "an empty title": b'{"title":""}',
    "a long title": b'{"title":"' + b"x" * 256 + b'"}',
    "an unknown field": b'{"title":"x","tilte":"y"}',
    "a NUL": b'{"title":"a\\u0000b"}',
    "a NUL deep within": b'{"title":"x","metadata":{"a":[{"b":"\\u0000"}]}}',
    "a NUL in a name": b'{"title":"x","metadata":{"\\u0000":1}}',
    "a lone surrogate": b'{"title":"\\ud800"}',
    "half a pair": b'{"title":"\\udc00\\ud800"}',
    "broken UTF-8": b'{"title":"\xff\xfe"}',
    "a surrogate in UTF-8": b'{"title":"\xed\xa0\x80"}',
    "an endless number": b'{"title":"x","position":1e400}',
    "a huge number": b'{"title":"x","metadata":{"a":1' + b"0" * 140_000 + b"}}",
    "not a number": b'{"title":"x","position":NaN}',
    "a deep nest": NESTED,
    "a very deep nest": b'{"title":"x","metadata":' + b"[" * 100_000,
    "a bad date": b'{"title":"x","dueAt":"2024-13-45T99:99:99Z"}',
    "a date without a zone": b'{"title":"x","dueAt":"2024-01-01T00:00:00"}',
    "a bad status": b'{"title":"x","status":"DONE"}',
    "a bad id": b'{"title":"x","environmentId":"1"}',
    "an id of nothing": b'{"title":"x","environmentId":"018f0000-0000-7000-8000-000000000000"}',
    "an assignee of nobody": b'{"title":"x","assigneeId":"018f0000-0000-7000-8000-000000000000"}',
    "null for a title": b'{"title":null}',
    "half a pull request": b'{"title":"x","pullRequest":{"number":1}}',
}


@pytest.mark.parametrize("name", BODIES)
async def test_a_bad_body_is_refused_and_makes_nothing(alice: httpx.AsyncClient, name: str) -> None:
    answer = await alice.post(TASKS, content=BODIES[name])

    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["code"] in {"VALIDATION_ERROR", "MALFORMED_BODY"}
    assert problem["status"] == 400
    assert problem["detail"]
    assert (await alice.get(TASKS)).json()["pagination"]["total"] == 0


@pytest.mark.parametrize("name", sorted(BODIES.keys() - {"null for a title"}))
async def test_a_bad_body_changes_nothing(alice: httpx.AsyncClient, name: str) -> None:
    task = await make(alice)
    for method in ("PATCH", "PUT"):
        answer = await alice.request(method, f"{TASKS}/{task['id']}", content=BODIES[name])
        assert answer.status_code == 400, answer.text
    assert (await alice.get(f"{TASKS}/{task['id']}")).json()["data"] == task


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b'{"title":"x","tilte":"y"}', "tilte"),
        (b"{}", "title"),
        (b'{"title":7}', "title"),
        (b'{"title":"x","pullRequest":{"number":0,"url":"u"}}', "pullRequest.number"),
        (b'{"title":"x","labels":["ok",""]}', "labels[1]"),
        (b'{"title":"x","metadata":{"a":[{"b":"\\u0000"}]}}', "metadata.a[0].b"),
    ],
)
async def test_errors_name_the_field(alice: httpx.AsyncClient, body: bytes, field: str) -> None:
    answer = await alice.post(TASKS, content=body)

    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize(
    "title", [rb"\ud800", rb"\ud800x", rb"x \udc00", rb"\ud83d\ude00 \ud83d and more"]
)
async def test_half_a_character_is_told_as_such(alice: httpx.AsyncClient, title: bytes) -> None:
    problem = (await alice.post(TASKS, content=b'{"title":"' + title + b'"}')).json()

    assert problem["code"] == "MALFORMED_BODY"
    assert "half a character" in problem["detail"]
    assert "truncated" not in problem["detail"]


@pytest.mark.parametrize("body", [rb'{"title":"\ud83d\ude00"', rb'{"title":"\\ud800",}'])
async def test_whole_characters_are_not_blamed(alice: httpx.AsyncClient, body: bytes) -> None:
    problem = (await alice.post(TASKS, content=body)).json()

    assert problem["code"] == "MALFORMED_BODY"
    assert "half" not in problem["detail"]


@pytest.mark.parametrize(
    "params",
    [
        {"page": "-1"},
        {"page": "0"},
        {"page": "x"},
        {"page": "9" * 30},
        {"limit": "0"},
        {"limit": "101"},
        {"limit": "1.5"},
        {"sort": "nothing"},
        {"sort": "title,title"},
        {"sort": "--title"},
        {"sort": ""},
        {"sortBy": "nothing"},
        {"sortOrder": "desc"},
        {"sortBy": "title", "sortOrder": "up"},
        {"sortBy": "title", "sort": "title"},
        {"status": "DONE"},
        {"assignee": "me,nobody"},
        {"environment": "me"},
        {"archived": "maybe"},
        {"createdAfter": "yesterday"},
        {"createdAfter": "2024-01-01T00:00:00"},
        {"createdAfter": "0001-01-01T00:00:00+14:00"},
        {"updatedBefore": "9999-12-31T23:59:59-14:00"},
        {"cursor": "x"},
        {"cursor": "WyItY3JlYXRlZEF0Il0"},
        {"cursor": "WyItY3JlYXRlZEF0IiwieCIsInkiXQ"},
        {"cursor": "WyJ0aXRsZSIsIngiLCJ5Il0", "sort": "title"},
        {"search": "\x00"},
        {"search": "x" * 501},
        {"unknown": "1"},
        {"page": ["1", "2"]},
    ],
)
async def test_a_bad_parameter_is_refused_by_name(
    alice: httpx.AsyncClient, params: dict[str, Any]
) -> None:
    answer = await alice.get(TASKS, params=params)

    assert answer.status_code == 400, answer.text
    problem = answer.json()
    assert problem["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize("raw", ["search=%ff", "search=%00", "%00=1", "a&&b=%zz", "limit=%31"])
async def test_odd_query_strings_never_break_it(alice: httpx.AsyncClient, raw: str) -> None:
    answer = await alice.get(f"{TASKS}?{raw}")

    assert answer.status_code in {200, 400}


async def test_an_empty_filter_finds_nothing(alice: httpx.AsyncClient) -> None:
    await make(alice)

    answer = await alice.get(f"{TASKS}?status=")

    assert answer.status_code == 200
    assert answer.json()["data"] == []


@pytest.mark.parametrize("task_id", ["1", "x" * 36, "018f0000-0000-7000-8000-00000000000g", "%00"])
async def test_a_bad_id_is_refused(alice: httpx.AsyncClient, task_id: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await alice.request(method, f"{TASKS}/{task_id}")
        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "id"


async def test_numbers_come_back_exactly(alice: httpx.AsyncClient) -> None:
    numbers = '{"a":9007199254740993,"b":-123456789012345678901234567890,"c":0.1}'

    answer = await alice.post(TASKS, content=f'{{"title":"x","metadata":{numbers}}}')

    assert '"a": 9007199254740993' in answer.text
    assert '"b": -123456789012345678901234567890' in answer.text
    assert '"c": 0.1' in answer.text


async def test_a_body_over_the_limit_is_not_read(house: House) -> None:
    sent = 0

    async def endless() -> Any:
        nonlocal sent
        while sent < 64:
            sent += 1
            yield b" " * 1024 * 1024

    answer = await house.client("alice").post(TASKS, content=endless())

    assert answer.status_code == 413
    assert answer.json()["code"] == "BODY_TOO_LARGE"
    declared = await house.client("alice").post(
        TASKS, content=b"{}", headers={"content-length": str(10**9)}
    )
    assert declared.status_code == 413


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/jsonx"])
async def test_other_media_types_are_refused(alice: httpx.AsyncClient, media_type: str) -> None:
    answer = await alice.post(TASKS, content=b'{"title":"x"}', headers={"content-type": media_type})

    assert answer.status_code == 415


@pytest.mark.parametrize("tag", ["x", '"', "v", '"v1', "1.5", "-1"])
async def test_a_bad_condition_is_refused(alice: httpx.AsyncClient, tag: str) -> None:
    task = await make(alice)

    answer = await alice.patch(
        f"{TASKS}/{task['id']}", json={"title": "y"}, headers={"if-match": tag}
    )

    assert answer.status_code in {400, 412}
    assert (await alice.get(f"{TASKS}/{task['id']}")).json()["data"] == task


@pytest.mark.parametrize("count", [0, 1001])
async def test_a_batch_has_1_to_1000_operations(alice: httpx.AsyncClient, count: int) -> None:
    operations = [{"op": "create", "task": {"title": "x"}}] * count

    answer = await alice.post(f"{TASKS}/batch", json={"operations": operations})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "operations"


async def test_without_a_credential_nothing_is_told(house: House) -> None:
    answer = await house.client().get(TASKS)

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "UNAUTHORIZED"


async def test_scopes_and_roles_bound_what_may_be_done(house: House) -> None:
    house.people.add("reader", scopes=["tasks:read"])
    house.people.add("viewer", role="viewer")
    for name in ("reader", "viewer"):
        assert (await house.client(name).get(TASKS)).status_code == 200
        refused = await house.client(name).post(TASKS, json={"title": "x"})
        assert refused.status_code == 403
        assert refused.json()["code"] == "FORBIDDEN"
