"""Secrets that come with a claim, and with nothing else."""

import json
from typing import Any

import httpx

from tests.executions.talking import API, claim, claims_nothing, data, make_task, patch, problem


async def with_secrets(client: httpx.AsyncClient) -> str:
    made = await client.post(f"{API}/environments", json={"name": "with secrets"})
    environment = made.json()["data"]["id"]
    for name, value in (("API_KEY", "one"), ("OTHER", "two")):
        put = await client.put(
            f"{API}/environments/{environment}/secrets/{name}", json={"value": value}
        )
        assert put.status_code in {200, 201, 204}, put.text
    return str(environment)


async def audited(superuser: Any, environment: str) -> list[dict[str, Any]]:
    rows = await superuser.fetch(
        "select details from audit_events where action = 'secret.revealed' and target_id = $1",
        environment,
    )
    return [json.loads(row["details"]) for row in rows]


async def test_secrets_are_handed_over_with_the_claim_and_by_nothing_else(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    environment = await with_secrets(alice)
    await make_task(alice, environmentId=environment)
    run = await claim(alice)
    assert run["secrets"] == {"API_KEY": "one", "OTHER": "two"}
    assert await audited(superuser, environment) == [
        {"executionId": run["id"], "names": ["API_KEY", "OTHER"]}
    ]
    assert "secrets" not in await data(alice, f"/executions/{run['id']}")
    beat = await alice.post(f"{API}/executions/{run['id']}/heartbeat", json={})
    assert "secrets" not in beat.json()["data"]


async def test_a_claim_sent_again_with_its_key_is_the_same_claim(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    environment = await with_secrets(alice)
    await make_task(alice, environmentId=environment)
    await make_task(alice, environmentId=environment)
    headers = {"idempotency-key": "a claim"}
    body = {"agent": "tester"}
    answers = [
        await alice.post(f"{API}/executions/claim", json=body, headers=headers) for _ in range(2)
    ]
    first, again = (answer.json()["data"] for answer in answers)
    assert first == again
    assert first["secrets"] == {"API_KEY": "one", "OTHER": "two"}
    assert answers[1].headers["idempotent-replayed"] == "true"
    assert len(await audited(superuser, environment)) == 2
    kept = await superuser.fetchval(
        "select count(*) from idempotency_keys where convert_from(body, 'UTF8') like '%API_KEY%'"
    )
    assert kept == 0
    # Once the work is over there are no secrets any more.
    await patch(alice, first["id"], status="completed")
    late = await alice.post(f"{API}/executions/claim", json=body, headers=headers)
    assert late.json()["data"]["secrets"] == {}


async def test_secrets_that_cannot_be_opened_end_the_run_and_say_so(
    alice: httpx.AsyncClient, superuser: Any
) -> None:
    environment = await with_secrets(alice)
    task = await make_task(alice, environmentId=environment)
    await superuser.execute(
        "update environment_secrets set ciphertext = 'sealed by nobody' where environment_id = $1",
        environment,
    )
    for headers in ({}, {"idempotency-key": "k"}):
        refused = await alice.post(
            f"{API}/executions/claim", json={"agent": "tester"}, headers=headers
        )
        assert problem(refused) == (503, "SECRETS_UNREADABLE")
        [run] = await data(alice, "/executions", task=task, limit=1)
        assert (run["status"], run["error"]["code"]) == ("failed", "SECRETS_UNREADABLE")
        assert (await data(alice, f"/tasks/{task}"))["status"] == "failed"
        assert await claims_nothing(alice)
        await alice.patch(f"{API}/tasks/{task}", json={"status": "pending"})
