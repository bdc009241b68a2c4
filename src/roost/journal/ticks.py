"""Ticks, and the windows between them."""

from collections.abc import Iterable

from roost.journal.connection import Connection
from roost.journal.entry import ENTRY_COLUMNS, Entry, Layout, entries_of

BEGINNING = 0
"""The tick before the first: nothing is visible in it."""


async def make_tick(connection: Connection) -> int:
    """Make a tick if anything was committed since the last; give the newest one's id.

    A transaction of its own, so that its lock is gone before anybody reads the window. Raises
    RuntimeError within a transaction.
    """
    if connection.is_in_transaction():
        msg = "a tick must be made outside of any transaction: commit first"
        raise RuntimeError(msg)
    return int(await connection.fetchval("select journal.make_tick()"))


async def latest_tick(connection: Connection) -> int:
    """Give the newest tick's id, BEGINNING when there is none yet."""
    newest = "select id from journal.tick order by id desc limit 1"
    return int(await connection.fetchval(newest) or BEGINNING)


async def oldest_tick(connection: Connection) -> int:
    """Give the oldest tick since which every change is kept; BEGINNING when nothing was dropped.

    Whoever is at an older one has missed changes.
    """
    oldest = "select tick from journal.horizon"
    return int(await connection.fetchval(oldest) or BEGINNING)


async def window(
    connection: Connection, after: int, until: int, *, layouts: dict[int, Layout] | None = None
) -> list[Entry]:
    """Read what happened in all workspaces between two ticks, in the order of seq.

    Each row's changes are in their order, with the exception that `roost.journal.net` repairs.
    `layouts` is a cache that may be kept. Raises asyncpg's NoDataFoundError for a tick that is not
    known, or older than what is kept.
    """
    rows = await connection.fetch(
        f"select {ENTRY_COLUMNS} from journal.window($1, $2)",  # noqa: S608 -- constants
        after,
        until,
    )
    return await entries_of(connection, rows, layouts)


def by_transaction(entries: Iterable[Entry]) -> list[list[Entry]]:
    """Group a window, in the order of seq, by transaction: ordered by their last seq.

    Who waits for another's row lock writes again after it, so this order keeps every dependency.
    """
    transactions: dict[int, list[Entry]] = {}
    for entry in entries:
        transactions.setdefault(entry.xid, []).append(entry)
    return sorted(transactions.values(), key=lambda transaction: transaction[-1].seq)
