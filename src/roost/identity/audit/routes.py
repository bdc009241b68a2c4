"""The audit trail over HTTP: read by a workspace's owners and admins, changed by nobody."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from msgspec import Meta

from roost import errors
from roost.identity.audit.queries import EVENTS
from roost.identity.audit.trail import ACTIONS
from roost.identity.model import Moment
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.kit import Kit
from roost.web.paging import PageQuery
from roost.web.reply import Reply
from roost.web.structs import Outgoing

READ = "audit:read"
_ACTIONS = tuple(ACTIONS)
Action = Literal[_ACTIONS]  # type: ignore[valid-type]  # the one list of actions
Outcome = Literal["success", "failure"]
Word = Annotated[str, Meta(max_length=100)]
_FILTERS = ("actor", "target_type", "target_id", "outcome", "after", "before")


class AuditQuery(PageQuery, frozen=True, rename="camel", kw_only=True):
    """The parameters of `GET /workspaces/{id}/audit`."""

    action: list[Action] | None = None
    actor: Annotated[UUID, Meta(description="The id of who did it.")] | None = None
    target_type: Word | None = None
    target_id: Word | None = None
    outcome: Outcome | None = None
    after: Moment | None = None
    before: Moment | None = None


class Actor(Outgoing):
    """Who did it, as they are called now."""

    name: str
    email: str
    kind: Literal["person", "agent"]


class Target(Outgoing):
    """What it was done to: a kind of thing, and its id."""

    type: str
    id: str


class AuditEvent(Outgoing):
    """Something that was done. `actor` is null when they are, or became, no member."""

    id: UUID
    at: datetime
    action: Action
    outcome: Outcome
    actor_id: UUID | None
    actor: Actor | None
    target: Target | None
    credential_id: UUID | None
    address: str | None
    user_agent: str | None
    request_id: str | None
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class AuditRoutes:
    """The route on the audit trail."""

    kit: Kit

    def endpoints(self) -> list[Endpoint]:
        """Give the route with its contract."""
        return [
            Endpoint("GET", f"{API}/workspaces/{{id:str}}/audit", self.list, Contract(
                "Read a workspace's audit trail, newest first", READ, query=AuditQuery,
                returns=AuditEvent, paged=True, problems=(errors.WORKSPACE_NOT_FOUND,),
                workspace_in_path=True)),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of events."""
        query: AuditQuery = call.query
        given = {name: getattr(query, name) for name in _FILTERS}
        given["action"] = query.action or None
        statement, values, sort = lists.prepare(EVENTS, query, given)
        row = await self.kit.read(call, statement, **values)
        return self.kit.conditional(call, lists.answer(query, sort, row))
