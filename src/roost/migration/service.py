"""Migrations as their owners see them: started, looked at, approved, cancelled, resumed."""

import asyncio
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.faults import DatabaseError
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.migration import queries, writes
from roost.migration.claim import claimed
from roost.migration.content import encode
from roost.migration.dump import Packed, Received, pack
from roost.migration.ledger import Ledger, OnProgress, SupersededError
from roost.migration.model import Config, Progress, State, may_follow
from roost.migration.run import abandon, carry_out
from roost.migration.targets.target import Place
from roost.migration.text import safe

_log = logging.getLogger("roost.migration")
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 300.0
"""Seconds between two tries to resume what could not go on."""


@dataclass(frozen=True, slots=True)
class Migrations:
    """Starts migrations and carries them out. `announce` is called after each commit."""

    database: Database
    box: SecretBox
    announce: Callable[[], None]

    async def start(
        self,
        workspace_id: UUID,
        user_id: UUID,
        received: Received,
        config: Config,
        on_progress: OnProgress | None = None,
    ) -> UUID:
        """Store a dump and migrate it, as far as `config` lets it go; gives the migration's id.

        Goes on first with a migration whose process was killed. MIGRATION_IN_PROGRESS while
        another process is at one.
        """
        packed = await asyncio.to_thread(pack, received.raw, self.box)
        async with claimed(self.database, workspace_id, user_id) as mine:
            if not mine:
                raise ProblemError(errors.MIGRATION_IN_PROGRESS)
            await self._finish_earlier(workspace_id, user_id)
            migration_id = uuid7()
            await self._receive(workspace_id, user_id, migration_id, packed, received, config)
            try:
                await self._carry_out(workspace_id, user_id, migration_id, on_progress)
            except SupersededError as error:
                state = await self._state(workspace_id, user_id, migration_id)
                raise _not_now(state, "somebody else moved it on meanwhile") from error
        return migration_id

    async def approve(self, workspace_id: UUID, user_id: UUID, migration_id: UUID) -> None:
        """Carry out a plan. MIGRATION_NOT_FOUND, MIGRATION_STATE or MIGRATION_IN_PROGRESS."""
        async with claimed(self.database, workspace_id, user_id) as mine:
            if not mine:
                raise ProblemError(errors.MIGRATION_IN_PROGRESS)
            await self._finish_earlier(workspace_id, user_id)
            state = await self._state(workspace_id, user_id, migration_id)
            if state is not State.PLANNED:
                raise _not_now(state, "only a plan can be applied")
            try:
                made = await self._carry_out(
                    workspace_id, user_id, migration_id, None, proceed=True
                )
            except SupersededError:
                made = None
            state = await self._state(workspace_id, user_id, migration_id)
            if state is not made or state is State.CANCELLED:
                raise _not_now(state, "somebody else moved it on meanwhile")

    async def cancel(self, workspace_id: UUID, user_id: UUID, migration_id: UUID) -> None:
        """Give up a migration that waits. MIGRATION_NOT_FOUND, MIGRATION_STATE."""

        async def work(transaction: Transaction) -> None:
            row = await transaction.row(
                writes.LOCK, workspace=workspace_id, migration=migration_id, user=user_id
            )
            if row is None:
                raise ProblemError(errors.MIGRATION_NOT_FOUND)
            state = State(row["state"])
            if state not in (State.PLANNED, State.AWAITING_RESOLUTION):
                what = "it is under way" if may_follow(state, State.CANCELLED) else "it has ended"
                raise _not_now(state, what)
            await transaction.row(writes.CANCEL, workspace=workspace_id, migration=migration_id)

        await self.database.write(Context(workspace_id, user_id, cause=str(migration_id)), work)
        self.announce()

    async def keep_resuming(self) -> None:
        """Go on, from a server's start, with what was left; what fails is tried again later."""
        pause = _FIRST_PAUSE
        while True:
            try:
                _, failed = await self._resume_each()
            except Exception:  # noqa: BLE001 -- whatever it is, the rest must not stay behind
                _log.warning("what is left of migrations could not be read", exc_info=True)
                failed = 1
            if not failed:
                return
            await asyncio.sleep(pause * random.uniform(0.75, 1.25))  # noqa: S311 -- jitter
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def resume_all(self) -> int:
        """Go on with what killed servers have left, of every workspace; gives how many."""
        resumed, _ = await self._resume_each()
        return resumed

    async def _resume_each(self) -> tuple[int, int]:
        """Give how many went on, and how many could not: one that fails holds up no other."""
        async with self.database.connection() as connection:
            unfinished = await connection.fetch(writes.UNFINISHED)
        resumed = failed = 0
        for row in unfinished:
            place = row["workspace_id"], row["user_id"]
            try:
                async with claimed(self.database, *place) as mine:
                    resumed += await self._finish_earlier(*place) if mine else 0
            except Exception:  # noqa: BLE001 -- whatever it is, the others go on
                _log.warning("migration %s could not go on yet", row["id"], exc_info=True)
                failed += 1
        return resumed, failed

    async def _finish_earlier(self, workspace_id: UUID, user_id: UUID) -> int:
        """Go on with the migration that a dead process left, if there is one."""

        async def work(transaction: Transaction) -> Any:  # noqa: ANN401 -- a record
            return await transaction.row(writes.RUNNING_ONE, workspace=workspace_id, user=user_id)

        row = await self.database.write(Context(workspace_id, user_id), work)
        if row is None:
            return 0
        _log.info("going on with migration %s", row["id"])
        await self._carry_out(workspace_id, user_id, row["id"], None)
        return 1

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
    ) -> None:
        """Store the dump, in a transaction of its own, before anything of it is parsed."""
        origin = safe(received.origin)[0] if received.origin else None

        async def work(transaction: Transaction) -> None:
            place = {"workspace": workspace_id, "migration": migration_id}
            await transaction.row(
                writes.RECEIVE,
                **place,
                user=user_id,
                origin=origin,
                captured_at=received.dump.captured_at,
                config=encode(config).decode(),
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

        try:
            await self.database.write(Context(workspace_id, user_id, cause=str(migration_id)), work)
        except asyncpg.UniqueViolationError as error:
            raise ProblemError(errors.MIGRATION_IN_PROGRESS) from error
        self.announce()

    async def _carry_out(
        self,
        workspace_id: UUID,
        user_id: UUID,
        migration_id: UUID,
        on_progress: OnProgress | None,
        *,
        proceed: bool = False,
    ) -> State:
        """Go as far as it goes; gives the state in which it was left."""
        place = Place(workspace_id, user_id, self.box, migration_id)
        ledger = Ledger(self.database, place, migration_id, self.announce, on_progress)
        try:
            await carry_out(ledger, proceed=proceed)
        except (DatabaseError, SupersededError, asyncio.CancelledError):
            # The database was away or another process went on: it is resumed where it stands.
            raise
        except Exception:  # noqa: BLE001 -- whatever it is, no migration may be stuck in it
            _log.exception("migration %s failed", migration_id)
            await abandon(ledger)
        return ledger.state


def _not_now(state: State, why: str) -> ProblemError:
    return ProblemError(
        errors.MIGRATION_STATE,
        f"the migration is {state.value}: {why}",
        extra={"state": state.value},
    )
