"""One migration on its way through its states, from the dump to the end.

Every step is a transaction of its own that moves the progress on, so a run that was killed goes
on at the last committed batch. Ids come out of the dump, so doing a step again changes nothing.
"""

import asyncio
from datetime import datetime
from functools import partial

import msgspec

from roost.migration import plan, queries
from roost.migration.applying import apply
from roost.migration.context import Instead
from roost.migration.dump import open_stored
from roost.migration.failure import Failure, internal_error
from roost.migration.ledger import Ledger
from roost.migration.model import Config, Progress, State
from roost.migration.occupied import occupied
from roost.migration.parse import Parsed, parse
from roost.migration.planning import make_plan
from roost.migration.retreat import end_failed, give_up, take_back
from roost.migration.verify import verify


async def carry_out(ledger: Ledger, *, proceed: bool = False) -> None:
    """Go as far as the configuration lets it; `proceed` says that a plan was approved."""
    row = await ledger.write(ledger.load)
    ledger.config = msgspec.json.decode(row["config"], type=Config)
    ledger.state = State(row["state"])
    ledger.done = msgspec.json.decode(row["progress"], type=Progress).done
    await _parse(ledger, row["created_at"])
    if ledger.state is State.VERIFYING and row["error"] is not None:
        await take_back(ledger, msgspec.json.decode(row["error"], type=Failure))
        return
    if ledger.state in (State.RECEIVED, State.PLANNED):
        ledger.done = 0
        await make_plan(ledger, stop=not proceed)
    if ledger.state is State.APPLYING:
        await apply(ledger)
    if ledger.state is State.VERIFYING:
        await verify(ledger)


async def _parse(ledger: Ledger, imported_at: datetime) -> None:
    """Read the dump as it was stored; in a thread, for it may be large."""
    row = await ledger.database.read(
        queries.DUMP, ledger.context, migration=ledger.this["migration"]
    )
    dump = await open_stored(row, ledger.place.box)
    owner = ledger.place.user_id

    def read(instead: Instead | None = None) -> Parsed:
        parsed = parse(dump.keys, owner, imported_at, instead=instead)
        plan.prepare(parsed.items, owner, ledger.targets)
        return parsed

    parsed = await asyncio.to_thread(read)
    instead = await ledger.write(partial(occupied, ledger, parsed.items))
    if any(instead.values()):
        parsed = await asyncio.to_thread(read, instead)
    ledger.items, ledger.keys = parsed.items, parsed.keys


async def abandon(ledger: Ledger) -> None:
    """End it after a fault of Roost's own, with what it wrote taken back."""
    failure = internal_error()
    if ledger.state is State.APPLYING:
        await give_up(ledger, failure, ledger.done)
    elif ledger.state is State.VERIFYING:
        await give_up(ledger, failure, len(ledger.items))
    else:
        await ledger.write(lambda transaction: end_failed(ledger, failure, transaction))
