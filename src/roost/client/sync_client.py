"""The client without asyncio."""

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, Unpack

import httpx

from roost.client.claiming import Loop, Stopping, Work
from roost.client.execution_calls import ExecutionCalls
from roost.client.model import Id
from roost.client.options import LIMITS, RETRIES, TIMEOUT, Address
from roost.client.step_calls import StepCalls
from roost.client.sync_flows import Driver, Part, Sleep, driven, each
from roost.client.sync_run import Run
from roost.client.task_calls import MessageCalls, TaskCalls
from roost.client.wire import Retry, Wire, chance


class Tasks(Part):
    """Tasks."""

    list = driven(TaskCalls.list)
    iterate = each(TaskCalls.list)
    get = driven(TaskCalls.get)
    create = driven(TaskCalls.create)
    update = driven(TaskCalls.update)


class Messages(Part):
    """The conversations of tasks."""

    list = driven(MessageCalls.list)
    iterate = each(MessageCalls.list)
    append = driven(MessageCalls.append)


class Executions(Part):
    """Runs."""

    list = driven(ExecutionCalls.list)
    iterate = each(ExecutionCalls.list)
    get = driven(ExecutionCalls.get)
    create = driven(ExecutionCalls.create)
    claim = driven(ExecutionCalls.claim)
    update = driven(ExecutionCalls.update)
    complete = driven(ExecutionCalls.complete)
    fail = driven(ExecutionCalls.fail)
    cancel = driven(ExecutionCalls.cancel)
    await_input = driven(ExecutionCalls.await_input)
    heartbeat = driven(ExecutionCalls.heartbeat)
    state = driven(ExecutionCalls.state)
    fork = driven(ExecutionCalls.fork)
    rollback = driven(ExecutionCalls.rollback)
    timeline = driven(ExecutionCalls.timeline)
    iterate_timeline = each(ExecutionCalls.timeline)
    compare = driven(ExecutionCalls.compare)


class Steps(Part):
    """The steps of runs."""

    list = driven(StepCalls.list)
    iterate = each(StepCalls.list)
    get = driven(StepCalls.get)
    record = driven(StepCalls.record)
    record_many = driven(StepCalls.record_many)


class Roost:
    """A client of a Roost; `with` closes it. Threads may share it.

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
        transport: httpx.BaseTransport | None = None,
        sleep: Sleep | None = None,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = chance,
    ) -> None:
        address = Address.read(url, token, workspace)
        http = httpx.Client(
            base_url=address.base_url,
            headers=address.headers,
            timeout=timeout,
            limits=LIMITS,
            transport=transport,
        )
        self._driver = Driver(http, sleep)
        self._wire = Wire(Retry(attempts=retries + 1, jitter=jitter), clock)
        self._stopping = Stopping()
        self._loops: set[Loop] = set()
        self.tasks = Tasks(self._driver, TaskCalls(self._wire))
        self.messages = Messages(self._driver, MessageCalls(self._wire))
        self.executions = Executions(self._driver, ExecutionCalls(self._wire))
        self.steps = Steps(self._driver, StepCalls(self._wire))

    def work(self, agent: str, **work: Unpack[Work]) -> Iterator[Run]:
        """Claim task after task, each to be worked on in `with run:`.

        A run that is passed over is given back.
        """
        loop = Loop(self._wire, self._stopping, agent, **work)
        self._loops.add(loop)
        try:
            while True:
                holding = self._driver.drive(loop.next())
                if holding is None:
                    return
                yield Run(self._driver, holding)
                if self._driver.drive(loop.give_back()):
                    self._driver.drive(loop.rest())
        finally:
            self._loops.discard(loop)
            self._driver.drive(loop.give_back())

    def stop(self) -> None:
        """End the loops after the runs they are at; may be called by a signal's handler."""
        self._stopping.stop()

    def close(self) -> None:
        """Give back what was claimed and not begun, and close the connections."""
        for loop in tuple(self._loops):
            self._driver.drive(loop.give_back())
        self._driver.http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
