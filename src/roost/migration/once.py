"""A request answered once for each idempotency key, though a migration is many transactions.

The key is recorded in the one transaction that decides, so nothing can die between the two. What
is recorded there is replaced by the answer that was given, once it was given.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, NamedTuple
from uuid import UUID

from roost.db.faults import DatabaseError
from roost.db.pool import Transaction
from roost.migration import queries
from roost.web import idempotency
from roost.web.endpoint import API, Call
from roost.web.kit import Kit, context_of
from roost.web.reply import Reply, item

Seal = Callable[[Transaction, UUID], Awaitable[None]]
"""Ends the transaction that decides about a migration; what it raises undoes it."""


async def unsealed(_transaction: Transaction, _migration_id: UUID) -> None:
    """Seal nothing: the request may be made again."""


def _unheard(_migration_id: UUID) -> None:
    """Nobody wants to know."""


class Asked(NamedTuple):
    """Who asks: `begun` is told the migration's id when it is certain that it goes on."""

    begun: Callable[[UUID], None] = _unheard
    seal: Seal = unsealed


NOBODY: Final = Asked()
"""Nobody waits for an answer."""


class AnsweredError(Exception):
    """The request was made before, and `reply` was its answer; it must not be made again."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("this request has been answered")
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Once:
    """A request that is answered once. `print_` says what was asked for.

    `status` is that of the answer as long as the request itself has none: its answer was lost, or
    it goes on.
    """

    kit: Kit
    call: Call
    print_: bytes
    status: int

    async def answer(self, work: Callable[[Seal], Awaitable[Reply]]) -> Reply:
        """Give the answer that the key had, or do the work, which must seal its decision."""
        key = idempotency.read_key(self.call.header("idempotency-key"))
        if key is None:
            return await work(unsealed)
        context, principal = context_of(self.call), self.call.principal
        try:
            await self.kit.database.write(context, partial(self._look, key))
        except AnsweredError as answered:
            return answered.reply
        except _FreeError:
            pass
        try:
            reply = await work(partial(self._seal, key))
        except AnsweredError as answered:
            return answered.reply

        async def record(transaction: Transaction) -> None:
            await idempotency.record(transaction, principal, key, reply)

        # The key is sealed already, and the work done.
        with suppress(DatabaseError):
            await self.kit.database.write(context, record)
        return reply

    async def _look(self, key: str, transaction: Transaction) -> None:
        await self._claim(key, transaction)
        raise _FreeError

    async def _claim(self, key: str, transaction: Transaction) -> None:
        earlier = await idempotency.earlier_answer(
            transaction, self.call.principal, key, self.print_
        )
        if earlier is not None:
            raise AnsweredError(earlier)

    async def _seal(self, key: str, transaction: Transaction, migration_id: UUID) -> None:
        await self._claim(key, transaction)
        whose = context_of(self.call).values()
        row = await transaction.row(queries.ITEM, **whose, migration=migration_id)
        reply = item(row["body"] if row else "null", self.status)
        reply.header("location", f"{API}/migration/{migration_id}")
        await idempotency.record(transaction, self.call.principal, key, reply)


class _FreeError(Exception):
    """Nobody has used the key; its claim is undone with the transaction."""
