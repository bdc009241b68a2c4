"""What the tests of whole migrations work with."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx

from roost.db.sealing import SecretBox
from roost.identity import administration
from roost.migration.service import Migrations
from roost.web.principal import Principal, permissions_of
from tests.support.house import House

API = "/api/v1"
FIXTURES = Path(__file__).parents[1] / "fixtures"
BROWSER = FIXTURES / "browser-export.json"
GARBAGE = FIXTURES / "garbage-export.json"
#: Tables of the user's own data, as opposed to a migration's records.
DATA = ("tasks", "messages", "environments", "environment_secrets", "documents", "kept_secrets")


def load(path: Path) -> Any:
    """Read a fixture."""
    return json.loads(path.read_bytes())


@dataclass
class Person:
    """A user at work in a workspace."""

    user_id: UUID
    workspace_id: UUID
    client: httpx.AsyncClient

    async def migrate(self, keys: dict[str, str], **config: Any) -> dict[str, Any]:
        """Post a dump of raw strings; gives the migration."""
        return await self.post(json.dumps({"keys": keys, "config": config}).encode())

    async def post_file(self, path: Path, **config: Any) -> dict[str, Any]:
        """Post an export; gives the migration."""
        export = load(path)
        return await self.post(json.dumps(export | {"config": config}).encode())

    async def post(self, body: bytes) -> dict[str, Any]:
        """Post a body that has to be accepted."""
        answer = await self.client.post(
            f"{API}/migration", content=body, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()["data"]
        return document

    async def items(self, migration: dict[str, Any], **query: Any) -> list[dict[str, Any]]:
        """All verdicts, page by page."""
        path, found, cursor = f"{API}/migration/{migration['id']}/items", [], None
        while True:
            params = query | {"limit": 100} | ({"cursor": cursor} if cursor else {})
            answer = await self.client.get(path, params=params)
            assert answer.status_code == 200, answer.text
            found += answer.json()["data"]
            cursor = answer.json()["pagination"]["nextCursor"]
            if cursor is None:
                return found

    async def get(self, path: str, **query: Any) -> Any:
        """Read a route that has to answer."""
        answer = await self.client.get(f"{API}{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]


@dataclass
class Bench:
    """The server, and two connections past it: a superuser's and the owner's."""

    house: House
    migrations: Migrations
    box: SecretBox
    watcher: asyncpg.Connection
    owner: asyncpg.Connection

    async def person(self, workspace_id: UUID | None = None) -> Person:
        """Make a user with a workspace of their own, who may work in another's."""
        name = uuid4().hex
        user_id, own = await administration.create_user(self.owner, f"{name}@roost.example")
        granted = frozenset({"*"})
        self.house.people.known[name] = Principal(
            user_id=user_id,
            workspace_id=workspace_id or own,
            role="owner",
            scopes=granted,
            kind="token",
            credential_id=uuid4(),
            permissions=permissions_of("owner", granted),
        )
        return Person(user_id, workspace_id or own, self.house.client(name))

    async def rows(self, person: Person, *tables: str) -> dict[str, list[str]]:
        """Every row of a workspace in these tables, as text; of the user's own where it has one."""
        found = {}
        for table in tables or DATA:
            rows = await self.watcher.fetch(
                f"select t::text as row from {table} t where workspace_id = $1 order by id",
                person.workspace_id,
            )
            found[table] = [row["row"] for row in rows]
        found["users"] = [
            await self.watcher.fetchval("select u::text from users u where id = $1", person.user_id)
        ]
        return found


def store(*tasks: Any) -> str:
    """A task store's raw string."""
    return json.dumps({"state": {"tasks": list(tasks)}, "version": 0})


def task(number: int, **fields: Any) -> dict[str, Any]:
    """A stored task with two messages; the id follows from the number."""
    return {
        "id": f"10000000-0000-4000-8000-{number:012d}",
        "title": f"Task {number}",
        "description": "",
        "messages": [
            f"do number {number}",
            {
                "role": "assistant",
                "type": "message",
                "data": {"type": "output_text", "text": f"did {number}"},
            },
        ],
        "status": "DONE",
        "branch": "main",
        "sessionId": "",
        "isArchived": False,
        "hasChanges": False,
        "createdAt": "2025-06-09T10:00:00.123Z",
        "updatedAt": "2025-06-10T11:00:00.456Z",
    } | fields
