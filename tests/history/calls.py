"""The calls that tests make again and again."""

from dataclasses import dataclass
from typing import Any

import httpx

API = "/api/v1"


@dataclass
class World:
    """A workspace, by its owner's client, and a connection that makes ticks."""

    client: httpx.AsyncClient
    connection: Any

    async def tick(self) -> int:
        """Make a tick that sees all that was done."""
        return int(await self.connection.fetchval("select journal.make_tick()"))

    async def ask(
        self, method: str, path: str, body: object = None, status: int = 200, **params: Any
    ) -> Any:
        """Send a request and give the answer's document."""
        headers = params.pop("headers", None)
        answer = await self.client.request(
            method, API + path, json=body, params=params, headers=headers
        )
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None

    async def get(self, path: str, **params: Any) -> Any:
        """Read what is under `data`."""
        return (await self.ask("GET", path, **params))["data"]

    async def task(self, **fields: Any) -> dict[str, Any]:
        """Make a task."""
        made = await self.ask("POST", "/tasks", {"title": "A task", **fields}, 201)
        task: dict[str, Any] = made["data"]
        return task

    async def environment(self, name: str = "work", **fields: Any) -> dict[str, Any]:
        """Make an environment."""
        made = await self.ask("POST", "/environments", {"name": name, **fields}, 201)
        environment: dict[str, Any] = made["data"]
        return environment

    async def say(self, task: str, text: str) -> dict[str, Any]:
        """Add a message."""
        made = await self.ask("POST", f"/tasks/{task}/messages", {"text": text}, 201)
        message: dict[str, Any] = made["data"]
        return message

    async def patch(self, path: str, **fields: Any) -> dict[str, Any]:
        """Change something."""
        changed: dict[str, Any] = (await self.ask("PATCH", path, fields))["data"]
        return changed
