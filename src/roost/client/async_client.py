"""The client for asyncio."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Self, Unpack

import httpx

from roost.client.async_flows import AsyncDriver, AsyncPart, Sleep, awaited, each
from roost.client.async_run import AsyncRun, to_the_end
from roost.client.claiming import Loop, Stopping, Work
from roost.client.execution_calls import ExecutionCalls
from roost.client.model import Id
from roost.client.options import LIMITS, RETRIES, TIMEOUT, Address
from roost.client.step_calls import StepCalls
from roost.client.task_calls import MessageCalls, TaskCalls
from roost.client.wire import Retry, Wire, chance


class AsyncTasks(AsyncPart):
    """Tasks."""

    list = awaited(TaskCalls.list)
    iterate = each(TaskCalls.list)
    get = awaited(TaskCalls.get)
    create = awaited(TaskCalls.create)
    update = awaited(TaskCalls.update)


class AsyncMessages(AsyncPart):
    """The conversations of tasks."""

    list = awaited(MessageCalls.list)
    iterate = each(MessageCalls.list)
    append = awaited(MessageCalls.append)


class AsyncExecutions(AsyncPart):
    """Runs."""

    list = awaited(ExecutionCalls.list)
    iterate = each(ExecutionCalls.list)
    get = awaited(ExecutionCalls.get)
    create = awaited(ExecutionCalls.create)
    claim = awaited(ExecutionCalls.claim)
    update = awaited(ExecutionCalls.update)
    complete = awaited(ExecutionCalls.complete)
    fail = awaited(ExecutionCalls.fail)
    cancel = awaited(ExecutionCalls.cancel)
    await_input = awaited(ExecutionCalls.await_input)
    heartbeat = awaited(ExecutionCalls.heartbeat)
    state = awaited(ExecutionCalls.state)
    fork = awaited(ExecutionCalls.fork)
    rollback = awaited(ExecutionCalls.rollback)
    timeline = awaited(ExecutionCalls.timeline)
    iterate_timeline = each(ExecutionCalls.timeline)
    compare = awaited(ExecutionCalls.compare)


class AsyncSteps(AsyncPart):
    """The steps of runs."""

    list = awaited(StepCalls.list)
    iterate = each(StepCalls.list)
    get = awaited(StepCalls.get)
    record = awaited(StepCalls.record)
    record_many = awaited(StepCalls.record_many)


class AsyncRoost:
    """A client of a Roost, for asyncio; `async with` closes it.

    `url`, `token`: by default `ROOST_URL` and `ROOST_TOKEN`. `timeout` in seconds, for one try.
    `transport`, `sleep`, `clock` and `jitter` are for tests.
    """

    def __init__(  # noqa: PLR0913 -- settings
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        workspace: Id | None = None,
        timeout: float = TIMEOUT,
        retries: int = RETRIES,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = chance,
    ) -> None:
        address = Address.read(url, token, workspace)
        http = httpx.AsyncClient(
            base_url=address.base_url,
            headers=address.headers,
            timeout=timeout,
            limits=LIMITS,
            transport=transport,
        )
        self._driver = AsyncDriver(http, sleep)
        self._wire = Wire(Retry(attempts=retries + 1, jitter=jitter), clock)
        self._stopping = Stopping()
        self._loops: set[Loop] = set()
        self.tasks = AsyncTasks(self._driver, TaskCalls(self._wire))
        self.messages = AsyncMessages(self._driver, MessageCalls(self._wire))
        self.executions = AsyncExecutions(self._driver, ExecutionCalls(self._wire))
        self.steps = AsyncSteps(self._driver, StepCalls(self._wire))

    async def work(self, agent: str, **work: Unpack[Work]) -> AsyncIterator[AsyncRun]:
        """Claim task after task, each to be worked on in `async with run:`.

        A run that is passed over, or left in the claim by a cancellation, is given back.
        """
        loop = Loop(self._wire, self._stopping, agent, **work)
        self._loops.add(loop)
        try:
            while True:
                holding = await to_the_end(self._driver.drive(loop.next()), loop.stop)
                if holding is None:
                    return
                yield AsyncRun(self._driver, holding)
                if await self._driver.drive(loop.give_back()):
                    await self._driver.drive(loop.rest())
        finally:
            self._loops.discard(loop)
            await self._driver.drive(loop.give_back())

    def stop(self) -> None:
        """End the loops after the runs they are at; may be called by a signal's handler."""
        self._stopping.stop()

    async def aclose(self) -> None:
        """Give back what was claimed and not begun, and close the connections."""
        for loop in tuple(self._loops):
            await self._driver.drive(loop.give_back())
        await self._driver.http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()
