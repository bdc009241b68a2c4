"""One migration on its way through its states, from the dump to the end.

Every step is a transaction of its own that moves the progress on, so a run that was killed goes
on at the last committed batch. Ids come out of the dump, so doing a step again changes nothing.
"""

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from roost.db.statements import Statement
from roost.migration import queries
from roost.migration.applying import apply
from roost.migration.dump import stored
from roost.migration.failure import Failure
from roost.migration.late import apply_late
from roost.migration.ledger import Ledger, check_wanted
from roost.migration.model import Config, Counts, Progress, State
from roost.migration.occupied import known
from roost.migration.planning import make_plan
from roost.migration.retreat import end_failed, give_up, take_back
from roost.migration.sources import Dump, read_dump
from roost.migration.stream import Reading
from roost.migration.verify import verify


async def carry_out(ledger: Ledger) -> None:
    """Go as far as the configuration lets it, or to the end when its plan was approved."""
    row = await ledger.write(ledger.load)
    ledger.config = msgspec.json.decode(row["config"], type=Config)
    ledger.state = State(row["state"])
    ledger.done = msgspec.json.decode(row["progress"], type=Progress).done
    ledger.total = msgspec.json.decode(row["counts"], type=Counts).found
    check_wanted(row)
    if ledger.state is State.VERIFYING and row["error"] is not None:
        await take_back(ledger, msgspec.json.decode(row["error"], type=Failure))
        return
    await _open(ledger, row["created_at"])
    if ledger.state is State.RECEIVED:
        ledger.done = 0
        await make_plan(ledger, stop=row["approved_at"] is None)
    if ledger.state is State.APPLYING and not await apply_late(ledger):
        await apply(ledger)
    if ledger.state is State.VERIFYING:
        await verify(ledger)


async def _open(ledger: Ledger, imported_at: datetime) -> None:
    """Open the dump as it was stored, and find out which of its ids are not free."""
    dump = await _stored(ledger)
    ledger.reading = Reading(dump, ledger.place.user_id, imported_at, ledger.targets)
    ledger.reading.known, elements = await known(ledger, dump)
    ledger.total = ledger.total or elements


async def _stored(ledger: Ledger) -> Dump:
    async def read(statement: Statement, **values: object) -> Any:  # noqa: ANN401 -- a record
        return await ledger.database.read(statement, ledger.context, **values)

    row = await read(queries.DUMP, migration=ledger.this["migration"])
    raw = await stored(read, row, ledger.place.box)
    return await asyncio.to_thread(
        partial(read_dump, raw, origin=row["origin"], now=datetime.now(UTC))
    )


async def abandon(ledger: Ledger, failure: Failure) -> None:
    """End it wherever it is, with what it wrote taken back."""
    ledger.gives_up = True
    if ledger.state is State.APPLYING:
        await give_up(ledger, failure, ledger.done)
    elif ledger.state is State.VERIFYING:
        await give_up(ledger, failure, ledger.total)
    else:
        await ledger.write(lambda transaction: end_failed(ledger, failure, transaction))
