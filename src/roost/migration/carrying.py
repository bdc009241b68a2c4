"""Migrations carried on: to their end, and again after the process that was at one has died."""

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

import asyncpg

from roost.db.faults import DatabaseError
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.migration import writes
from roost.migration.claim import claimed
from roost.migration.failure import cancelled, internal_error, too_slow
from roost.migration.ledger import SLOW, Ledger, SupersededError, UnwantedError
from roost.migration.run import abandon, carry_out

_log = logging.getLogger("roost.migration")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
"""Seconds between two tries to resume what could not go on."""

LATER: Final = (asyncpg.InsufficientResourcesError, asyncpg.PostgresIOError)
"""Errors of a database that can't now, and can when somebody has helped it: a full disk."""
MakeLedger = Callable[[UUID, UUID, UUID], Ledger]
"""A ledger for a workspace, a user and a migration."""


async def carry_on(ledger: Ledger) -> None:
    """Go as far as it goes."""
    try:
        await carry_out(ledger)
    except (DatabaseError, SupersededError, asyncio.CancelledError, *LATER):
        # The database was away or full, or another process went on: it is resumed where it stands.
        raise
    except UnwantedError:
        await abandon(ledger, cancelled())
    except SLOW:
        _log.warning("migration %s took the database too long", ledger.place.migration_id)
        await abandon(ledger, too_slow())
    except Exception:  # noqa: BLE001 -- whatever it is, no migration may be stuck in it
        _log.exception("migration %s failed", ledger.place.migration_id)
        await abandon(ledger, internal_error())


async def finish_earlier(
    database: Database, make: MakeLedger, workspace_id: UUID, user_id: UUID
) -> int:
    """Go on with the migration that a dead process left, if there is one; the claim is held."""

    async def work(transaction: Transaction) -> Any:  # noqa: ANN401 -- a record
        return await transaction.row(writes.RUNNING_ONE, workspace=workspace_id, user=user_id)

    row = await database.write(Context(workspace_id, user_id), work)
    if row is None:
        return 0
    _log.info("going on with migration %s", row["id"])
    await carry_on(make(workspace_id, user_id, row["id"]))
    return 1


async def keep_resuming(database: Database, make: MakeLedger) -> None:
    """Go on with what killed processes have left; what fails is tried again later."""
    pause = _FIRST_PAUSE
    while True:
        try:
            _, failed = await _resume_each(database, make)
        except Exception:  # noqa: BLE001 -- whatever it is, the rest must not stay behind
            _log.warning("what is left of migrations could not be read", exc_info=True)
            failed = 1
        if not failed:
            return
        await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 -- jitter
        pause = min(pause * 2, _LONGEST_PAUSE)


async def resume_all(database: Database, make: MakeLedger) -> int:
    """Go on with what killed processes have left, of every workspace; gives how many."""
    resumed, _ = await _resume_each(database, make)
    return resumed


async def _resume_each(database: Database, make: MakeLedger) -> tuple[int, int]:
    """Give how many went on, and how many could not: one that fails holds up no other."""
    async with database.connection() as connection:
        unfinished = await connection.fetch(writes.UNFINISHED)
    resumed = failed = 0
    for row in unfinished:
        place = row["workspace_id"], row["user_id"]
        try:
            async with claimed(database, *place) as mine:
                resumed += await finish_earlier(database, make, *place) if mine else 0
        except Exception:  # noqa: BLE001 -- whatever it is, the others go on
            _log.warning("migration %s could not go on yet", row["id"], exc_info=True)
            failed += 1
    return resumed, failed
