"""Making the plan: verdicts written down batch by batch; nothing of the user's is touched."""

from contextlib import aclosing
from functools import partial

import msgspec
from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.migration import asking, plan, writes
from roost.migration.backup import back_up
from roost.migration.content import digest_of, encode
from roost.migration.decision import store
from roost.migration.failure import invalid_item
from roost.migration.ledger import Ledger
from roost.migration.model import Resolution, State
from roost.migration.resolving import Choice
from roost.migration.stream import Batch


async def make_plan(ledger: Ledger, *, stop: bool) -> None:
    """Give every item its verdict; `stop` says that a plan may have to be looked at first.

    What somebody has chosen for conflicts of an earlier plan stays chosen.
    """
    await ledger.write(partial(_begin, ledger))
    async with aclosing(ledger.batches(make=digest_of)) as batches:
        async for batch in batches:
            await ledger.write(partial(_plan_batch, ledger, batch))
    if await ledger.write(partial(_planned, ledger, stop=stop)):
        if ledger.config.backup_before_migration:
            await back_up(ledger)
        await ledger.write(partial(_go, ledger))


async def _begin(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    await ledger.advance(transaction, 0)


async def _plan_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    await ledger.hold(transaction, batch.start)
    await decide_batch(ledger, batch, transaction)
    await ledger.advance(transaction, batch.stop, batch.items[-1].key)


async def decide_batch(ledger: Ledger, batch: Batch, transaction: Transaction) -> None:
    """Decide on a batch, anew if that was done before, and write the verdicts down."""
    place = {**ledger.this, "start": batch.start, "stop": batch.stop}
    chosen = await transaction.rows(asking.CHOICES, **place)
    choices: dict[int, Choice] = {}
    policy = plan.POLICIES.get(ledger.config.conflict_resolution)
    if policy is not None:
        choices = dict.fromkeys(range(batch.start, batch.stop), Choice(policy))
    for row in chosen:
        fields = msgspec.json.decode(row["fields"] or "{}")
        seen = None if row["version"] in (None, "null") else int(row["version"])
        choices[row["position"]] = Choice(
            Resolution(row["resolution"]), fields, is_answer=True, seen=seen
        )
    await transaction.row(writes.CLEAR_ITEMS, **place)
    numbered = list(enumerate(batch.items, batch.start))
    decisions = await plan.decide(transaction, ledger.place, ledger.targets, numbered, choices)
    await store(transaction, ledger.place, ledger.this["migration"], decisions)


async def _planned(ledger: Ledger, transaction: Transaction, *, stop: bool) -> bool:
    """Write down that the plan is made; whether it is to be carried out now."""
    await ledger.hold(transaction)
    await _store_keys(ledger, transaction)
    await transaction.row(writes.CLEAR_ITEMS, **ledger.this, start=ledger.done, stop=writes.EVERY)
    counts = await ledger.counts(transaction)
    ledger.total = counts.found
    config = ledger.config
    invalid = await transaction.row(writes.FIRST_INVALID, **ledger.this)
    if stop and (config.dry_run or config.review):
        await ledger.move(transaction, State.PLANNED, counts=counts, ended=config.dry_run)
    elif invalid is not None and not config.continue_on_error:
        failure = invalid_item(invalid)
        await ledger.move(transaction, State.FAILED, counts=counts, failure=failure, ended=True)
    elif counts.unresolved:
        await ledger.move(transaction, State.AWAITING_RESOLUTION, counts=counts)
    else:
        await ledger.move(transaction, ledger.state, counts=counts)
        return True
    return False


async def _go(ledger: Ledger, transaction: Transaction) -> None:
    await ledger.hold(transaction)
    ledger.done = 0
    await ledger.move(transaction, State.APPLYING)


async def _store_keys(ledger: Ledger, transaction: Transaction) -> None:
    rows = [
        {
            "id": str(uuid7()),
            "key": report.key,
            "kind": report.kind.value,
            "sha256": report.sha256,
            "size": report.bytes,
            "item_count": report.found,
            "note": report.note,
        }
        for report in ledger.reading.keys
    ]
    await transaction.row(writes.CLEAR_KEYS, **ledger.this)
    await transaction.row(writes.STORE_KEYS, **ledger.this, rows=encode(rows).decode())
