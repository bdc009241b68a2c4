"""Tasks made, read, changed and deleted over HTTP."""

import asyncio
import re

import httpx
import pytest
from uuid_utils.compat import uuid7

from roost.tasks.model import TRANSITIONS

TASKS = "/api/v1/tasks"
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
EVERYTHING = {
    "title": 'Mend "the" roof \\ 🪶 مرحبا',
    "description": "line\n\ttab \u2028 \x7f",
    "status": "in_progress",
    "priority": "urgent",
    "mode": "ask",
    "repository": "owner/repo",
    "branch": "main",
    "labels": ["a", "b,c", 'd"e'],
    "dueAt": "2030-01-02T03:04:05.123456Z",
    "statusMessage": "Working",
    "hasChanges": True,
    "pullRequest": {
        "number": 7,
        "url": "https://example.test/pull/7",
        "state": "open",
        "merged": False,
        "headRef": "fix",
        "headSha": None,
        "baseRef": "main",
        "author": "somebody",
    },
    "position": 1.5,
    "metadata": {"big": 9007199254740993, "huge": 10**40, "deep": {"a": [1, None, "x"]}},
}


async def make(client: httpx.AsyncClient, **fields: object) -> dict[str, object]:
    answer = await client.post(TASKS, json={"title": "A task", **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


async def test_a_task_comes_back_as_it_was_sent(alice: httpx.AsyncClient) -> None:
    answer = await alice.post(TASKS, json=EVERYTHING)

    assert answer.status_code == 201, answer.text
    task = answer.json()["data"]
    assert {name: task[name] for name in EVERYTHING} == EVERYTHING
    assert answer.headers["location"] == f"{TASKS}/{task['id']}"
    assert answer.headers["etag"] == '"v1"'
    assert answer.headers["roost-txid"].isdigit()
    assert MOMENT.fullmatch(task["createdAt"])
    assert (await alice.get(f"{TASKS}/{task['id']}")).json()["data"] == task
    assert (await alice.get(TASKS)).json()["data"] == [task]


async def test_a_task_has_every_field_of_the_contract(alice: httpx.AsyncClient) -> None:
    task = await make(alice)

    names = """id workspaceId title description status priority mode environmentId repository
    branch assigneeId createdBy labels dueAt completedAt archivedAt statusMessage hasChanges
    pullRequest position metadata version createdAt updatedAt"""
    assert sorted(task) == sorted(names.split())
    assert task["status"] == "pending"
    assert task["priority"] == "medium"
    assert task["version"] == 1


async def test_a_merge_patch_changes_what_it_names(alice: httpx.AsyncClient) -> None:
    task = await make(alice, metadata={"keep": 1, "drop": 2, "in": {"a": 1, "b": 2}}, branch="x")

    patch = {"branch": None, "metadata": {"drop": None, "in": {"b": 3}}, "labels": ["new"]}
    answer = await alice.patch(f"{TASKS}/{task['id']}", json=patch)

    changed = answer.json()["data"]
    assert changed["branch"] is None
    assert changed["metadata"] == {"keep": 1, "in": {"a": 1, "b": 3}}
    assert changed["labels"] == ["new"]
    assert changed["title"] == "A task"
    assert changed["version"] == 2
    assert answer.headers["etag"] == '"v2"'


async def test_a_patch_of_the_pull_request_is_merged(alice: httpx.AsyncClient) -> None:
    task = await make(alice, pullRequest=EVERYTHING["pullRequest"])

    answer = await alice.patch(f"{TASKS}/{task['id']}", json={"pullRequest": {"merged": True}})

    assert answer.json()["data"]["pullRequest"]["merged"] is True
    assert answer.json()["data"]["pullRequest"]["number"] == 7


async def test_put_puts_the_rest_back_to_its_defaults(alice: httpx.AsyncClient) -> None:
    task = await make(alice, branch="x", labels=["a"])

    answer = await alice.put(f"{TASKS}/{task['id']}", json={"title": "Anew"})

    assert answer.json()["data"]["branch"] is None
    assert answer.json()["data"]["labels"] == []
    assert answer.json()["data"]["title"] == "Anew"


async def test_a_deleted_task_is_gone_with_its_messages(alice: httpx.AsyncClient) -> None:
    task = await make(alice)
    await alice.post(f"{TASKS}/{task['id']}/messages", json={"text": "Hello"})

    answer = await alice.delete(f"{TASKS}/{task['id']}")

    assert answer.status_code == 204
    assert answer.content == b""
    for path in ("", "/messages"):
        missing = await alice.get(f"{TASKS}/{task['id']}{path}")
        assert missing.status_code == 404
        assert missing.json()["code"] == "TASK_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("GET", "/messages"),
        ("POST", "/messages"),
    ],
)
async def test_another_tenants_task_is_like_none(
    alice: httpx.AsyncClient, bob: httpx.AsyncClient, method: str, path: str
) -> None:
    theirs = await make(bob)
    body = None if method in {"GET", "DELETE"} else {"title": "Mine now"}
    if path and method == "POST":
        body = {"text": "Hello"}

    for task_id in (theirs["id"], str(uuid7())):
        answer = await alice.request(method, f"{TASKS}/{task_id}{path}", json=body)
        assert answer.status_code == 404
        assert answer.json()["code"] == "TASK_NOT_FOUND"
    assert (await bob.get(f"{TASKS}/{theirs['id']}")).json()["data"] == theirs


async def test_each_transition_is_allowed_or_refused_by_the_table(
    alice: httpx.AsyncClient,
) -> None:
    for current, allowed in TRANSITIONS.items():
        for wanted in TRANSITIONS:
            task = await make(alice, status=current)
            answer = await alice.patch(f"{TASKS}/{task['id']}", json={"status": wanted})
            if wanted == current or wanted in allowed:
                assert answer.status_code == 200
                assert answer.json()["data"]["status"] == wanted
            else:
                assert answer.status_code == 409
                problem = answer.json()
                assert problem["code"] == "INVALID_STATE_TRANSITION"
                assert problem["allowed"] == sorted(allowed)


async def test_completing_and_reopening_keep_the_moment_right(alice: httpx.AsyncClient) -> None:
    task = await make(alice, status="in_progress")

    done = await alice.patch(f"{TASKS}/{task['id']}", json={"status": "completed"})
    again = await alice.patch(f"{TASKS}/{task['id']}", json={"status": "in_progress"})

    assert MOMENT.fullmatch(done.json()["data"]["completedAt"])
    assert again.json()["data"]["completedAt"] is None


async def test_of_two_writers_with_one_etag_one_wins(alice: httpx.AsyncClient) -> None:
    task = await make(alice)
    path, tag = f"{TASKS}/{task['id']}", {"if-match": '"v1"'}

    answers = await asyncio.gather(
        *(alice.patch(path, json={"title": f"By {n}"}, headers=tag) for n in range(6))
    )

    assert sorted(answer.status_code for answer in answers) == [200, *[412] * 5]
    lost = next(answer for answer in answers if answer.status_code == 412)
    assert lost.json()["currentVersion"] == 2
    assert lost.headers["etag"] == '"v2"'
    assert (await alice.get(path)).json()["data"]["version"] == 2


async def test_what_is_unchanged_is_not_sent_again(alice: httpx.AsyncClient) -> None:
    task = await make(alice)
    for path in (TASKS, f"{TASKS}/{task['id']}"):
        tag = (await alice.get(path)).headers["etag"]
        again = await alice.get(path, headers={"if-none-match": f'W/"other", {tag}'})
        assert again.status_code == 304
        assert again.content == b""
        await alice.patch(f"{TASKS}/{task['id']}", json={"hasChanges": path == TASKS})
        assert (await alice.get(path, headers={"if-none-match": tag})).status_code == 200


async def test_the_same_key_gives_the_first_answer_again(alice: httpx.AsyncClient) -> None:
    key = {"idempotency-key": "one"}

    answers = await asyncio.gather(
        *(alice.post(TASKS, json={"title": "Once"}, headers=key) for _ in range(5))
    )

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert (await alice.get(TASKS)).json()["pagination"]["total"] == 1
    other = await alice.post(TASKS, json={"title": "Another"}, headers=key)
    assert other.status_code == 422
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_messages_are_kept_in_order_without_gaps(alice: httpx.AsyncClient) -> None:
    task = await make(alice)
    path = f"{TASKS}/{task['id']}/messages"

    await asyncio.gather(
        *(alice.post(path, json={"role": "user", "text": f"{n}"}) for n in range(12))
    )

    first = (await alice.get(path, params={"limit": 5})).json()
    assert [one["position"] for one in first["data"]] == [0, 1, 2, 3, 4]
    rest = await alice.get(path, params={"cursor": first["pagination"]["nextCursor"]})
    assert [one["position"] for one in rest.json()["data"]] == list(range(5, 12))
    assert rest.json()["pagination"]["nextCursor"] is None
    assert first["pagination"]["total"] == 12


async def test_a_batch_does_all_of_its_operations_in_order(alice: httpx.AsyncClient) -> None:
    old, gone = await make(alice), await make(alice)
    operations = [
        {"op": "create", "task": {"title": "First"}},
        {"op": "create", "task": {"title": "Second"}},
        {"op": "update", "id": old["id"], "changes": {"title": "Changed"}, "version": 1},
        {"op": "delete", "id": gone["id"]},
    ]

    answer = await alice.post(f"{TASKS}/batch", json={"operations": operations})

    results = answer.json()["data"]
    assert [one["op"] for one in results] == ["create", "create", "update", "delete"]
    assert [one["task"] and one["task"]["title"] for one in results] == [
        "First",
        "Second",
        "Changed",
        None,
    ]
    titles = {one["title"] for one in (await alice.get(TASKS)).json()["data"]}
    assert titles == {"First", "Second", "Changed"}


async def test_a_batch_that_fails_changes_nothing(alice: httpx.AsyncClient) -> None:
    old = await make(alice)
    operations = [
        {"op": "create", "task": {"title": "First"}},
        {"op": "update", "id": old["id"], "changes": {"title": "Changed"}, "version": 9},
    ]

    answer = await alice.post(f"{TASKS}/batch", json={"operations": operations})

    assert answer.status_code == 412
    assert answer.json()["errors"][0]["field"] == "operations[1]"
    assert (await alice.get(TASKS)).json()["data"] == [old]


async def test_null_gives_a_field_back_its_default(alice: httpx.AsyncClient) -> None:
    task = await make(
        alice,
        description="words",
        priority="urgent",
        mode="ask",
        labels=["web"],
        hasChanges=True,
        metadata={"a": 1},
    )
    fields = ("description", "priority", "mode", "labels", "hasChanges", "metadata")

    answer = await alice.patch(f"{TASKS}/{task['id']}", json=dict.fromkeys(fields))

    changed = answer.json()["data"]
    assert [changed[name] for name in fields] == ["", "medium", "code", [], False, {}]
    for name in ("title", "status"):
        refused = await alice.patch(f"{TASKS}/{task['id']}", json={name: None})
        assert refused.status_code == 400
        assert refused.json()["errors"][0]["field"] == name
