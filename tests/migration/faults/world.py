"""A server of a test's own that may die and comes back, and a person who sends things again."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from roost.db.embedded import Endpoint
from roost.db.embedded.locations import PORT, Layout
from roost.migration.model import RUNNING
from tests.migration.bench import DATA
from tests.support.server import API, Server, serving, wait_until

LATER = frozenset({429, 502, 503, 504, 507})
"""Statuses after which a client comes again."""
_WRITTEN = ["version", "search", "ciphertext"]
_TIMES = ["created_at", "updated_at"]
# Tasks and messages bring their times along; a secret that comes back is another row.
_NEW_EACH_TIME = {
    table: _WRITTEN
    + (_TIMES if table not in {"tasks", "messages"} else [])
    + (["id"] if "secrets" in table else [])
    for table in DATA
}
LOOK = " union all ".join(
    f"select '{table}', (to_jsonb(t) - array{columns})::text from {table} t"
    for table, columns in _NEW_EACH_TIME.items()
)
LOOK += " union all select 'users', preferences::text from users"
_STANDING = "select state, progress from migrations order by created_at desc limit 1"


@dataclass
class World:
    """A `roost serve` on an embedded PostgreSQL, its owner's token, and what they see."""

    data_dir: Path
    options: tuple[str, ...] = ()
    token: str = ""
    started: ExitStack = field(default_factory=ExitStack)
    server: Server = field(init=False)

    def start(self) -> None:
        """Start the server, again where it has died."""
        self.started.close()
        context = serving("--data-dir", self.data_dir, *self.options)
        self.server = self.started.enter_context(context)
        self.token = self.token or self.server.token()

    def sql(self, statement: str, *values: object) -> list[Any]:
        """Ask the database past the server."""
        endpoint = Endpoint(Layout(self.data_dir).socket_dir, PORT, 0)

        async def fetch() -> list[Any]:
            connection = await asyncpg.connect(endpoint.url(database="roost"), timeout=10)
            try:
                rows: list[Any] = await connection.fetch(statement, *values)
                return rows
            finally:
                await connection.close(timeout=10)

        return asyncio.run(fetch())

    def rows(self) -> list[tuple[str, str]]:
        """Every row of people's data, without what is new each time it is written."""
        return sorted((table, row) for table, row in self.sql(LOOK))

    def standing(self) -> tuple[str, float]:
        """The newest migration's state, and how much of that phase is done, 0 to 1."""
        with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            for state, progress in self.sql(_STANDING):
                known = json.loads(progress)
                return state, known["done"] / max(known["total"], 1)
        return "", 0.0

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask until there is an answer that is not "later"; a dead server is started again."""

        def answer() -> httpx.Response | None:
            if self.server.process.poll() is not None:
                self.start()
            with suppress(httpx.TransportError), self.server.client(self.token) as client:
                given = client.request(method, f"{API}{path}", **options)
                assert given.status_code != 500, given.text
                busy = given.status_code == 409 and "IN_PROGRESS" in given.text
                if not busy and given.status_code not in LATER:
                    return given
            return None

        found: httpx.Response = wait_until(answer, f"an answer to {method} {path}", 120)
        return found

    def get(self, path: str) -> Any:
        """Read a route that has to answer."""
        answer = self.ask("GET", path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def post(self, path: str, body: object, key: str, *, waits: bool = False) -> dict[str, Any]:
        """Send it once, however often it has to be sent; gives the migration."""
        headers = {"idempotency-key": key} | ({} if waits else {"prefer": "respond-async"})
        answer = self.ask("POST", path, json=body, headers=headers)
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()["data"]
        return document

    def settled(self, migration: dict[str, Any]) -> dict[str, Any]:
        """Wait until the migration waits or has ended."""

        def ended() -> dict[str, Any] | None:
            now: dict[str, Any] = self.get(f"/migration/{migration['id']}")
            return None if now["state"] in RUNNING else now

        found: dict[str, Any] = wait_until(ended, "the migration has settled", 120)
        return found


@contextmanager
def living(data_dir: Path, *options: str) -> Iterator[World]:
    """Have a world for the length of a block."""
    world = World(data_dir, options)
    with world.started:
        world.start()
        yield world
