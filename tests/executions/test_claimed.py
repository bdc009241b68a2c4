"""What a claim gives, held against what is read of the same run, task and environment later."""

import json
from functools import partial
from typing import Any

import httpx
import pytest

from tests.executions.talking import API, claim, make_task, patch, record, run_of

_exactly = partial(json.loads, parse_int=str, parse_float=str)
FULL: dict[str, Any] = {
    "title": 'Mend "it" \\ now\n☂',
    "description": "words and more words " * 200,
    "priority": "urgent",
    "mode": "ask",
    "repository": "https://example.test/r.git",
    "branch": "main",
    "labels": ["a", 'b "c"', "☂"],
    "dueAt": "2031-05-06T07:08:09Z",
    "metadata": {"large": 12345678901234567890, "small": 0.1, "deep": [{"é": None}]},
    "pullRequest": {"url": "https://example.test/pull/1", "number": 1},
    "position": 2.5,
}


async def _read(client: httpx.AsyncClient, path: str) -> Any:
    answer = await client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return _exactly(answer.text)["data"]


async def _is_what_is_read(client: httpx.AsyncClient, answer: httpx.Response) -> Any:
    """Hold a claim's answer against what is read; gives the run."""
    assert answer.status_code == 201, answer.text
    run = _exactly(answer.text)["data"]
    for path in f"/executions/{run['id']}", f"/tasks/{run['taskId']}":
        text = (await client.get(f"{API}{path}")).text
        assert text.removeprefix('{"data":{').removesuffix("}}") in answer.text
    task, environment, secrets = (run.pop(name) for name in ("task", "environment", "secrets"))
    assert run == await _read(client, f"/executions/{run['id']}")
    assert task == await _read(client, f"/tasks/{run['taskId']}")
    if run["environmentId"] is None:
        assert (environment, secrets) == (None, {})
    else:
        whole = await _read(client, f"/environments/{run['environmentId']}")
        assert environment == {name: whole[name] for name in environment}
        assert list(environment) == ["id", "name", "repository", "config"]
    assert answer.headers["etag"] == f'"v{run["version"]}"'
    assert answer.headers["location"] == f"{API}/executions/{run['id']}"
    return run


async def _environment(client: httpx.AsyncClient) -> str:
    body = {"name": 'the "house"', "config": {"n": 1.50, "é": [None]}}
    made = await client.post(f"{API}/environments", json=body)
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def _ask(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    body = {"agent": 'an "agent"', "agentVersion": "1", "traceId": "ab" * 16, **fields}
    return await client.post(f"{API}/executions/claim", json=body)


@pytest.mark.parametrize("fields", [{}, FULL], ids=["nearly empty", "full"])
@pytest.mark.parametrize("housed", [False, True], ids=["nowhere", "in an environment"])
async def test_a_claim_shows_run_task_and_environment_as_they_are_read(
    alice: httpx.AsyncClient, fields: dict[str, Any], *, housed: bool
) -> None:
    place = {"environmentId": await _environment(alice)} if housed else {}
    task = await make_task(alice, **fields, **place)
    run = await _is_what_is_read(alice, await _ask(alice, taskId=task))
    assert run["stepCount"] == "0"


async def test_a_claim_of_a_fork_shows_where_it_comes_from_and_its_steps(
    alice: httpx.AsyncClient,
) -> None:
    first = (await run_of(alice, **FULL))["id"]
    for n in range(3):
        await record(alice, first, state={"n": n})
    await patch(alice, first, status="failed", usage={"tokensIn": 5, "cost": 0.25})
    forked = await alice.post(f"{API}/executions/{first}/fork", json={"step": 2})
    assert forked.status_code == 201, forked.text
    run = await _is_what_is_read(alice, await _ask(alice))
    assert run["id"] == forked.json()["data"]["id"]
    assert run["forkedFrom"] == {"id": first, "step": "2"}
    assert int(run["stepCount"]) == len(await _read(alice, f"/executions/{run['id']}/steps")) > 0


async def test_a_claim_with_a_key_shows_the_same(alice: httpx.AsyncClient) -> None:
    task = await make_task(alice, **FULL)
    body = {"agent": "a", "taskId": task}
    headers = {"idempotency-key": "once"}
    for _ in range(2):
        answer = await alice.post(f"{API}/executions/claim", json=body, headers=headers)
        await _is_what_is_read(alice, answer)


async def test_what_was_asked_of_a_run_left_stale_is_shown_to_the_next(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    task = await make_task(alice)
    asked = {"taskId": task, "input": {"n": 1.50}}
    assert (await alice.post(f"{API}/executions", json=asked)).status_code == 201
    run = await claim(alice, taskId=task)
    await superuser.execute(
        "update executions set lease_expires_at = now() - interval '1 second' where id = $1",
        run["id"],
    )
    await superuser.execute("select expire_executions()")
    later = await _is_what_is_read(alice, await _ask(alice, taskId=task))
    assert later["id"] != run["id"]
    assert later["input"] == {"n": "1.5"}
