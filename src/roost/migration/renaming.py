"""Ids that somebody else's row has got since the plan was made: what is left gets others."""

from contextlib import aclosing
from functools import partial

import msgspec

from roost.db.pool import Transaction
from roost.migration.backup import back_up_between
from roost.migration.content import content_of
from roost.migration.context import Instead
from roost.migration.ledger import Ledger
from roost.migration.occupied import has_foreign, occupied
from roost.migration.planning import decide_batch
from roost.migration.stream import Batch


class TakenError(Exception):
    """Another user's row has an id that was free when the plan was made."""

    def __init__(self, instead: Instead) -> None:
        super().__init__()
        self.instead = instead


async def see_if_taken(ledger: Ledger, batch: Batch) -> None:
    """Raise TakenError when a batch clashes with rows of others, and other ids would help."""
    if not await ledger.write(partial(has_foreign, ledger, batch.items)):
        return
    instead, _ = await occupied(ledger, ledger.reading.dump, anew=True)
    if instead != ledger.reading.known.instead:
        raise TakenError(instead)


async def plan_the_rest(ledger: Ledger, instead: Instead) -> None:
    """Plan what is not written yet with other ids.

    All of it at once: what names a row must not be planned with another id than that row.
    """
    ledger.reading.known = msgspec.structs.replace(ledger.reading.known, instead=instead)
    await ledger.write(partial(_plan, ledger))


async def _plan(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction, ledger.done)
    async with aclosing(ledger.batches(ledger.done, content_of)) as batches:
        async for batch in batches:
            await decide_batch(ledger, batch, transaction)
            if ledger.config.backup_before_migration:
                await back_up_between(ledger, batch.start, batch.stop, transaction)
