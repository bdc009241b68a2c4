"""Taking back what a migration wrote, from its own records."""

from functools import partial
from typing import Any, Final

import msgspec

from roost.db.pool import Transaction
from roost.migration import plan, writes
from roost.migration.failure import Failure
from roost.migration.ledger import Ledger
from roost.migration.model import State, Verdict

_WORKED_ON: Final = ("task", "environment")
"""Tables whose rows people change: those rows stay."""


async def give_up(ledger: Ledger, failure: Failure, done: int) -> None:
    """Fail, and take back the first `done` items' rows, which are all that was written."""
    await ledger.write(partial(_turn_back, ledger, failure, done))
    await take_back(ledger, failure)


async def _turn_back(ledger: Ledger, failure: Failure, done: int, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    ledger.done = done
    await ledger.move(transaction, State.VERIFYING, failure=failure)


async def take_back(ledger: Ledger, failure: Failure) -> None:
    """Undo what was written, last batch first, from where `ledger.done` stands."""
    while ledger.done:
        start = max(0, ledger.done - ledger.config.batch_size)
        step = partial(_take_back_batch, ledger, failure, start, ledger.done)
        failure = await ledger.write(step)
    await ledger.write(partial(end_failed, ledger, failure))


async def _take_back_batch(
    ledger: Ledger, failure: Failure, start: int, stop: int, transaction: Transaction
) -> Failure:
    """Undo a batch; gives the failure with what stays because somebody has worked on it."""
    await ledger.hold(transaction, stop)
    rows = await transaction.rows(writes.PLANNED, **ledger.this, start=start, stop=stop)
    created: dict[str, list[str]] = {}
    for row in rows:
        if row["verdict"] == Verdict.CREATE:
            created.setdefault(plan.kind_table(row["kind"]), []).append(str(row["target_id"]))
    remaining: list[dict[str, Any]] = []
    for table in reversed(plan.ORDER):
        if table in created:
            target = ledger.targets[table]
            await target.take_back(transaction, ledger.place, created[table])
            if table in _WORKED_ON:
                left = await target.found(transaction, ledger.place, created[table])
                remaining += [{"kind": table, "targetId": each} for each in sorted(left)]
    overwritten = await transaction.rows(writes.CONFLICTS, **ledger.this, start=start, stop=stop)
    for row in overwritten:
        conflict = msgspec.json.decode(row["conflict"])
        before = conflict["existing"]
        if conflict["version"] is not None:
            # Whoever has changed the row since keeps what they made of it.
            before["expected"] = conflict["version"] + 1
        target = ledger.targets[plan.kind_table(row["kind"])]
        await target.restore(transaction, ledger.place, str(row["target_id"]), before)
    if not remaining:
        await ledger.advance(transaction, start)
        return failure
    failure = msgspec.structs.replace(failure, remaining=[*failure.remaining, *remaining])
    ledger.done = start
    await ledger.move(transaction, State.VERIFYING, failure=failure)
    return failure


async def end_failed(ledger: Ledger, failure: Failure, transaction: Transaction) -> None:
    """End a migration of which nothing is left but the dump and its verdicts."""
    await ledger.hold(transaction)
    counts = await ledger.counts(transaction)
    await ledger.move(transaction, State.FAILED, counts=counts, failure=failure, ended=True)
