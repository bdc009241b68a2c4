"""Environments are made, read, changed and deleted."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from roost.web.principal import Principal
from tests.environments.calls import ALL, create, read
from tests.support.house import House


async def test_a_new_environment_has_its_defaults_and_a_place(
    alice: httpx.AsyncClient, owner: Principal
) -> None:
    answer = await alice.post(ALL, json={"name": "work"})
    made = answer.json()["data"]
    assert answer.status_code == 201
    assert answer.headers["location"] == f"{ALL}/{made['id']}"
    assert answer.headers["etag"] == '"v1"'
    assert UUID(made["id"]).version == 7
    assert made["createdAt"] == made["updatedAt"]
    assert {name: made[name] for name in made if name not in {"id", "createdAt", "updatedAt"}} == {
        "workspaceId": str(owner.workspace_id),
        "userId": str(owner.user_id),
        "name": "work",
        "description": "",
        "repository": None,
        "config": {},
        "isActive": False,
        "secrets": [],
        "version": 1,
    }


async def test_what_was_written_is_read_back(alice: httpx.AsyncClient) -> None:
    fields: dict[str, Any] = {
        "name": "n" * 255,
        "description": 'Ünïcödé, "quotes" \\ and\nlines 👩‍💻',
        "repository": "owner/name",
        "config": {"a": [1, None, True, {"": "empty name"}], "ключ": "значение"},
    }
    made = await create(alice, **fields)
    found = await read(alice, made["id"])
    assert found == made
    assert {name: found[name] for name in fields} == fields


@pytest.mark.parametrize("path", ["/api/environments", "/api/v1/environments"])
async def test_routes_answer_with_and_without_the_version(
    alice: httpx.AsyncClient, path: str
) -> None:
    made = await create(alice)
    assert (await alice.get(f"{path}/{made['id']}")).json()["data"] == made


async def test_an_unchanged_environment_is_not_sent_again(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    for path in (f"{ALL}/{made['id']}", ALL):
        tag = (await alice.get(path)).headers["etag"]
        again = await alice.get(path, headers={"if-none-match": f'"other", W/{tag}'})
        assert (again.status_code, again.content) == (304, b"")
        await alice.patch(f"{ALL}/{made['id']}", json={"description": path})
        changed = await alice.get(path, headers={"if-none-match": tag})
        assert changed.status_code == 200
        assert changed.headers["etag"] != tag


async def test_head_answers_like_get_without_a_body(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    full = await alice.get(f"{ALL}/{made['id']}")
    head = await alice.head(f"{ALL}/{made['id']}")
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(full.content))


async def test_a_patch_changes_only_what_it_names(alice: httpx.AsyncClient) -> None:
    made = await create(alice, description="d", repository="a/b", config={"x": 1})
    answer = await alice.patch(
        f"{ALL}/{made['id']}",
        content=json.dumps({"name": "other", "repository": None}),
        headers={"content-type": "application/merge-patch+json"},
    )
    changed = answer.json()["data"]
    assert answer.headers["etag"] == '"v2"'
    assert changed["updatedAt"] > made["updatedAt"]
    expected = made | {"name": "other", "repository": None, "version": 2}
    assert changed == expected | {"updatedAt": changed["updatedAt"]}
    assert await read(alice, made["id"]) == changed


@pytest.mark.parametrize(
    ("stored", "patch", "merged"),
    [
        # RFC 7396, appendix A, as far as both sides are objects.
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {}, {"a": 1}),
        ({"a": 1}, None, {}),
    ],
)
async def test_a_patch_merges_into_the_config(
    alice: httpx.AsyncClient, stored: Any, patch: Any, merged: Any
) -> None:
    made = await create(alice, config=stored)
    answer = await alice.patch(f"{ALL}/{made['id']}", json={"config": patch})
    assert answer.json()["data"]["config"] == merged


async def test_concurrent_patches_of_one_config_are_all_kept(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    await asyncio.gather(
        *(
            alice.patch(f"{ALL}/{made['id']}", json={"config": {f"key{number}": number}})
            for number in range(12)
        )
    )
    found = await read(alice, made["id"])
    assert found["config"] == {f"key{number}": number for number in range(12)}
    assert found["version"] == 13


async def test_an_empty_patch_changes_nothing(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    answer = await alice.patch(f"{ALL}/{made['id']}", json={})
    assert (answer.status_code, answer.json()["data"]) == (200, made)


async def test_a_put_takes_back_what_it_does_not_name(alice: httpx.AsyncClient) -> None:
    made = await create(alice, description="d", repository="a/b", config={"x": 1})
    await alice.post(f"{ALL}/{made['id']}/activate")
    answer = await alice.put(f"{ALL}/{made['id']}", json={"name": "anew"})
    found = answer.json()["data"]
    assert answer.status_code == 200
    assert (found["name"], found["description"], found["repository"]) == ("anew", "", None)
    assert (found["config"], found["isActive"], found["version"]) == ({}, True, 3)


async def test_a_deleted_environment_is_gone(alice: httpx.AsyncClient, superuser: Any) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/TOKEN", json={"value": "v"})
    path = f"{ALL}/{made['id']}"
    answer = await alice.delete(path)
    assert (answer.status_code, answer.content) == (204, b"")
    for again in (await alice.get(path), await alice.delete(path)):
        assert (again.status_code, again.json()["code"]) == (404, "ENVIRONMENT_NOT_FOUND")
    left = "select count(*) from environment_secrets where environment_id = $1"
    assert await superuser.fetchval(left, UUID(made["id"])) == 0


async def test_of_two_writers_with_the_same_version_one_wins(alice: httpx.AsyncClient) -> None:
    made = await create(alice)
    path = f"{ALL}/{made['id']}"
    answers = await asyncio.gather(
        *(
            alice.patch(path, json={"name": f"writer {number}"}, headers={"if-match": '"v1"'})
            for number in range(8)
        )
    )
    won = [answer for answer in answers if answer.status_code == 200]
    lost = [answer for answer in answers if answer.status_code == 412]
    assert (len(won), len(lost)) == (1, 7)
    assert all(answer.json()["currentVersion"] == 2 for answer in lost)
    assert all(answer.headers["etag"] == '"v2"' for answer in lost)
    assert await read(alice, made["id"]) == won[0].json()["data"]


CONDITIONAL = [
    ("PATCH", "", {"name": "x"}),
    ("PUT", "", {"name": "x"}),
    ("DELETE", "", None),
    ("POST", "/activate", None),
    ("POST", "/deactivate", None),
    ("PUT", "/secrets/A", {"value": "v"}),
    ("DELETE", "/secrets/A", None),
]


@pytest.mark.parametrize(("method", "suffix", "body"), CONDITIONAL)
async def test_a_stale_version_changes_nothing(
    alice: httpx.AsyncClient, method: str, suffix: str, body: Any
) -> None:
    made = await create(alice)
    await alice.put(f"{ALL}/{made['id']}/secrets/A", json={"value": "v"})
    before = await read(alice, made["id"])
    path = f"{ALL}/{made['id']}{suffix}"
    answer = await alice.request(method, path, json=body, headers={"if-match": '"v1"'})
    assert (answer.status_code, answer.json()["code"]) == (412, "PRECONDITION_FAILED")
    assert answer.json()["currentVersion"] == 2
    assert await read(alice, made["id"]) == before
    fitting = await alice.request(method, path, json=body, headers={"if-match": '"v2"'})
    assert fitting.is_success


@pytest.mark.parametrize(("method", "suffix", "body"), CONDITIONAL)
async def test_an_unknown_id_is_not_found_on_any_route(
    alice: httpx.AsyncClient, method: str, suffix: str, body: Any
) -> None:
    answer = await alice.request(method, f"{ALL}/{uuid4()}{suffix}", json=body)
    assert (answer.status_code, answer.json()["code"]) == (404, "ENVIRONMENT_NOT_FOUND")


async def test_the_same_idempotency_key_makes_one_environment(alice: httpx.AsyncClient) -> None:
    headers = {"idempotency-key": uuid4().hex}
    answers = await asyncio.gather(
        *(alice.post(ALL, json={"name": "once"}, headers=headers) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len({answer.headers["location"] for answer in answers}) == 1
    assert (await alice.get(ALL)).json()["pagination"]["total"] == 1
    other = await alice.post(ALL, json={"name": "other"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")


async def test_each_change_names_its_transaction_and_is_announced(
    alice: httpx.AsyncClient, house: House
) -> None:
    answer = await alice.post(ALL, json={"name": "work"})
    assert int(answer.headers["roost-txid"]) > 0
    assert house.ticks.announced == 1


async def test_changes_reach_the_journal_with_actor_and_cause(
    alice: httpx.AsyncClient, owner: Principal, superuser: Any
) -> None:
    made = await create(alice)
    await alice.delete(f"{ALL}/{made['id']}")
    rows = await superuser.fetch(
        "select j.op, j.actor_id from journal.journal j where j.workspace_id = $1 order by j.seq",
        owner.workspace_id,
    )
    assert len(rows) == 2
    assert {row["actor_id"] for row in rows} == {owner.user_id}


async def test_null_takes_the_description_away(alice: httpx.AsyncClient) -> None:
    made = await create(alice, description="words")
    answer = await alice.patch(f"{ALL}/{made['id']}", json={"description": None})
    assert answer.json()["data"]["description"] == ""
    for method, path in (("POST", ALL), ("PUT", f"{ALL}/{made['id']}")):
        body = {"name": "x", "description": None}
        assert (await alice.request(method, path, json=body)).status_code == 400
