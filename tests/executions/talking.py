"""What tests of executions say to the server, and what they expect to hear."""

from typing import Any

import httpx

API = "/api/v1"


async def make_task(client: httpx.AsyncClient, title: str = "Mend it", **fields: Any) -> str:
    """Make a task; gives its id."""
    made = await client.post(f"{API}/tasks", json={"title": title, **fields})
    assert made.status_code == 201, made.text
    return str(made.json()["data"]["id"])


async def claim(client: httpx.AsyncClient, **fields: Any) -> dict[str, Any]:
    """Claim a task that waits; gives the run."""
    answer = await client.post(f"{API}/executions/claim", json={"agent": "tester", **fields})
    assert answer.status_code == 201, answer.text
    run: dict[str, Any] = answer.json()["data"]
    return run


async def claims_nothing(client: httpx.AsyncClient, **fields: Any) -> bool:
    """Whether a claim finds nothing that waits."""
    answer = await client.post(f"{API}/executions/claim", json={"agent": "tester", **fields})
    assert answer.status_code in {201, 204}, answer.text
    return answer.status_code == 204


async def run_of(client: httpx.AsyncClient, **task: Any) -> dict[str, Any]:
    """Make a task and claim it; gives the run."""
    task_id = await make_task(client, **task)
    return await claim(client, taskId=task_id)


async def record(client: httpx.AsyncClient, run: str, **step: Any) -> dict[str, Any]:
    """Record a step; gives it."""
    body = {"type": "message", **step}
    answer = await client.post(f"{API}/executions/{run}/steps", json=body)
    assert answer.status_code == 201, answer.text
    recorded: dict[str, Any] = answer.json()["data"]
    return recorded


async def patch(client: httpx.AsyncClient, run: str, **fields: Any) -> dict[str, Any]:
    """Change a run; gives it."""
    answer = await client.patch(f"{API}/executions/{run}", json=fields)
    assert answer.status_code == 200, answer.text
    changed: dict[str, Any] = answer.json()["data"]
    return changed


async def data(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    """Read what lies at a path below the API's."""
    answer = await client.get(f"{API}{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def problem(answer: httpx.Response) -> tuple[int, str]:
    """Give status and code of a problem."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]
