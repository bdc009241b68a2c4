"""Work that goes on after its request was answered, until the server closes."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any
from uuid import UUID

from roost.errors import ProblemError
from roost.migration.once import AnsweredError

_log = logging.getLogger("roost.migration")

Begun = Callable[[UUID], None]
Run = Callable[[Begun], Coroutine[Any, Any, Any]]
"""Work that says when it is certain to go on."""


class Background:
    """Runs migrations beside requests. What is cut off by closing is resumed at the next start."""

    def __init__(self, resume: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """`resume` goes on with what could not, when the database is there again."""
        self._resume = resume
        self._tasks: set[asyncio.Task[Any]] = set()
        self._resuming: asyncio.Task[Any] | None = None
        self._wanted = False

    async def begin(self, run: Run) -> UUID:
        """Start it; gives the migration's id once it is certain to go on, else raises."""
        begun: asyncio.Future[UUID] = asyncio.get_running_loop().create_future()

        def tell(migration_id: UUID) -> None:
            if not begun.done():
                begun.set_result(migration_id)

        task = self._keep(run(tell))
        await asyncio.wait([begun, task], return_when=asyncio.FIRST_COMPLETED)
        if not begun.done():
            begun.cancel()
            try:
                await task  # raises what kept it from beginning
            except (ProblemError, AnsweredError):
                raise
            except Exception:
                self.resume()
                raise
            message = "a migration ended without having begun"
            raise RuntimeError(message)
        task.add_done_callback(self._ended)
        return begun.result()

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, ProblemError | AnsweredError):
            return  # somebody else moved it on, and knows
        _log.warning("a migration could not go on yet", exc_info=error)
        self.resume()

    def resume(self) -> None:
        """Go on, by and by, with whatever was left."""
        self._wanted = self._resume is not None
        if self._wanted and (self._resuming is None or self._resuming.done()):
            self._resuming = self._keep(self._resume_wanted())

    async def _resume_wanted(self) -> None:
        while self._wanted and self._resume is not None:
            self._wanted = False
            await self._resume()

    async def close(self) -> None:
        """Stop what is running."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
