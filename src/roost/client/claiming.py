"""The loop that claims task after task. Without a socket."""

import logging
from collections.abc import Sequence
from typing import Final, TypedDict, Unpack
from uuid import uuid4

from roost.client.ending import give_back
from roost.client.execution_calls import ExecutionCalls, Wanted
from roost.client.holding import Holding
from roost.client.model import Id
from roost.client.problems import RoostError
from roost.client.wire import Flow, Pause, Wire

POLL_SECONDS: Final = 2.0
LEASE_SECONDS: Final = 60
_SLICE: Final = 0.25
"""Seconds after which a wait looks whether it was stopped, as by a signal's handler."""
_log = logging.getLogger("roost.client")


class Work(TypedDict, total=False):
    """Which work is wanted, and how it is waited for. `task` and `environment` are ids.

    `poll_seconds` lie between two claims while nothing waits; None ends the loop instead. It also
    ends after `limit` runs.
    """

    agent_version: str | None
    labels: Sequence[str] | None
    environment: Id | None
    task: Id | None
    any_workspace: bool
    trace_id: str | None
    lease_seconds: int
    poll_seconds: float | None
    limit: int | None


class Stopping:
    """Whether the loops of a client are to end; may be set by any thread and any signal handler."""

    def __init__(self) -> None:
        self.is_set = False

    def stop(self) -> None:
        """End the loops after the runs they are at."""
        self.is_set = True


class Loop:
    """Claims until it is stopped, has had enough, or there is nothing and it need not wait.

    `current` is the run it was given last.
    """

    def __init__(self, wire: Wire, stopping: Stopping, agent: str, **work: Unpack[Work]) -> None:
        self.current: Holding | None = None
        self._wire = wire
        self._stopping = stopping
        self._is_stopped = False
        self._agent = agent
        self._poll = work.get("poll_seconds", POLL_SECONDS)
        self._left = work.get("limit")
        self._lease_seconds = work.get("lease_seconds", LEASE_SECONDS)
        self._wanted: Wanted = {
            "agent_version": work.get("agent_version"),
            "labels": work.get("labels"),
            "environment_id": work.get("environment"),
            "task_id": work.get("task"),
            "any_workspace": work.get("any_workspace", False),
            "trace_id": work.get("trace_id"),
            "lease_seconds": self._lease_seconds,
        }
        self._calls = ExecutionCalls(wire)
        self._key = ""
        self._asked_at = 0.0
        self._failures = 0
        self._told_to_wait: float | None = None

    def next(self) -> Flow[Holding | None]:
        """Give the next run; None at the end."""
        while not self.is_stopped and self._left != 0:
            self.current = yield from self._claim()
            if self.current is not None:
                if self._left is not None:
                    self._left -= 1
                return self.current
            if self._poll is None:
                return None
            yield from self.rest()
        return None

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped, alone or with all others."""
        return self._is_stopped or self._stopping.is_set

    def stop(self) -> None:
        """Claim no more."""
        self._is_stopped = True

    def give_back(self) -> Flow[bool]:
        """Give back the current run if nobody has begun it; gives whether that was so."""
        run, self.current = self.current, None
        if run is None or run.entered or run.is_over:
            return False
        yield from give_back(run)
        return True

    def rest(self) -> Flow[None]:
        """Wait until the next claim, longer the more often there was no answer."""
        wait = POLL_SECONDS if self._poll is None else self._poll
        if self._failures:
            wait = max(wait, self._wire.retry.delay(self._failures, self._told_to_wait))
        # A little longer by chance, so that many agents don't ask at once.
        until = self._wire.clock() + wait * (1 + self._wire.retry.jitter() / 4)
        while not self.is_stopped and (left := until - self._wire.clock()) > 0:
            yield Pause(min(left, _SLICE))

    def _claim(self) -> Flow[Holding | None]:
        self._renew_key()
        try:
            claimed = yield from self._calls.claim(
                self._agent, idempotency_key=self._key, **self._wanted
            )
        except RoostError as problem:
            if self._poll is None or not problem.is_passing:
                raise
            self._failures += 1
            self._told_to_wait = problem.retry_after
            _log.warning("there was no claim: %s", problem)
            return None
        asked_at, self._key, self._failures = self._asked_at, "", 0
        return None if claimed is None else Holding(self._wire, claimed, asked_at)

    def _renew_key(self) -> None:
        """Ask with the key of the claim whose answer was lost, while its lease may still last."""
        now = self._wire.clock()
        is_late = now >= self._asked_at + self._lease_seconds
        if not self._key or is_late or self._wanted["any_workspace"]:
            self._key, self._asked_at = uuid4().hex, now
