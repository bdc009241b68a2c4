"""Giving up: what a migration has written is taken back, and it ends as failed, or cancelled."""

from functools import partial

import msgspec

from roost.db.pool import Transaction
from roost.migration.failure import CANCELLED, Failure
from roost.migration.ledger import Ledger
from roost.migration.model import State
from roost.migration.reversal.migrations import Reversal


async def give_up(ledger: Ledger, failure: Failure, done: int) -> None:
    """Fail, and take back the first `done` items' rows, which are all that was written."""
    ledger.gives_up = True
    await ledger.write(partial(_turn_back, ledger, failure, done))
    await take_back(ledger, failure)


async def _turn_back(ledger: Ledger, failure: Failure, done: int, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    ledger.done = done
    await ledger.move(transaction, State.VERIFYING, failure=failure)


async def take_back(ledger: Ledger, failure: Failure) -> None:
    """Undo what was written, all at once; what somebody has worked on since stays, and is named."""
    ledger.gives_up = True
    await ledger.write(partial(_take_back, ledger, failure))


async def _take_back(ledger: Ledger, failure: Failure, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    row = await ledger.load(transaction)
    way = Reversal(transaction, ledger.place, row["created_at"])
    outcome = await way.take_back(ledger.done)
    remaining = [{"kind": each.kind, "targetId": each.target_id} for each in outcome.kept]
    await end_failed(ledger, msgspec.structs.replace(failure, remaining=remaining), transaction)


async def end_failed(ledger: Ledger, failure: Failure, transaction: Transaction) -> None:
    """End a migration of which nothing is left but the dump and its verdicts."""
    await ledger.hold(transaction)
    ledger.done = 0
    counts = await ledger.counts(transaction)
    state = State.CANCELLED if failure.code == CANCELLED else State.FAILED
    await ledger.move(transaction, state, counts=counts, failure=failure, ended=True)
