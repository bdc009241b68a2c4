"""A connection through PgBouncer in transaction mode.

asyncpg sends parse and execute as two messages. Without prepared statements on the server, which
PgBouncer can't keep for us, only a transaction makes sure that both reach the same server.
"""

from typing import Any


class PooledConnection:
    """asyncpg's connection, with a transaction around each statement that is in none."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 -- asyncpg's proxies share no typed base
        """Wrap it."""
        self._connection = connection

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 -- whatever the connection has
        """Give the connection's own."""
        return getattr(self._connection, name)

    async def fetch(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give every row."""
        return await self._run("fetch", *arguments, **options)

    async def fetchrow(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give the first row."""
        return await self._run("fetchrow", *arguments, **options)

    async def fetchval(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give the first row's first column."""
        return await self._run("fetchval", *arguments, **options)

    async def execute(self, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give its status."""
        return await self._run("execute", *arguments, **options)

    async def _run(self, method: str, *arguments: Any, **options: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        run = getattr(self._connection, method)
        if self._connection.is_in_transaction():
            return await run(*arguments, **options)
        async with self._connection.transaction():
            return await run(*arguments, **options)
