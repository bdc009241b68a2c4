"""What can be asked about a run's past: its states and its course, to go on from or back to."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from roost.client.model import Execution, Id, RolledBack, State
from roost.client.request import Request, body, given, key, path, query
from roost.client.viewing import Comparison, TimelineItem
from roost.client.wire import Flow, Page, Wire


@dataclass(frozen=True, slots=True)
class TravelCalls:
    """Calls about what was."""

    wire: Wire

    def state(
        self, execution_id: Id, *, step: int | None = None, at: datetime | None = None
    ) -> Flow[State]:
        """Give a run's state after a step or at a time; by default now."""
        asked = query({"step": step, "at": at})
        return self.wire.one(
            Request("GET", path("executions", execution_id, "state"), asked), State
        )

    def fork(
        self,
        execution_id: Id,
        step: int,
        *,
        agent: str | None = None,
        input: object = None,  # noqa: A002 -- the field's name
    ) -> Flow[Execution]:
        """Queue a run that begins with the state after a step."""
        fields = given(step=step, agent=agent, input=input)
        return self.wire.one(_post(path("executions", execution_id, "fork"), fields), Execution)

    def rollback(
        self, execution_id: Id, step: int, reason: str, *, include_task: bool = False
    ) -> Flow[RolledBack]:
        """Go back to a checkpoint of a run that has ended."""
        fields = {"step": step, "reason": reason, "include_task": include_task}
        where = path("executions", execution_id, "rollback")
        return self.wire.one(_post(where, fields), RolledBack)

    def timeline(
        self,
        execution_id: Id,
        *,
        limit: int = 100,
        cursor: str | None = None,
    ) -> Flow[Page[TimelineItem]]:
        """Give a page of what happened in a run's time, in order; its total is not counted."""
        asked = query({"limit": limit, "cursor": cursor})
        where = path("executions", execution_id, "timeline")
        return self.wire.page(Request("GET", where, asked), TimelineItem)

    def compare(self, execution_id: Id, other: Id) -> Flow[Comparison]:
        """Hold a run against another, step by step."""
        where = path("executions", execution_id, "compare")
        return self.wire.one(Request("GET", where, {"with": str(other)}), Comparison)


def _post(where: str, fields: Mapping[str, Any]) -> Request:
    return Request("POST", where, body=body(fields), headers=key())
