"""What can be asked about the steps of a run."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypedDict, Unpack
from uuid import uuid4

import msgspec
from msgspec import UNSET

from roost.client.model import Id, Step, StepWithState
from roost.client.request import Request, path, query
from roost.client.task_calls import Several
from roost.client.wire import Flow, Page, Wire

Steps = list[Step]


class NewStep(msgspec.Struct, rename="camel", omit_defaults=True):
    """A step to record. `state` is the run's whole state after it; without, it stays as it is.

    `client_key` tells the same step sent again from another; it makes itself.
    """

    type: str
    description: str | None = None
    data: Any = UNSET
    state: Any = UNSET
    checkpoint: bool = False
    duration_ms: float | None = None
    client_key: str = msgspec.field(default_factory=lambda: uuid4().hex)


class StepFields(TypedDict, total=False):
    """What a step may have besides its type; see NewStep."""

    description: str | None
    data: Any
    state: Any
    checkpoint: bool
    duration_ms: float | None
    client_key: str


@dataclass(frozen=True, slots=True)
class StepCalls:
    """Calls about steps."""

    wire: Wire

    def list(  # noqa: PLR0913 -- filters
        self,
        execution_id: Id,
        *,
        type: Several | None = None,  # noqa: A002 -- the field's name
        checkpoint: bool | None = None,
        limit: int = 100,
        page: int | None = None,
        cursor: str | None = None,
    ) -> Flow[Page[Step]]:
        """Give a page of a run's steps, in order."""
        asked = query(
            {
                "type": type,
                "checkpoint": checkpoint,
                "limit": limit,
                "page": page,
                "cursor": cursor,
            }
        )
        return self.wire.page(Request("GET", _steps(execution_id), asked), Step)

    def get(self, execution_id: Id, number: int) -> Flow[StepWithState]:
        """Give a step with the state after it."""
        return self.wire.one(Request("GET", _steps(execution_id, number)), StepWithState)

    def record(
        self,
        execution_id: Id,
        type: str,  # noqa: A002 -- the field's name
        **fields: Unpack[StepFields],
    ) -> Flow[Step]:
        """Record a step, once however often it has to be sent."""
        content = msgspec.json.encode(NewStep(type, **fields))
        return self.wire.one(Request("POST", _steps(execution_id), body=content), Step)

    def record_many(self, execution_id: Id, steps: Iterable[NewStep]) -> Flow[Steps]:
        """Record up to 1000 steps in order, all or none."""
        content = msgspec.json.encode({"steps": list(steps)})
        return self.wire.one(Request("POST", _steps(execution_id, "batch"), body=content), Steps)


def _steps(execution_id: Id, *more: str | int) -> str:
    return path("executions", execution_id, "steps", *more)
