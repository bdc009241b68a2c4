"""What there is to know of a run that is held, for both clients."""

from typing import Any, Unpack
from uuid import UUID

from msgspec import UNSET

from roost.client.execution_calls import TaskResult
from roost.client.holding import Holding
from roost.client.model import Claimed, Environment, ForkedFrom, Task


class RunView:
    """A claimed run."""

    def __init__(self, holding: Holding) -> None:
        self._flows = holding

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id}, {self.outcome or 'held'})"

    @property
    def id(self) -> UUID:
        """The execution's id."""
        return self._flows.claimed.id

    @property
    def execution(self) -> Claimed:
        """The execution as it was claimed."""
        return self._flows.claimed

    @property
    def task(self) -> Task:
        """The task to work on."""
        return self._flows.claimed.task

    @property
    def environment(self) -> Environment | None:
        """The task's environment."""
        return self._flows.claimed.environment

    @property
    def secrets(self) -> dict[str, str]:
        """The environment's secrets, by name."""
        return self._flows.claimed.secrets

    @property
    def input(self) -> Any:  # noqa: ANN401 -- any JSON value
        """What the run was queued with."""
        return self._flows.claimed.input

    @property
    def forked_from(self) -> ForkedFrom | None:
        """The step that the run goes on from; `state()` has what it left."""
        return self._flows.claimed.forked_from

    @property
    def cancelled(self) -> bool:
        """Whether somebody has cancelled the run, or its task."""
        return self._flows.cancelled

    @property
    def lost(self) -> bool:
        """Whether the lease was lost: somebody else may be working on the task now."""
        return self._flows.lost is not None

    @property
    def outcome(self) -> str | None:
        """How the run has ended: `completed`, `failed`, `cancelled`, `lost` or `returned`."""
        return self._flows.outcome

    def check(self) -> None:
        """Raise RunCancelled or LeaseLost when the run is not to be worked on any more."""
        self._flows.check()

    def result(self, output: object = UNSET, **task: Unpack[TaskResult]) -> None:
        """Say what the run comes to when it completes, and what the task learns of it."""
        self._flows.result(output, **task)

    def used(self, *, tokens_in: int = 0, tokens_out: int = 0, cost: float = 0.0) -> None:
        """Add to what the run has used."""
        self._flows.used(tokens_in=tokens_in, tokens_out=tokens_out, cost=cost)
