"""What the journal asks of a connection: asyncpg's, from a pool or not."""

from collections.abc import Sequence
from typing import Any, Final, Protocol

import asyncpg


class Connection(Protocol):
    """An asyncpg connection."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give every row."""

    async def fetchval(self, query: str, *args: Any) -> Any:  # noqa: ANN401 -- as asyncpg
        """Run a statement and give the first row's first column."""

    def is_in_transaction(self) -> bool:
        """Whether the caller has a transaction open on it."""


LOST: Final[tuple[type[Exception], ...]] = (
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What it raises when the database is lost, or does not do what is asked for the moment."""
