"""Which life a database is in: another one where it was put back, from a dump or from its files."""

from typing import Final

import asyncpg

from roost.journal.connection import Connection

_LIFE: Final = """
select concat_ws('/', (select system_identifier from pg_control_system()),
    (select oid from pg_database where datname = current_database()),
    'journal.tick'::regclass::oid, left(pg_walfile_name(pg_current_wal_lsn()), 8))
"""
"""The cluster, the database, the table of ticks, and the timeline, which a recovery leaves."""


async def life_of(connection: Connection) -> str:
    """Tell one life from another; a restart, or a crash, goes on with the one there was.

    Empty where the role may not know.
    """
    try:
        return str(await connection.fetchval(_LIFE))
    except asyncpg.InsufficientPrivilegeError:
        return ""
