"""A migration's own row: locked, moved on and counted in the transaction of each step."""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from roost.db.faults import ContentionError, OutcomeUnknownError, UnavailableError
from roost.db.pool import Database, Transaction
from roost.db.tenancy import Context
from roost.migration import writes
from roost.migration.content import encode
from roost.migration.failure import CANCELLING, Failure
from roost.migration.model import Config, Counts, Item, Progress, Resolution, State, Verdict
from roost.migration.stream import Batch, Reading
from roost.migration.targets.registry import Targets
from roost.migration.targets.target import Place
from roost.migration.text import redact

T = TypeVar("T")
SLOW: Final = (asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError, TimeoutError)
"""What is said of a statement that takes too long: it, or the lock that it waits for."""
OnProgress = Callable[[Progress], None]
Work = Callable[[Transaction], Awaitable[T]]


class SupersededError(Exception):
    """Somebody else moved this migration on; this run has to stop."""


class UnwantedError(Exception):
    """Somebody has asked for the migration to stop."""


def check_wanted(row: Any) -> None:  # noqa: ANN401 -- a record
    """Raise UnwantedError when the migration's row says that it is to stop."""
    error = msgspec.json.decode(row["error"], type=Failure | None) if row["error"] else None
    if error is not None and error.code == CANCELLING:
        raise UnwantedError


class Step(Generic[T]):
    """A step's transaction; `before` is where the ledger stood when its turn came."""

    def __init__(self, ledger: "Ledger", work: Work[T], ahead: Work[None] | None) -> None:
        self.before: tuple[State, int] = ledger.state, ledger.done
        self.results: list[T] = []
        self._ledger, self._work, self._ahead = ledger, work, ahead
        self._is_begun = ahead is None

    async def __call__(self, transaction: Transaction) -> None:
        """Do it, or do it again: that may touch nothing but the transaction and the ledger."""
        if self._ahead is not None:
            await self._ahead(transaction)
        if not self._is_begun:
            self._is_begun = True
            self.before = self._ledger.state, self._ledger.done
        self._ledger.expect(self.before[0])
        self.results[:] = [await self._work(transaction)]

    def go_back(self) -> None:
        """Put the ledger back where it stood, if this step has touched it."""
        if self._is_begun:
            self._ledger.state, self._ledger.done = self.before


class Ledger:
    """What is known of a running migration, and the way to write it down.

    `state` and `done` are what was last committed by this process. One that `gives_up` does not
    heed that somebody wants it to stop: it is about to.
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
        self.reading: Reading
        self.total = 0
        self.state = State.RECEIVED
        self.done = 0
        self.gives_up = False
        self.current_key: str | None = None
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

    def batches(
        self,
        start: int = 0,
        make: Callable[[Item], object] | None = None,
        only: Mapping[str, int] | None = None,
    ) -> AsyncGenerator[Batch, None]:
        """The items from `start` on, a batch at a time, `make` done to each.

        `only` says which keys to read, and the position of each one's first item.
        """
        return self.reading.batches(self.config.batch_size, start, make, only)

    async def counts(self, transaction: Transaction, *, applied: bool = False) -> Counts:
        """Count the verdicts; with `applied`, what was written too."""
        counts = Counts()
        for row in await transaction.rows(writes.COUNTS, **self.this):
            verdict, number = Verdict(row["verdict"]), row["number"]
            counts.found += number
            setattr(counts, verdict.value, getattr(counts, verdict.value) + number)
            if verdict is Verdict.CONFLICT and row["resolution"] is None:
                counts.unresolved += number
            counts.other_user += number if row["is_others"] else 0
            if applied and row["is_changing"]:
                counts.updated += number
            if applied and row["resolution"] == Resolution.KEEP_BOTH:
                counts.created += number
        counts.created += counts.create if applied else 0
        return counts

    async def hold(self, transaction: Transaction, expected: int | None = None) -> None:
        """Lock the migration.

        SupersededError when it is not where this run left it, UnwantedError when it is to stop.
        """
        row = await self.load(transaction)
        done = msgspec.json.decode(row["progress"], type=Progress).done
        if row["state"] != self.state or (expected is not None and done != expected):
            message = f"the migration is {row['state']} at {done}: another process took it over"
            raise SupersededError(message)
        if not self.gives_up:
            check_wanted(row)

    async def advance(self, transaction: Transaction, done: int, key: str | None = None) -> None:
        """Say that so many items are done, in this transaction; `key` is where it is."""
        self.done, self.current_key = done, key
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
        total, done = max(self.total, self.done), self.done
        seconds = time.monotonic() - self._began
        worked = done - self._began_at
        rate = worked / seconds if seconds > 0 and worked > 0 else None
        return Progress(
            phase=state,
            done=done,
            total=total,
            items_per_second=round(rate, 1) if rate else None,
            eta_seconds=round((total - done) / rate, 1) if rate else None,
            current_key=redact(self.current_key) if self.current_key else None,
        )

    async def write(self, work: Work[T], ahead: Work[None] | None = None) -> T:
        """Run a step in a transaction; again, as often as the configuration says, when lost.

        `ahead` goes before it in the same transaction, and may run while another step does: it
        leaves the ledger alone, and returns when it is this step's turn.
        """
        step = Step(self, work, ahead)
        await self._commit(step)
        if self._pending is not step.before[0]:
            self.state = self._pending
            self._began, self._began_at = time.monotonic(), self.done
        self._announce()
        if self._on_progress is not None:
            self._on_progress(self.progress(self.state))
        return step.results[0]

    def expect(self, state: State) -> None:
        """Say to which state the next commit leads."""
        self._pending = state

    async def _commit(self, step: "Step[T]") -> None:
        """Do it until it is committed for certain, or raise with everything as it was."""
        left: tuple[State, int] | None = None
        for attempt in range(self.config.retry_attempts + 1):
            try:
                await self.database.write(self.context, step)
            except (UnavailableError, ContentionError, SupersededError, *SLOW) as error:
                if isinstance(error, OutcomeUnknownError):
                    left = self._pending, self.done
                if left and await self._is_written(*left):
                    self._pending, self.done = left
                    return
                step.go_back()
                if isinstance(error, SupersededError) or attempt == self.config.retry_attempts:
                    raise
                await asyncio.sleep(random.uniform(0.5, 1.5) * 0.1 * 2**attempt)  # noqa: S311 -- jitter
            except BaseException:
                step.go_back()
                raise
            else:
                return

    async def _is_written(self, state: State, done: int) -> bool:
        """Whether a step was committed after all, when nobody could say so."""
        try:
            row = await self.database.write(self.context, self.load)
        except (UnavailableError, ContentionError):
            return False
        progress = msgspec.json.decode(row["progress"], type=Progress)
        return row["state"] == state and progress.done == done
