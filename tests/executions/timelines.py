"""What tests of timelines ask for, and how they read what they are told."""

from typing import Any

import httpx

from tests.executions.talking import API, record, run_of

Item = dict[str, Any]
Page = dict[str, Any]


async def page(client: httpx.AsyncClient, run: str, **query: Any) -> Page:
    answer = await client.get(f"{API}/executions/{run}/timeline", params=query)
    assert answer.status_code == 200, answer.text
    found: Page = answer.json()
    assert len(found["data"]) <= query.get("limit", 20)
    return found


async def whole(client: httpx.AsyncClient, run: str, limit: int = 100) -> list[Item]:
    """Read page after page."""
    items, query = [], {"limit": limit}
    while True:
        found = await page(client, run, **query)
        items += found["data"]
        cursor = found["pagination"]["nextCursor"]
        if cursor is None:
            return items
        query["cursor"] = cursor


async def say(client: httpx.AsyncClient, task: str, text: str) -> None:
    answer = await client.post(f"{API}/tasks/{task}/messages", json={"text": text})
    assert answer.status_code == 201, answer.text


async def change(client: httpx.AsyncClient, task: str, **fields: Any) -> None:
    answer = await client.patch(f"{API}/tasks/{task}", json=fields)
    assert answer.status_code == 200, answer.text


async def beat(client: httpx.AsyncClient, run: str, **body: Any) -> None:
    answer = await client.post(f"{API}/executions/{run}/heartbeat", json=body)
    assert answer.status_code == 200, answer.text


def told(items: list[Item]) -> list[str]:
    """Say in a word what each item is."""
    words = []
    for item in items:
        thing = item[item["kind"]]
        match item["kind"]:
            case "step":
                words.append(f"step {thing['number']}")
            case "message":
                words.append(f"said {thing['text']}")
            case "taskChange":
                words.append("task " + ",".join(sorted(each["path"] for each in thing["patch"]
                             if each["path"] not in {"/version", "/updatedAt"})))  # fmt: skip
            case "event":
                words.append(f"{thing['previousStatus']} > {thing['status']}")
    return words


async def happened(client: httpx.AsyncClient, what: list[str]) -> str:
    """Make a run in whose time these things happened, one after the other."""
    run = await run_of(client)
    for number, each in enumerate(what):
        if each == "step":
            await record(client, run["id"])
        elif each == "say":
            await say(client, run["taskId"], str(number))
        elif each == "change":
            await change(client, run["taskId"], title=str(number))
        elif each == "beat":
            await beat(client, run["id"])
        else:
            await beat(client, run["id"], usage={"tokensIn": number + 1})
    return str(run["id"])
