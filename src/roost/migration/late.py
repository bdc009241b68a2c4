"""Conflicts that arose while a plan was being carried out, once somebody has answered them.

All the rest is written and verified by then, and may have been worked on: it is left alone. Each
of these is planned, written and read back by itself; `late` in its record says that it is not
done yet.
"""

from contextlib import aclosing
from functools import partial
from typing import Any

from roost.db.pool import Transaction
from roost.migration import asking
from roost.migration.applying import REFUSED, RefusedError, finish, persist, refused_batch
from roost.migration.content import content_of
from roost.migration.failure import unverified_items
from roost.migration.ledger import Ledger
from roost.migration.retreat import give_up
from roost.migration.stream import Batch
from roost.migration.verify import wrong_in
from roost.migration.writing import plan_and_write


async def apply_late(ledger: Ledger) -> bool:
    """Carry such answers out; whether it was that what the migration was at."""
    late = await ledger.write(partial(_late, ledger))
    if not late:
        return False
    try:
        async with aclosing(ledger.batches(make=content_of)) as batches:
            async for batch in batches:
                for position, item in enumerate(batch.items, batch.start):
                    if position in late:
                        is_last = len(late) == 1
                        await _apply_one(ledger, Batch(position, [item]), is_last=is_last)
                        late.remove(position)
    except RefusedError as refused:
        await give_up(ledger, refused.failure, ledger.total)
    return True


async def _late(ledger: Ledger, transaction: Transaction) -> set[int]:
    await ledger.hold(transaction)
    return {row["position"] for row in await transaction.rows(asking.LATE, **ledger.this)}


async def _apply_one(ledger: Ledger, one: Batch, *, is_last: bool) -> None:
    try:
        await persist(ledger, one, partial(_apply, ledger, one, is_last=is_last))
    except REFUSED as error:
        one = refused_batch(ledger, one, error)
        await ledger.write(partial(_apply, ledger, one, is_last=is_last))


async def _apply(ledger: Ledger, one: Batch, transaction: Transaction, *, is_last: bool) -> None:
    await ledger.hold(transaction)
    await plan_and_write(ledger, one, transaction)
    if ledger.config.validate_after_migration:
        wrong: list[dict[str, Any]] = await wrong_in(ledger, one, transaction)
        if wrong:
            raise RefusedError(unverified_items(wrong))
    if is_last:
        await finish(ledger, await ledger.counts(transaction, applied=True), transaction)
    else:
        await ledger.advance(transaction, ledger.total, one.items[0].key)
