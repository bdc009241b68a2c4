"""Whether PostgreSQL counts statements; if it does not, why, and what to do about it."""

from typing import Any, Final, Literal, NamedTuple

import asyncpg

from roost.db.pool import Database
from roost.db.statements import Statement
from roost.db.tenancy import Context

PROBE: Final = (
    "select current_setting('pg_stat_statements.track', true) as track from pg_stat_statements_info"
)
"""Raises one of `REFUSALS` where nothing is counted; to ask it costs the same on any server."""
REFUSALS: Final = (
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InsufficientPrivilegeError,
)
_PROBE: Final = Statement("select performance.counting", PROBE, (), {})


class Obstacle(NamedTuple):
    """Why nothing is counted, and what to do. `unloaded` and `off` are not meant to be so."""

    kind: Literal["absent", "unloaded", "forbidden", "off"]
    reason: str
    fix: str

    def __str__(self) -> str:
        """Say both in a sentence."""
        return f"{self.reason}. {self.fix}"


ABSENT: Final = Obstacle(
    "absent",
    "pg_stat_statements is not there, or is older than 1.9",
    "Add it to shared_preload_libraries, start the server again, and run `create extension "
    "pg_stat_statements;`, or `alter extension pg_stat_statements update;` where it is older.",
)
UNLOADED: Final = Obstacle(
    "unloaded",
    "pg_stat_statements was created, and not loaded when the server started: nothing is counted",
    "Add it to shared_preload_libraries, and start the server again.",
)
FORBIDDEN: Final = Obstacle(
    "forbidden",
    "The role that the doctor asks with may not read pg_stat_statements",
    "Run `grant select on pg_stat_statements, pg_stat_statements_info to` that role.",
)
OFF: Final = Obstacle(
    "off",
    "pg_stat_statements.track is none: nothing is counted",
    "Run `alter system set pg_stat_statements.track = top; select pg_reload_conf();`.",
)


def obstacle_of(error: asyncpg.PostgresError) -> Obstacle:
    """Say what one of `REFUSALS` means."""
    if isinstance(error, asyncpg.ObjectNotInPrerequisiteStateError):
        return UNLOADED
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return FORBIDDEN
    return ABSENT


def obstacle_in(row: Any) -> Obstacle | None:  # noqa: ANN401 -- a record, or what JSON made of it
    """Say what the answer to `PROBE` means; None when statements are counted."""
    return OFF if row["track"] == "none" else None


async def obstacle(database: Database) -> Obstacle | None:
    """Say what keeps these connections from reading counts; None when nothing does."""
    try:
        row = await database.read(_PROBE, Context())
    except REFUSALS as error:
        return obstacle_of(error)
    return obstacle_in(row)
