"""Connections for readers of one tenant, under the settings in which images are written."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg

from roost.db.pool import Database
from roost.db.tenancy import USER, WORKSPACE
from roost.journal.record import CANONICAL_SETTINGS
from roost.sync import intervals

_BOUND: Final = (WORKSPACE, USER, "statement_timeout")
_FIXED: Final = {**CANONICAL_SETTINGS, "jit": "off"}
_SHOWN: Final = {**_FIXED, "IntervalStyle": intervals.STYLE}


def _set(fixed: Mapping[str, str]) -> str:
    settings = [
        *(f"set_config('{name}', ${place}, true)" for place, name in enumerate(_BOUND, 1)),
        *(f"set_config('{name}', '{value}', true)" for name, value in fixed.items()),
    ]
    return "select " + ", ".join(settings)


_SET: Final = _set(_FIXED)
_SET_SHOWN: Final = _set(_SHOWN)

FAILED: Final = (
    asyncpg.DataError,
    asyncpg.QueryCanceledError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.ProgramLimitExceededError,
    asyncpg.OutOfMemoryError,
    asyncpg.InternalServerError,
)
"""What PostgreSQL says when a condition that it took cannot be worked out for some row."""


class Source:
    """Where shapes are read; `timeout` is what one statement may take, in seconds.

    `max_cost` is what a client's condition may cost, in the planner's units; 0 for anything.
    """

    def __init__(self, database: Database, timeout: float = 30.0, max_cost: float = 0.0) -> None:
        self.database = database
        self.timeout = timeout
        self.max_cost = max_cost
        self.turns = asyncio.Semaphore(max(database.config.max_connections // 2, 1))
        """Of those who keep a connection while they wait for another, to write what they read."""

    @asynccontextmanager
    async def reading(
        self,
        workspace_id: UUID | None,
        user_id: UUID | None = None,
        *,
        lock: str | None = None,
        repeatable: bool = False,
        shown: bool = False,
    ) -> AsyncIterator[Any]:
        """A read-only transaction of a tenant, or of nobody in particular.

        What is read to be `shown` is text as clients are given it, and not as images have it. So
        are conditions looked at: they must not find another text in a change than in a first row.
        `lock` names tables, quoted, whose definitions stay as they are meanwhile: the lock is had
        before the snapshot is taken.
        """
        async with self.database.connection() as connection:
            isolation = "repeatable_read" if repeatable else "read_committed"
            async with connection.transaction(isolation=isolation, readonly=True):
                if lock is not None:
                    await connection.execute(f"lock table {lock} in access share mode")
                await connection.fetchrow(
                    _SET_SHOWN if shown else _SET,
                    str(workspace_id or ""),
                    str(user_id or ""),
                    f"{round(self.timeout * 1000)}ms",
                )
                yield connection
