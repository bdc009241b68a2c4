"""What nobody needs any more: workspaces deleted long ago, log-ins that are over."""

import asyncio
import logging

import asyncpg
from sqlalchemy import Text, Uuid, bindparam, func, literal_column, select

from roost.db.faults import DatabaseError
from roost.db.pool import LOST, Database
from roost.db.statements import Statement, compiled

PERIOD = 3600.0
"""Seconds between two rounds."""
FIRST = 60.0
"""Seconds until the first: a server that has just started has better things to do."""
_PATIENCE = 3600.0
"""Seconds that a round's statement may take: a workspace can be large."""
_log = logging.getLogger("roost.identity")
# In a statement before: a limit that a statement sets comes too late for itself.
_SET_LIMIT = compiled(
    "select statement_timeout",
    select(
        func.set_config(
            literal_column("'statement_timeout'"),
            bindparam("milliseconds", type_=Text),
            literal_column("true"),
        )
    ),
)
_SWEEP = compiled("select sweep_expired", select(func.sweep_expired()))
_PURGEABLE = compiled(
    "select purgeable_workspaces",
    select(literal_column("workspace_id", Uuid)).select_from(func.purgeable_workspaces()),
)
_PURGE = compiled(
    "select purge_workspace",
    select(func.purge_workspace(bindparam("workspace", type_=Uuid))),
)


async def clean_up(database: Database) -> int:
    """Do one round; gives how many workspaces went for good. Several at once don't mind."""
    await _take_time(database, _SWEEP)
    async with database.connection() as connection:
        due = [row[0] for row in await connection.fetch(_PURGEABLE.sql)]
    gone = sum([await _take_time(database, _PURGE, workspace_id) for workspace_id in due])
    if gone:
        _log.info("%d workspaces were deleted for good", gone)
    return gone


async def _take_time(database: Database, statement: Statement, *arguments: object) -> int:
    """Run it in a transaction of its own, with more time than requests have."""
    async with database.connection() as connection, connection.transaction():
        await connection.fetchval(_SET_LIMIT.sql, str(round(_PATIENCE * 1000)))
        return int(await connection.fetchval(statement.sql, *arguments, timeout=_PATIENCE))


async def keep_clean(database: Database, *, period: float = PERIOD, first: float = FIRST) -> None:
    """Clean up every `period` seconds, after `first` the first time, until cancelled."""
    pause = first
    while True:
        await asyncio.sleep(pause)
        pause = period
        try:
            await clean_up(database)
        except (DatabaseError, asyncpg.PostgresError, *LOST, TimeoutError) as error:
            _log.warning("old workspaces and log-ins could not be removed: %s", error)
