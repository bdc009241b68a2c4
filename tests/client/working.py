"""Tasks for agents to work on, and looks at what became of them."""

import asyncio
from collections.abc import Awaitable, Callable

from roost.client import AsyncRoost, Execution, Task

DEADLINE_SECONDS = 20.0


async def make(roost: AsyncRoost, *titles: str) -> list[Task]:
    """Make tasks."""
    return [await roost.tasks.create(title) for title in titles or ("Mend it",)]


async def only_run(roost: AsyncRoost) -> Execution:
    """Give the only run there is."""
    [run] = (await roost.executions.list()).items
    return run


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until it holds; fail at the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 -- it asks a server
            await asyncio.sleep(0.02)
    del what


async def status_of(roost: AsyncRoost, task: Task) -> str:
    """Give a task's status now."""
    return (await roost.tasks.get(task.id)).status
