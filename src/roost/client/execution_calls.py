"""What can be asked about runs: claimed, told on, ended, gone back in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypedDict, Unpack

from roost.client.model import Claimed, Execution, Id, PullRequest, Usage
from roost.client.problems import Conflict, LeaseLost
from roost.client.request import Request, body, camel, given, key, path, query
from roost.client.task_calls import Several, SeveralIds
from roost.client.travel_calls import TravelCalls
from roost.client.wire import Flow, Page

_OVER: Final = frozenset({"EXECUTION_ENDED", "INVALID_STATE_TRANSITION"})
_ENDED: Final = frozenset({"completed", "failed", "cancelled", "stale"})


class ExecutionFilters(TypedDict, total=False):
    """Which runs to list: several values of one field mean any of them."""

    status: Several
    task: SeveralIds
    environment: SeveralIds
    agent: Several
    claimed_by: SeveralIds
    forked_from: SeveralIds
    created_after: datetime
    created_before: datetime


class TaskResult(TypedDict, total=False):
    """What a run makes of its task, besides its usual status or instead of it."""

    status: str
    status_message: str | None
    branch: str | None
    has_changes: bool
    pull_request: PullRequest | None
    metadata: dict[str, Any] | None


class Results(TypedDict, total=False):
    """What can be told with a run's status. Each call replaces what was told before."""

    output: Any
    usage: Usage
    agent_version: str | None
    trace_id: str | None
    lease_seconds: int
    task: TaskResult


class Changes(Results, total=False):
    """What of a run can be changed."""

    status: str
    error: Any
    agent: str


class Wanted(TypedDict, total=False):
    """Which work is wanted, and for how long without a heartbeat."""

    agent_version: str | None
    task_id: Id | None
    environment_id: Id | None
    labels: Sequence[str] | None
    lease_seconds: int
    trace_id: str | None
    any_workspace: bool


@dataclass(frozen=True, slots=True)
class ExecutionCalls(TravelCalls):
    """Calls about runs."""

    def list(
        self,
        *,
        sort: str | None = None,
        limit: int = 100,
        page: int | None = None,
        cursor: str | None = None,
        **filters: Unpack[ExecutionFilters],
    ) -> Flow[Page[Execution]]:
        """Give a page of runs."""
        asked = {**filters, "sort": sort, "limit": limit, "page": page, "cursor": cursor}
        return self.wire.page(Request("GET", path("executions"), query(asked)), Execution)

    def get(self, execution_id: Id) -> Flow[Execution]:
        """Give a run."""
        return self.wire.one(Request("GET", path("executions", execution_id)), Execution)

    def create(
        self,
        task_id: Id,
        *,
        agent: str | None = None,
        agent_version: str | None = None,
        input: object = None,  # noqa: A002 -- the field's name
        trace_id: str | None = None,
    ) -> Flow[Execution]:
        """Queue a run of a task; with `agent`, for agents of that name alone."""
        fields = given(
            task_id=task_id,
            agent=agent,
            agent_version=agent_version,
            input=input,
            trace_id=trace_id,
        )
        return self.wire.one(
            Request("POST", path("executions"), body=body(fields), headers=key()), Execution
        )

    def claim(
        self, agent: str, *, idempotency_key: str | None = None, **wanted: Unpack[Wanted]
    ) -> Flow[Claimed | None]:
        """Lease the next fitting task; None when nothing waits.

        With `any_workspace` it is not sent again when the answer was lost: the lease then runs out.
        """
        anywhere = bool(wanted.get("any_workspace"))
        headers = {"idempotency-key": idempotency_key} if idempotency_key else key()
        request = Request(
            "POST",
            path("executions", "claim"),
            body=body({"agent": agent, **given(**wanted)}),
            headers={} if anywhere else headers,
            repeatable=not anywhere,
        )
        return self.wire.maybe(request, Claimed)

    def update(
        self, execution_id: Id, *, version: int | None = None, **changes: Unpack[Changes]
    ) -> Flow[Execution]:
        """Tell how a run goes; with `version`, only if that is still its version, or Conflict."""
        fields: dict[str, Any] = dict(changes)
        if "task" in changes:
            fields["task"] = {camel(name): value for name, value in changes["task"].items()}
        request = Request(
            "PATCH",
            path("executions", execution_id),
            body=body(fields),
            headers={} if version is None else {"if-match": f'"v{version}"'},
            # A run is told on by its claimant alone, and what is told twice is told once.
            repeatable=version is None,
        )
        try:
            return (yield from self.wire.one(request, Execution))
        except Conflict as problem:
            if problem.code not in _OVER or "status" not in changes:
                raise
            found = yield from self.get(execution_id)
            # The answer to an earlier try was lost, and that is what has ended the run.
            if problem.repeated and found.status == changes["status"]:
                return found
            if found.status not in _ENDED:
                raise
            said = f"the execution is {found.status}"
            raise LeaseLost(said, code="EXECUTION_ENDED", status=problem.status) from problem

    def complete(self, execution_id: Id, **results: Unpack[Results]) -> Flow[Execution]:
        """End a run well."""
        return self.update(execution_id, status="completed", **results)

    def fail(self, execution_id: Id, error: object, **results: Unpack[Results]) -> Flow[Execution]:
        """End a run badly; an `error` with a `message` tells the task why."""
        return self.update(execution_id, status="failed", error=error, **results)

    def cancel(self, execution_id: Id) -> Flow[Execution]:
        """End a run, whoever holds it; it hears so with its next heartbeat."""
        return self.update(execution_id, status="cancelled")

    def await_input(self, execution_id: Id, **results: Unpack[Results]) -> Flow[Execution]:
        """Say that a run waits for somebody; its task is blocked meanwhile."""
        return self.update(execution_id, status="awaiting_input", **results)

    def heartbeat(
        self,
        execution_id: Id,
        *,
        lease_seconds: int | None = None,
        usage: Usage | None = None,
    ) -> Flow[Execution]:
        """Renew a run's lease. A run that comes back `cancelled` is not to be worked on."""
        request = Request(
            "POST",
            path("executions", execution_id, "heartbeat"),
            # No key: the answer that was kept for one would renew nothing.
            body=body(given(lease_seconds=lease_seconds, usage=usage)),
        )
        return self.wire.one(request, Execution)
