"""Work that one worker does at a time, of however many there are on however many machines."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from roost.db.pool import Database, Transaction
from roost.db.statements import Statement
from roost.db.tenancy import Context

T = TypeVar("T")

# Whoever has the row's lock is at it; who comes then does not wait.
_TAKE = Statement(
    "update performance.duty",
    """
    update performance.duty d set at = clock_timestamp()
    from (select name from performance.duty
          where name = $1 and at <= clock_timestamp() - make_interval(secs => $2)
          for update skip locked) mine
    where d.name = mine.name returning d.name
    """,
    ("duty", "period"),
    {},
)
_KNOW = Statement(
    "insert performance.duty",
    "insert into performance.duty (name) values ($1) on conflict do nothing",
    ("duty",),
    {},
)


class Duty:
    """Something to be done about every `period` seconds, by anybody."""

    def __init__(self, database: Database, name: str, period: float) -> None:
        """Do it on these connections."""
        self._database = database
        self._name = name
        self._period = period
        self._is_known = False

    async def turn(self, work: Callable[[Transaction], Awaitable[T]]) -> T | None:
        """Do it if it is due and nobody else is at it, in one transaction; else give None.

        What fails is undone, and due at once.
        """
        if not self._is_known:
            await self._database.change(_KNOW, Context(), duty=self._name)
            self._is_known = True

        async def take(transaction: Transaction) -> T | None:
            # A little early is in time: clocks and loops don't agree to the millisecond.
            mine = await transaction.row(_TAKE, duty=self._name, period=self._period * 0.9)
            return await work(transaction) if mine is not None else None

        return await self._database.write(Context(), take)
