"""The calls that tests make again and again."""

from typing import Any

import httpx

ALL = "/api/v1/environments"


async def create(client: httpx.AsyncClient, name: str = "work", **fields: Any) -> dict[str, Any]:
    """Make an environment; gives it back."""
    answer = await client.post(ALL, json={"name": name, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()["data"]
    return made


async def read(client: httpx.AsyncClient, environment_id: str) -> dict[str, Any]:
    """Read an environment."""
    answer = await client.get(f"{ALL}/{environment_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["data"]
    return found


async def listed(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Read a page."""
    answer = await client.get(ALL, params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["data"]
    return items


async def names(client: httpx.AsyncClient, **query: Any) -> list[str]:
    """Read a page's names."""
    return [found["name"] for found in await listed(client, **query)]
