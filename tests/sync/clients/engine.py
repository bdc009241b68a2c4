"""`roost sync serve` over a database that the test writes."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import asyncpg

from tests.migration.browser.home import in_a_thread
from tests.support.server import Server, serving


class Engine:
    """The server, which can be killed and come back where it was."""

    def __init__(self, database: str, options: tuple[str, ...]) -> None:
        self.database = database
        self._options = options
        self._stack = ExitStack()
        self._server: Server
        self._port = "0"
        self._tables = 0

    @classmethod
    @contextmanager
    def over(cls, database: str, *options: str) -> Iterator["Engine"]:
        """Serve until the end of the block."""
        engine = cls(database, options)
        engine.start()
        with engine._stack:
            yield engine

    def start(self) -> None:
        """Serve, at the port that it was at before."""
        options = ["--database-url", self.database, "--port", self._port, *self._options]
        self._server = self._stack.enter_context(serving(*options, command=("sync", "serve")))
        self._port = self._server.url.rpartition(":")[2]

    def kill(self) -> None:
        """End it at once."""
        self._server.kill()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def shapes(self) -> str:
        """The address of its shapes."""
        return f"{self.url}/v1/shape"

    def table(self, columns: str) -> str:
        """Make a table; gives its name, which no other has."""
        self._tables += 1
        name = f"made_{self._tables}"
        self.run(f"create table {name} ({columns})")
        return name

    def run(self, *statements: str) -> Any:
        """Run statements, each in a transaction of its own; gives the last one's value."""
        return in_a_thread(_run(self.database, statements))


async def _run(database: str, statements: tuple[str, ...]) -> Any:
    connection = await asyncpg.connect(database)
    try:
        value = None
        for statement in statements:
            value = await connection.fetchval(statement)
        return value
    finally:
        await asyncio.wait_for(connection.close(), 10)
