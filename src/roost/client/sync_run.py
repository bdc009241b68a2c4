"""A run that is held, without asyncio."""

import logging
import threading
from types import TracebackType
from typing import Self

from roost.client.ending import finish
from roost.client.holding import Holding
from roost.client.problems import RoostError
from roost.client.run_view import RunView
from roost.client.sync_flows import Driver, driven

_JOIN_SECONDS = 1.0
_log = logging.getLogger("roost.client")


class Run(RunView):
    """A claimed run: `with run:` keeps its lease in a thread, and tells how the block has ended.

    Leaving the block without an error completes the run, an exception fails it, and neither leaves
    the block. When the run is cancelled on the server, or its lease lost, the next step raises
    RunCancelled or LeaseLost; `check()` does so without a step.
    """

    def __init__(self, driver: Driver, holding: Holding) -> None:
        super().__init__(holding)
        self._driver = driver
        self._left = threading.Event()
        self._beats = threading.Thread(
            target=self._keep, name=f"heartbeats of {self.id}", daemon=True
        )

    step = driven(Holding.step)
    log = driven(Holding.log)
    state = driven(Holding.state)
    await_input = driven(Holding.await_input)
    resume = driven(Holding.resume)

    def __enter__(self) -> Self:
        self._flows.entered = True
        self._beats.start()
        return self

    def _keep(self) -> None:
        try:
            # The block's end need not wait for the next heartbeat.
            self._driver.drive(
                self._flows.keep(lambda: None), self._driver.sleep or self._left.wait
            )
        except Exception as error:  # noqa: BLE001 -- without them the lease is lost
            _log.exception("the heartbeats of the run %s have failed", self.id)
            self._flows.end(RoostError(str(error), code="HEARTBEATS_FAILED"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._flows.closing = True
        self._left.set()
        self._driver.drive(finish(self._flows, error))
        self._beats.join(_JOIN_SECONDS)
        return error is None or isinstance(error, Exception)
