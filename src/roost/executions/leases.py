"""Leases: who holds a run, and what becomes of those that nobody renews."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from roost import errors
from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.db.statements import Statement
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.executions.tables import LIVE

PERIOD: Final = 1.0
"""Seconds between two looks for overdue leases."""
_log = logging.getLogger("roost.executions")
_EXPIRE: Final = Statement(
    "select executions.expire",
    "with cause as materialized (select set_config('roost.cause', $1, true)) "
    "select public.expire_executions() as expired from cause",
    ("cause",),
    {},
)


def require_lease(run: Any, user_id: object, *, anybody: bool = False) -> None:  # noqa: ANN401 -- a record
    """Raise unless the run is live, its lease too, and held by this user, or by `anybody`.

    EXECUTION_NOT_CLAIMED, EXECUTION_ENDED, LEASE_EXPIRED or NOT_THE_CLAIMANT.
    """
    if run["status"] == "queued":
        raise ProblemError(errors.EXECUTION_NOT_CLAIMED)
    if run["status"] not in LIVE:
        raise ProblemError(
            errors.EXECUTION_ENDED,
            f"the execution is {run['status']}",
            extra={"current": run["status"]},
        )
    if run["is_overdue"]:
        raise ProblemError(errors.LEASE_EXPIRED)
    if run["claimed_by"] != user_id and not anybody:
        raise ProblemError(errors.NOT_THE_CLAIMANT)


async def expire(database: Database) -> int:
    """Make the overdue runs of all workspaces stale, and their tasks wait; gives how many."""
    row = await database.change(_EXPIRE, Context(cause="lease expired"))
    return int(row["expired"]) if row else 0


async def keep_expiring(
    database: Database, announce: Callable[[], None], period: float = PERIOD
) -> None:
    """Look for overdue leases every `period` seconds, until cancelled; several at once don't mind.

    `announce` is called after each change.
    """
    while True:
        try:
            if await expire(database):
                announce()
        except (DatabaseError, asyncpg.PostgresError, *LOST, TimeoutError) as error:
            _log.warning("overdue leases could not be looked for: %s", error)
        await asyncio.sleep(period)
