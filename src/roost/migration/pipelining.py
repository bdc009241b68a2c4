"""Parts of a dump worked on two at a time and finished in their order."""

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable
from typing import Any, Final, TypeVar

T = TypeVar("T")

PATIENCE: Final = 5.0
"""Seconds that a part's transaction waits for the one before, which may wait for its locks."""


class NotYetError(Exception):
    """The part before is not done in good time."""


class Turn:
    """A part's turn: it comes when the one before is done."""

    def __init__(self, before: asyncio.Task[Any] | None) -> None:
        self._before = before

    async def come(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 -- it doesn't cancel
        """Wait for it; raises what the part before failed with.

        NotYetError when it is still at work after `timeout` seconds.
        """
        if self._before is None:
            return
        await asyncio.wait([self._before], timeout=timeout)
        if not self._before.done():
            raise NotYetError
        self._before.result()


async def in_turn(parts: AsyncIterable[T], work: Callable[[T, Turn], Awaitable[None]]) -> None:
    """Do `work` to each part, beginning with one while the one before is still at work.

    When one fails, those after it are cancelled before the failure is raised.
    """
    tasks: list[asyncio.Task[None]] = []
    try:
        async for part in parts:
            turn = Turn(tasks[-1] if tasks else None)
            tasks.append(asyncio.ensure_future(work(part, turn)))
            if len(tasks) > 1:
                await tasks[0]
                del tasks[0]
        for task in tasks:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
