"""A migration's own row: locked, moved on and counted in the transaction of each step."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from roost.db.faults import ContentionError, UnavailableError
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.migration import writes
from roost.migration.content import encode
from roost.migration.failure import Failure
from roost.migration.model import Config, Counts, Item, KeyReport, Progress, State, Verdict
from roost.migration.plan import OVERWRITE, Targets
from roost.migration.targets.target import Place

T = TypeVar("T")
OnProgress = Callable[[Progress], None]


class SupersededError(Exception):
    """Somebody else moved this migration on; this run has to stop."""


class Ledger:
    """What is known of a running migration, and the way to write it down.

    `state` and `done` are what was last committed by this process.
    """

    def __init__(
        self,
        database: Database,
        place: Place,
        migration_id: UUID,
        announce: Callable[[], None],
        on_progress: OnProgress | None = None,
    ) -> None:
        self.database = database
        self.place = place
        self.this: dict[str, Any] = {
            "workspace": place.workspace_id,
            "migration": migration_id,
        }
        self.context = Context(place.workspace_id, place.user_id, cause=str(migration_id))
        self.targets = Targets()
        self.config = Config()
        self.items: list[Item] = []
        self.keys: list[KeyReport] = []
        self.state = State.RECEIVED
        self.done = 0
        self._announce = announce
        self._on_progress = on_progress
        self._pending = State.RECEIVED
        self._began = time.monotonic()
        self._began_at = 0

    async def load(self, transaction: Transaction) -> Any:  # noqa: ANN401 -- a record
        """Lock the migration's row and give it."""
        row = await transaction.row(writes.LOCK, **self.this, user=self.place.user_id)
        if row is None:
            message = "the migration is gone"
            raise SupersededError(message)
        return row

    def batches(self, start: int) -> list[tuple[int, list[Item]]]:
        """The items from `start` on, a batch at a time, each with its first position."""
        size = self.config.batch_size
        stops = range(start, len(self.items), size)
        return [(at, self.items[at : at + size]) for at in stops]

    async def counts(self, transaction: Transaction, *, applied: bool = False) -> Counts:
        """Count the verdicts; with `applied`, what was written too."""
        counts = Counts()
        for row in await transaction.rows(writes.COUNTS, **self.this):
            verdict, number = Verdict(row["verdict"]), row["number"]
            counts.found += number
            setattr(counts, verdict.value, getattr(counts, verdict.value) + number)
            if applied and row["resolution"] == OVERWRITE:
                counts.updated += number
        counts.created = counts.create if applied else 0
        return counts

    async def hold(self, transaction: Transaction, expected: int | None = None) -> None:
        """Lock the migration; SupersededError when it is not where this run left it."""
        row = await self.load(transaction)
        done = msgspec.json.decode(row["progress"], type=Progress).done
        if row["state"] != self.state or (expected is not None and done != expected):
            message = f"the migration is {row['state']} at {done}: another process took it over"
            raise SupersededError(message)

    async def advance(self, transaction: Transaction, done: int) -> None:
        """Say that so many items are done, in this transaction."""
        self.done = done
        await self._put(transaction, self.state)

    async def move(
        self,
        transaction: Transaction,
        state: State,
        *,
        counts: Counts | None = None,
        failure: Failure | None = None,
        ended: bool = False,
    ) -> None:
        """Go on to `state` when this transaction is committed."""
        await self._put(
            transaction,
            state,
            counts=encode(counts).decode() if counts else None,
            error=encode(failure).decode() if failure else None,
            finished_at=datetime.now(UTC) if ended else None,
        )
        self._pending = state

    async def _put(
        self,
        transaction: Transaction,
        state: State,
        *,
        counts: str | None = None,
        error: str | None = None,
        finished_at: datetime | None = None,
    ) -> None:
        await transaction.row(
            writes.ADVANCE,
            **self.this,
            state=state.value,
            progress=encode(self.progress(state)).decode(),
            counts=counts,
            error=error,
            finished_at=finished_at,
        )

    def progress(self, state: State) -> Progress:
        """How far the phase is, and how long it may take."""
        total, done = len(self.items), self.done
        seconds = time.monotonic() - self._began
        worked = done - self._began_at
        rate = worked / seconds if seconds > 0 and worked > 0 else None
        return Progress(
            phase=state,
            done=done,
            total=total,
            items_per_second=round(rate, 1) if rate else None,
            eta_seconds=round((total - done) / rate, 1) if rate else None,
            current_key=self.items[min(done, total - 1)].key if total else None,
        )

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run a step in a transaction; again, as often as the configuration says, when lost."""
        state, done = self.state, self.done
        for attempt in range(self.config.retry_attempts + 1):
            self._pending = state
            try:
                result = await self.database.write(self.context, work)
            except (UnavailableError, ContentionError):
                self.state, self.done = state, done
                if attempt == self.config.retry_attempts:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.5) * 0.1 * 2**attempt)  # noqa: S311
            except BaseException:
                self.state, self.done = state, done
                raise
            else:
                break
        if self._pending is not state:
            self.state = self._pending
            self._began, self._began_at = time.monotonic(), self.done
        self._announce()
        if self._on_progress is not None:
            self._on_progress(self.progress(self.state))
        return result
