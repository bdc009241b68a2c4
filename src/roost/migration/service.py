"""Migrations as their owners see them: started, approved, resolved, cancelled, undone."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.migration import carrying, queries, writes
from roost.migration.aliases import with_aliases
from roost.migration.cancelling import cancel
from roost.migration.carrying import carry_on, finish_earlier
from roost.migration.claim import claimed
from roost.migration.content import encode
from roost.migration.dump import Packed, Received, pack
from roost.migration.ledger import Ledger, OnProgress, SupersededError
from roost.migration.model import RUNNING, Config, Progress, State
from roost.migration.once import NOBODY, Asked, Seal
from roost.migration.resolutions import Answer, choose
from roost.migration.standing import not_now
from roost.migration.targets.target import Place
from roost.migration.text import safe
from roost.migration.undo import check_ended, undo

LOOK: Final = 0.1
"""Seconds between two looks at a migration that was asked to stop."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """Starts migrations and carries them out. `announce` is called after each commit."""

    database: Database
    box: SecretBox
    announce: Callable[[], None]

    async def start(  # noqa: PLR0913 -- whose, what, how, and who watches
        self,
        workspace_id: UUID,
        user_id: UUID,
        received: Received,
        config: Config,
        *,
        on_progress: OnProgress | None = None,
        asked: Asked = NOBODY,
    ) -> UUID:
        """Store a dump and migrate it, as far as `config` lets it go; gives the migration's id.

        Goes on first with a migration whose process was killed. MIGRATION_IN_PROGRESS while
        another process is at one.
        """
        packed = await asyncio.to_thread(pack, received.raw, self.box)
        received.forget()
        async with self._at_work(workspace_id, user_id):
            migration_id = uuid7()
            await self._receive(
                workspace_id, user_id, migration_id, packed, received, config, asked.seal
            )
            del packed
            asked.begun(migration_id)
            await self._carry(self._ledger(workspace_id, user_id, migration_id, on_progress))
        return migration_id

    async def approve(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        asked: Asked = NOBODY,
    ) -> None:
        """Carry out a plan. MIGRATION_NOT_FOUND, MIGRATION_STATE or MIGRATION_IN_PROGRESS."""
        await self._go_on(workspace_id, user_id, migration_id, [], asked, approved=True)

    async def resolve(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        answers: Sequence[Answer],
        asked: Asked = NOBODY,
    ) -> None:
        """Say what is to be done with conflicts; goes on when that was all it waited for.

        MIGRATION_NOT_FOUND, MIGRATION_STATE, MIGRATION_IN_PROGRESS, or VALIDATION_ERROR for an
        answer to what is no conflict.
        """
        await self._go_on(workspace_id, user_id, migration_id, answers, asked, approved=False)

    async def _go_on(  # noqa: PLR0913 -- whose, which, what, and who watches
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        answers: Sequence[Answer],
        asked: Asked,
        *,
        approved: bool,
    ) -> None:
        async with self._at_work(workspace_id, user_id):
            ledger = self._ledger(workspace_id, user_id, migration_id)

            async def decide(transaction: Transaction) -> bool:
                goes_on = await choose(transaction, ledger.place, answers, approved=approved)
                await asked.seal(transaction, migration_id)
                return goes_on

            goes_on = await self.database.write(ledger.context, decide)
            self.announce()
            asked.begun(migration_id)
            if goes_on:
                await self._carry(ledger)

    async def cancel(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        asked: Asked = NOBODY,
    ) -> None:
        """Give up a migration that waits or runs, and wait until it has ended.

        Errors as `roost.migration.cancelling`. It may have failed before it heard of it.
        """
        place = Place(workspace_id, user_id, self.box, migration_id)
        context = Context(workspace_id, user_id, cause=str(migration_id))

        async def decide(transaction: Transaction) -> bool:
            is_asked = await cancel(transaction, place)
            await asked.seal(transaction, migration_id)
            return is_asked

        is_asked = await self.database.write(context, decide)
        self.announce()
        asked.begun(migration_id)
        if is_asked:
            await self._wait_for_end(context, place)

    async def _wait_for_end(self, context: Context, place: Place) -> None:
        """Wait for the process that is at it; where there is none, see to it."""
        whose = place.workspace_id, place.user_id
        this = {"migration": place.migration_id}
        while row := await self.database.read(queries.STANDING, context, **this):
            if State(row["state"]) not in RUNNING:
                return
            if not row["is_claimed"]:
                async with claimed(self.database, *whose) as mine:
                    if mine:
                        # Whoever took it over sees to it.
                        with suppress(SupersededError):
                            await finish_earlier(self.database, self._ledger, *whose)
            await asyncio.sleep(LOOK)

    async def undo(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        *,
        force: bool,
        asked: Asked = NOBODY,
    ) -> None:
        """Take a migration back, or take that back. Errors as `roost.migration.undo`."""
        async with self._at_work(workspace_id, user_id):
            check_ended(await self._state(workspace_id, user_id, migration_id))
            asked.begun(migration_id)
            place = Place(workspace_id, user_id, self.box, migration_id)
            await undo(self.database, place, asked.seal, force=force)
        self.announce()

    @asynccontextmanager
    async def _at_work(self, workspace_id: UUID, user_id: UUID) -> AsyncIterator[None]:
        """Hold the right to migrate, with what a dead process left behind done first."""
        async with claimed(self.database, workspace_id, user_id) as mine:
            if not mine:
                raise ProblemError(errors.MIGRATION_IN_PROGRESS)
            try:
                await finish_earlier(self.database, self._ledger, workspace_id, user_id)
            except SupersededError as error:
                raise ProblemError(errors.MIGRATION_IN_PROGRESS) from error
            yield

    async def _carry(self, ledger: Ledger) -> None:
        place = ledger.place
        try:
            await carry_on(ledger)
        except SupersededError as error:
            state = await self._state(place.workspace_id, place.user_id, place.migration_id)
            raise not_now(state, "somebody else moved it on meanwhile") from error

    async def keep_resuming(self) -> None:
        """Go on, from a server's start, with what was left; what fails is tried again later."""
        await carrying.keep_resuming(self.database, self._ledger)

    async def resume_all(self) -> int:
        """Go on with what killed servers have left, of every workspace; gives how many."""
        return await carrying.resume_all(self.database, self._ledger)

    def _ledger(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        on_progress: OnProgress | None = None,
    ) -> Ledger:
        place = Place(workspace_id, user_id, self.box, migration_id)
        return Ledger(self.database, place, migration_id, self.announce, on_progress)

    async def _state(self, workspace_id: UUID, user_id: UUID, migration_id: UUID) -> State:
        context = Context(workspace_id, user_id)
        row = await self.database.read(queries.ITEM, context, migration=migration_id)
        if row is None:
            raise ProblemError(errors.MIGRATION_NOT_FOUND)
        return State(row["state"])

    async def _receive(  # noqa: PLR0913, PLR0917 -- a row's columns
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        packed: Packed,
        received: Received,
        config: Config,
        seal: Seal,
    ) -> None:
        """Store the dump, in a transaction of its own, before anything of it is parsed."""
        origin = safe(received.origin)[0] if received.origin else None

        async def work(transaction: Transaction) -> None:
            place = {"workspace": workspace_id, "migration": migration_id}
            named = await with_aliases(transaction, user_id, config)
            await transaction.row(
                writes.RECEIVE,
                **place,
                user=user_id,
                origin=origin,
                captured_at=received.dump.captured_at,
                config=encode(named).decode(),
                progress=encode(Progress(phase=State.RECEIVED)).decode(),
            )
            await transaction.row(
                writes.STORE_DUMP,
                **place,
                dump=uuid7(),
                sha256=packed.sha256,
                size=packed.size,
                content=packed.content,
            )
            await seal(transaction, migration_id)

        try:
            await self.database.write(Context(workspace_id, user_id, cause=str(migration_id)), work)
        except asyncpg.UniqueViolationError as error:
            raise ProblemError(errors.MIGRATION_IN_PROGRESS) from error
        self.announce()
