"""A run that is held: its lease kept, its steps recorded, its end told. Without a socket."""

import logging
from collections.abc import Callable
from typing import Any, Final, TypeVar, Unpack

import msgspec
from msgspec import UNSET

from roost.client.execution_calls import ExecutionCalls, TaskResult
from roost.client.model import Claimed, Step, Usage
from roost.client.problems import LeaseLost, RoostError, RunCancelled
from roost.client.redaction import Redaction
from roost.client.step_calls import StepCalls, StepFields
from roost.client.wire import Flow, Pause, Wire

T = TypeVar("T")
_log = logging.getLogger("roost.client")
_BEATS: Final = 3
"""Heartbeats in a lease, so that two may fail."""
_BRIEFLY: Final = 5.0
"""Seconds that whoever stops the agent may be kept waiting."""


class Holding:
    """A claimed run. `asked_at` is when the claim was first sent, by the wire's clock.

    The lease is counted from when what has renewed it was sent: never longer than the server does.
    """

    def __init__(self, wire: Wire, claimed: Claimed, asked_at: float) -> None:
        self.wire = wire.within(claimed.workspace_id)
        self.claimed = claimed
        self.lease_seconds = float(claimed.lease_seconds or 1)
        self.deadline = asked_at + self.lease_seconds
        self.cancelled = False
        self.lost: RoostError | None = None
        self.outcome: str | None = None
        self.entered = False
        self.waiting = False
        self.output: Any = UNSET
        self.task: TaskResult = {}
        self.usage = msgspec.structs.replace(claimed.usage)
        self._due = asked_at + self.lease_seconds / _BEATS
        self._failures = 0
        self.closing = False
        self.executions = ExecutionCalls(self.wire)
        self._steps = StepCalls(self.wire)
        self.redaction = Redaction(claimed.secrets)
        self.briefly = ExecutionCalls(self.wire.briefly(_BRIEFLY))

    @property
    def is_over(self) -> bool:
        """Whether there is nothing more to work on."""
        return self.cancelled or self.lost is not None or self.outcome is not None

    def check(self) -> None:
        """Raise RunCancelled or LeaseLost when the run is not to be worked on any more."""
        if self.cancelled:
            message = f"the run {self.claimed.id} was cancelled"
            raise RunCancelled(message)
        if self.lost is not None:
            raise LeaseLost(self.lost.detail, code=self.lost.code, status=self.lost.status)

    def keep(self, interrupt: Callable[[], None]) -> Flow[None]:
        """Renew the lease until the run ends; `interrupt` is called when it ends by itself."""
        while True:
            yield Pause(max(0.0, self._due - self.wire.clock()))
            if self.closing or self.is_over:
                return
            yield from self._beat()
            if self.closing:
                return
            if self.is_over:
                interrupt()
                return

    def _beat(self) -> Flow[None]:
        sent = self.wire.clock()
        left = self.deadline - sent
        if left <= 0 and self._failures:
            message = "no heartbeat came through in time"
            self.end(LeaseLost(message, code="LEASE_EXPIRED"))
            return
        third = self.lease_seconds / _BEATS
        # Whoever asks late, having been held up, is told whether it is too late.
        briefly = self.wire.briefly(min(third, left) if left > 0 else third)
        try:
            beat = ExecutionCalls(briefly).heartbeat(self.claimed.id, usage=self.all_used())
            execution = yield from beat
        except RoostError as problem:
            if problem.is_passing:
                self._postpone(problem)
                return
            reason = yield from self.reason(problem)
            if not self.closing:
                self.end(reason)
        else:
            self._failures = 0
            self.deadline = sent + self.lease_seconds
            self._due = sent + third
            if execution.status == "cancelled":
                self.end(None)

    def _postpone(self, problem: RoostError) -> None:
        self._failures += 1
        _log.warning("a heartbeat of the run %s failed: %s", self.claimed.id, problem)
        wait = self.wire.retry.delay(self._failures, problem.retry_after)
        wait = min(wait, self.lease_seconds / _BEATS)
        self._due = min(self.wire.clock() + wait, self.deadline)

    def reason(self, problem: RoostError) -> Flow[RoostError | None]:
        """See why the run is not held any more: the problem, or None when it was cancelled."""
        if problem.code == "EXECUTION_ENDED":
            try:
                found = yield from self.executions.get(self.claimed.id)
            except RoostError:
                return problem
            if found.status == "cancelled":
                return None
        return problem

    def end(self, problem: RoostError | None) -> None:
        """Note that the run was cancelled, or lost for a reason."""
        if problem is None:
            self.cancelled = True
            _log.warning("the run %s was cancelled", self.claimed.id)
        else:
            self.lost = problem
            _log.warning("the run %s is lost: %s", self.claimed.id, problem)

    def step(
        self,
        type: str,  # noqa: A002 -- the field's name
        **fields: Unpack[StepFields],
    ) -> Flow[Step]:
        """Record a step. Raises RunCancelled or LeaseLost when the run is over."""
        return self._while_held(self._steps.record(self.claimed.id, type, **fields))

    def log(self, text: str) -> Flow[Step]:
        """Record a step that says something."""
        return self.step("message", description=text)

    def state(self) -> Flow[Any]:
        """Give the run's state as it is now; a fork begins with that of its origin."""
        return (yield from self.executions.state(self.claimed.id)).state

    def await_input(self) -> Flow[None]:
        """Say that the run waits for somebody; its task is blocked meanwhile."""
        yield from self._while_held(self.executions.await_input(self.claimed.id))
        self.waiting = True

    def resume(self) -> Flow[None]:
        """Say that the run has what it waited for."""
        yield from self._while_held(self.executions.update(self.claimed.id, status="running"))
        self.waiting = False

    def _while_held(self, call: Flow[T]) -> Flow[T]:
        self.check()
        try:
            return (yield from call)
        except LeaseLost as problem:
            self.end((yield from self.reason(problem)))
            self.check()
            raise

    def result(self, output: object = UNSET, **task: Unpack[TaskResult]) -> None:
        """Set what the run will have come to when it completes, and what the task learns of it."""
        if output is not UNSET:
            self.output = output
        self.task.update(task)

    def used(self, *, tokens_in: int = 0, tokens_out: int = 0, cost: float = 0.0) -> None:
        """Add to what the run has used; told with the next heartbeat, and at the end."""
        self.usage.tokens_in += tokens_in
        self.usage.tokens_out += tokens_out
        self.usage.cost += cost

    def all_used(self) -> Usage | None:
        """Give what the run has used in all; None when that is known already."""
        return None if self.usage == self.claimed.usage else self.usage
