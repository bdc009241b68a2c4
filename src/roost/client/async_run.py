"""A run that is held, for asyncio."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self, TypeVar

from roost.client.async_flows import AsyncDriver, awaited
from roost.client.ending import finish
from roost.client.holding import Holding
from roost.client.problems import RoostError
from roost.client.run_view import RunView

T = TypeVar("T")
GRACE: Final = 10.0
"""Seconds that a cancelled program still waits for what it has begun."""
_log = logging.getLogger("roost.client")


class AsyncRun(RunView):
    """A claimed run: `async with run:` keeps its lease, and tells how the block has ended.

    Leaving the block without an error completes the run, an exception fails it, and neither leaves
    the block. When the run is cancelled on the server, or its lease lost, the block is cancelled.
    """

    def __init__(self, driver: AsyncDriver, holding: Holding) -> None:
        super().__init__(holding)
        self._driver = driver
        self._body: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._interrupted = False
        self._beats: asyncio.Task[None] | None = None

    step = awaited(Holding.step)
    log = awaited(Holding.log)
    state = awaited(Holding.state)
    await_input = awaited(Holding.await_input)
    resume = awaited(Holding.resume)

    async def __aenter__(self) -> Self:
        self._flows.entered = True
        self._body = asyncio.current_task()
        assert self._body is not None  # noqa: S101 -- this is a coroutine
        self._cancelling = self._body.cancelling()
        keeping = self._driver.drive(self._flows.keep(self._interrupt))
        self._beats = asyncio.create_task(keeping, name=f"heartbeats of {self.id}")
        self._beats.add_done_callback(self._kept)
        return self

    def _kept(self, beats: asyncio.Task[None]) -> None:
        if beats.cancelled() or (error := beats.exception()) is None:
            return
        # Without heartbeats the lease is as good as lost.
        _log.error("the heartbeats of the run %s have failed", self.id, exc_info=error)
        self._flows.end(RoostError(str(error), code="HEARTBEATS_FAILED"))
        self._interrupt()

    def _interrupt(self) -> None:
        if not self._flows.closing and self._body is not None:
            self._interrupted = True
            self._body.cancel()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._flows.closing = True
        if self._interrupted:
            error = await self._absorb(error)
        assert self._beats is not None  # noqa: S101 -- it was entered
        self._beats.cancel()
        await to_the_end(self._driver.drive(finish(self._flows, error)))
        await asyncio.wait({self._beats})
        if error is not None and kind is None:
            raise error
        return error is None or isinstance(error, Exception)

    async def _absorb(self, error: BaseException | None) -> BaseException | None:
        """Take back the cancellation that was ours; gives what is left, as one from outside."""
        assert self._body is not None  # noqa: S101 -- it was entered
        if error is None:
            # The block ended before the cancellation reached it; that is still on its way.
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0)
        if self._body.uncancel() > self._cancelling:
            return error or asyncio.CancelledError()
        return None if isinstance(error, asyncio.CancelledError) else error


async def to_the_end(work: Coroutine[Any, Any, T], hurry: Callable[[], None] | None = None) -> T:
    """Wait for the end of some work, even when cancelled meanwhile, for a while.

    The cancellation goes on from there; `hurry` is called when it comes.
    """
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        if hurry is not None:
            hurry()
        await asyncio.wait({task}, timeout=GRACE)
        if not task.cancel() and not task.cancelled() and (error := task.exception()) is not None:
            _log.warning("what was begun has failed: %s", error)
        raise
