"""Views of runs over HTTP, which change nothing."""

from dataclasses import dataclass, field
from typing import Final

from roost import errors
from roost.executions.compare import comparison
from roost.executions.model import StepWithState
from roost.executions.replay import Clock, Replay
from roost.executions.timeline import timeline_page
from roost.executions.viewing_model import (
    CompareQuery,
    Comparison,
    ReplayQuery,
    TimelinePage,
    TimelineQuery,
)
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.reply import Reply, item

_READ: Final = "executions:read"
_ITEM: Final = f"{API}/executions/{{id:str}}"


@dataclass(frozen=True, slots=True)
class ViewingRoutes:
    """The routes of looking back at runs."""

    kit: Kit
    clock: Clock = field(default_factory=Clock)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", f"{_ITEM}/timeline", self.timeline, Contract(
                "Read what happened in an execution's time: its steps and events, its task's "
                "messages and changes", _READ, query=TimelineQuery, returns=TimelinePage,
                bare=True, problems=(errors.EXECUTION_NOT_FOUND,))),
            Endpoint("GET", f"{_ITEM}/compare", self.compare, Contract(
                "Compare an execution with another, step by step", _READ, query=CompareQuery,
                returns=Comparison, problems=(
                    errors.EXECUTION_NOT_FOUND, errors.EXECUTION_TOO_LONG))),
            Endpoint("GET", f"{_ITEM}/replay", self.replay, Contract(
                "Replay an execution's steps as fast as they came: server-sent events that resume "
                "by Last-Event-ID, or pages of JSON", _READ, query=ReplayQuery,
                returns=StepWithState, paged=True, streamed=True,
                problems=(errors.EXECUTION_NOT_FOUND,))),
        ]  # fmt: skip

    async def timeline(self, call: Call) -> Reply:
        """Answer a page of a timeline."""
        return await timeline_page(self.kit, call)

    async def replay(self, call: Call) -> Reply:
        """Answer with the steps, one after the other, or a page of them.

        Whoever watches pauses by closing the stream and goes on with `Last-Event-ID`; steps by
        `from=n&to=n`; jumps by `from=n`. The server keeps nothing of it.
        """
        return await Replay(self.kit, call, self.clock).reply()

    async def compare(self, call: Call) -> Reply:
        """Answer what is the same, and what is not."""
        query: CompareQuery = call.query
        found = await comparison(self.kit, call, query.with_)
        return self.kit.conditional(call, item(found.decode()))
