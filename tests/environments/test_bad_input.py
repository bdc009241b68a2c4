"""Bad input gets a clear problem, never a 500, and changes nothing."""

import json
from typing import Any

import httpx
import pytest

from roost.environments.model import CONFIG_LIMIT
from tests.environments.calls import ALL, create, listed

DEEP = b'{"name":"x","config":' + b'{"a":' * 100 + b"1" + b"}" * 100 + b"}"
BODIES: list[tuple[bytes, int, str, str | None]] = [
    (b"", 400, "MALFORMED_BODY", None),
    (b"{", 400, "MALFORMED_BODY", None),
    (b'{"name":"x"} trailing', 400, "MALFORMED_BODY", None),
    (b'{"name":"\xff"}', 400, "MALFORMED_BODY", None),
    (b'{"name":"\\ud800"}', 400, "MALFORMED_BODY", None),
    (b'{"name":"x","config":{"a":"\\ud800"}}', 400, "MALFORMED_BODY", None),
    (b'{"name":"x","config":{"\\udc00":1}}', 400, "MALFORMED_BODY", None),
    (b'{"name":"x","config":{"a":"\xff"}}', 400, "MALFORMED_BODY", None),
    (b'{"name":"x","config":{"a":"\xff","b":"\\u0000"}}', 400, "MALFORMED_BODY", None),
    (b'{"name":"x","config":{"a":NaN}}', 400, "MALFORMED_BODY", None),
    (b"[]", 400, "VALIDATION_ERROR", ""),
    (b"null", 400, "VALIDATION_ERROR", ""),
    (b'{"name":null}', 400, "VALIDATION_ERROR", "name"),
    (b'{"name":7}', 400, "VALIDATION_ERROR", "name"),
    (b'{"name":""}', 400, "VALIDATION_ERROR", "name"),
    (json.dumps({"name": "n" * 256}).encode(), 400, "VALIDATION_ERROR", "name"),
    (b'{"name":"a\\u0000b"}', 400, "VALIDATION_ERROR", "name"),
    (b'{"name":"a\\u0000b","config":{"n":1e400}}', 400, "VALIDATION_ERROR", "name"),
    (b'{"name":"x","description":7}', 400, "VALIDATION_ERROR", "description"),
    (
        json.dumps({"name": "x", "description": "d" * 10_001}).encode(),
        400,
        "VALIDATION_ERROR",
        "description",
    ),
    (b'{"name":"x","repository":["a"]}', 400, "VALIDATION_ERROR", "repository"),
    (
        json.dumps({"name": "x", "repository": "r" * 256}).encode(),
        400,
        "VALIDATION_ERROR",
        "repository",
    ),
    (b'{"name":"x","config":[]}', 400, "VALIDATION_ERROR", "config"),
    (b'{"name":"x","config":"{}"}', 400, "VALIDATION_ERROR", "config"),
    (b'{"name":"x","config":{"a":"\\u0000"}}', 400, "VALIDATION_ERROR", "config.a"),
    (b'{"name":"x","config":{"\\u0000":1}}', 400, "VALIDATION_ERROR", "config.(a name)"),
    (b'{"name":"x","config":{"a":[1e1001]}}', 400, "VALIDATION_ERROR", "config[...][0]"),
    (b'{"name":"x","config":{"a":1e-99999999999999999999}}', 400, "VALIDATION_ERROR", None),
    (b'{"name":"x","config":{"a":' + b"9" * 5000 + b"}}", 400, "VALIDATION_ERROR", None),
    (
        json.dumps({"name": "x", "config": {"a": "v" * CONFIG_LIMIT}}).encode(),
        400,
        "VALIDATION_ERROR",
        "config",
    ),
    (DEEP, 400, "VALIDATION_ERROR", ""),
    (b'{"name":"x","colour":"red"}', 400, "VALIDATION_ERROR", "colour"),
    (b'{"name":"x","id":"0"}', 400, "VALIDATION_ERROR", "id"),
    (b'{"name":"x","userId":"0"}', 400, "VALIDATION_ERROR", "userId"),
    (b'{"name":"x","version":1}', 400, "VALIDATION_ERROR", "version"),
    (b'{"name":"x","isActive":true}', 400, "VALIDATION_ERROR", "isActive"),
    (b'{"name":"x","secrets":[]}', 400, "VALIDATION_ERROR", "secrets"),
    (b'{"name":"x","description":"' + b" " * 2_100_000 + b'"}', 413, "BODY_TOO_LARGE", None),
]


@pytest.mark.parametrize(("body", "status", "code", "field"), BODIES)
async def test_a_bad_body_is_refused_by_name_and_changes_nothing(
    alice: httpx.AsyncClient,
    body: bytes,
    status: int,
    code: str,
    field: str | None,
) -> None:
    made = await create(alice)
    headers = {"content-type": "application/json"}
    for method, path in (("POST", ALL), ("PUT", made["id"]), ("PATCH", made["id"])):
        url = path if path == ALL else f"{ALL}/{path}"
        answer = await alice.request(method, url, content=body, headers=headers)
        _assert_problem(answer, status, code, field)
    assert await listed(alice) == [made]


def _assert_problem(
    answer: httpx.Response, status: int, code: str, field: str | None
) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["code"], problem["status"]) == (code, status)
    if code == "VALIDATION_ERROR":
        assert len(problem["errors"]) == 1
        assert problem["errors"][0]["message"]
    if field is not None:
        assert problem["errors"][0]["field"] == field
    return problem


async def test_a_name_is_required(alice: httpx.AsyncClient) -> None:
    answer = await alice.post(ALL, json={})
    problem = _assert_problem(answer, 400, "VALIDATION_ERROR", "name")
    assert problem["errors"][0]["code"] == "required"


@pytest.mark.parametrize("name", ["isActive", "is_active"])
async def test_the_refusal_of_is_active_says_where_to_go(
    alice: httpx.AsyncClient, name: str
) -> None:
    answer = await alice.post(ALL, json={"name": "x", name: True})
    assert "/activate" in _assert_problem(answer, 400, "VALIDATION_ERROR", name)["detail"]


async def test_another_media_type_is_refused(alice: httpx.AsyncClient) -> None:
    answer = await alice.post(ALL, content=b"name=x", headers={"content-type": "text/plain"})
    _assert_problem(answer, 415, "UNSUPPORTED_MEDIA_TYPE", None)


ITEM_CALLS = [
    ("GET", "", None),
    ("PATCH", "", {}),
    ("PUT", "", {"name": "x"}),
    ("DELETE", "", None),
    ("POST", "/activate", None),
    ("POST", "/deactivate", None),
    ("PUT", "/secrets/A", {"value": "v"}),
    ("DELETE", "/secrets/A", None),
]


BAD_IDS = ["7", "not-a-uuid", "0" * 32, "%00", "{0}", "'", "0191e3a8-0000-7000-8000-00000000000g"]


@pytest.mark.parametrize(("method", "suffix", "body"), ITEM_CALLS)
async def test_a_bad_id_is_named(
    alice: httpx.AsyncClient, method: str, suffix: str, body: Any
) -> None:
    for bad in BAD_IDS:
        answer = await alice.request(method, f"{ALL}/{bad}{suffix}", json=body)
        _assert_problem(answer, 400, "VALIDATION_ERROR", "id")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("page=-1", "page"),
        ("page=0", "page"),
        ("page=1.5", "page"),
        ("page=x", "page"),
        ("page=99999999999999999999", "page"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=-1", "limit"),
        ("sort=colour", "sort"),
        ("sort=name,name", "sort"),
        ("sort=name,-name", "sort"),
        ("sort=--name", "sort"),
        ("sort=name,", "sort"),
        ("sort=%00", "sort"),
        ("sortBy=colour", "sortBy"),
        ("sortBy=name&sortOrder=up", "sortOrder"),
        ("sortOrder=asc", "sortOrder"),
        ("sort=name&sortBy=name", "sortBy"),
        ("isActive=maybe", "isActive"),
        ("userId=somebody", "userId"),
        ("search=a&search=b", "search"),
        ("search=%00", "search"),
        ("search=" + "s" * 501, "search"),
        ("repository=" + "r" * 256, "repository"),
        ("colour=red", "colour"),
        ("cursor=%21", "cursor"),
        ("cursor=bm90IGpzb24", "cursor"),
        ("cursor=W10", "cursor"),
        ("cursor=WyJuYW1lIiwiYSIsImIiXQ", "cursor"),
        ("sort=name&cursor=WyJuYW1lIiwiYSIsImIiXQ", "cursor"),
        ("sort=name&cursor=WyJuYW1lIixudWxsLG51bGxd", "cursor"),
        ("page=1&cursor=WyJuYW1lIiwiYSIsImIiXQ", "cursor"),
    ],
)
async def test_a_bad_parameter_is_named(alice: httpx.AsyncClient, query: str, field: str) -> None:
    answer = await alice.get(f"{ALL}?{query}")
    _assert_problem(answer, 400, "VALIDATION_ERROR", field)


@pytest.mark.parametrize("query", ["search=%ff", "search=%ed%a0%80"])
async def test_a_query_that_is_no_text_is_refused(alice: httpx.AsyncClient, query: str) -> None:
    answer = await alice.get(f"{ALL}?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "VALIDATION_ERROR")


@pytest.mark.parametrize("tag", ["soon", "v", "-1", '"v99999999999999999999"', 'W/"v1"'])
async def test_a_tag_of_nothing_fails_the_condition(alice: httpx.AsyncClient, tag: str) -> None:
    made = await create(alice)
    answer = await alice.delete(f"{ALL}/{made['id']}", headers={"if-match": tag})
    assert (answer.status_code, answer.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert await listed(alice) == [made]


async def test_a_list_of_tags_is_named(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    answer = await alice.delete(f"{ALL}/{made['id']}", headers={"if-match": '"v1", "v2"'})
    _assert_problem(answer, 400, "VALIDATION_ERROR", "If-Match")
    assert await listed(alice) == [made]


@pytest.mark.parametrize("name", ["1A", "a b", "ä", "-a", "a" * 129, "a%00", "a%0A", ".", "a'"])
@pytest.mark.parametrize(("method", "body"), [("PUT", {"value": "v"}), ("DELETE", None)])
async def test_a_bad_secret_name_is_named(
    alice: httpx.AsyncClient, method: str, body: Any, name: str
) -> None:
    made = await create(alice)
    path = httpx.URL(f"http://roost.test{ALL}/{made['id']}/secrets/{name}")
    answer = await alice.request(method, path, json=body)
    if name == ".":
        assert answer.status_code == 404  # clients take the dot out of the path
    else:
        _assert_problem(answer, 400, "VALIDATION_ERROR", "name")
    assert await listed(alice) == [made]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (b"", "MALFORMED_BODY", None),
        (b"{}", "VALIDATION_ERROR", "value"),
        (b'{"value":""}', "VALIDATION_ERROR", "value"),
        (b'{"value":null}', "VALIDATION_ERROR", "value"),
        (b'{"value":7}', "VALIDATION_ERROR", "value"),
        (b'{"value":"\\u0000"}', "VALIDATION_ERROR", "value"),
        (b'{"value":"\\ud800"}', "MALFORMED_BODY", None),
        (b'{"value":"v","name":"n"}', "VALIDATION_ERROR", "name"),
        (json.dumps({"value": "v" * 65_537}).encode(), "VALIDATION_ERROR", "value"),
    ],
)
async def test_a_bad_secret_is_refused(
    alice: httpx.AsyncClient, body: bytes, code: str, field: str | None
) -> None:
    made = await create(alice)
    answer = await alice.put(f"{ALL}/{made['id']}/secrets/A", content=body)
    _assert_problem(answer, 400, code, field)
    assert await listed(alice) == [made]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/active"), ("DELETE", ""), ("PUT", ""), ("GET", "/active/activate")],
)
async def test_a_method_that_a_route_lacks_is_a_clear_refusal(
    alice: httpx.AsyncClient, method: str, path: str
) -> None:
    answer = await alice.request(method, f"{ALL}{path}")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
