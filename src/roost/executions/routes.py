"""Executions over HTTP: the queue, claims, heartbeats, results."""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from uuid import UUID

import msgspec

from roost import errors
from roost.db.pool import Transaction
from roost.db.sealing import SecretBox, SecretKeyError
from roost.errors import ProblemError
from roost.executions import queries
from roost.executions.claiming import (
    WRITE,
    Lease,
    claim_alone,
    claim_anywhere,
    claim_within,
    hand_over_secrets,
    require_what_is_named,
    workspaces_to_claim_in,
)
from roost.executions.leases import require_lease
from roost.executions.model import (
    Claim,
    Claimed,
    Execution,
    ExecutionCreate,
    ExecutionPatch,
    ExecutionQuery,
    Heartbeat,
)
from roost.executions.service import change_execution, create_execution, heartbeat, lock_execution
from roost.executions.states import Known
from roost.executions.step_routes import StepRoutes
from roost.executions.travel_routes import TravelRoutes
from roost.executions.viewing_routes import ViewingRoutes
from roost.executions.work import Work
from roost.identity.audit.trail import trail_of
from roost.tasks.service import in_range
from roost.telemetry.trace_context import read_traceparent
from roost.web import lists
from roost.web.endpoint import API, Call, Contract, Endpoint
from roost.web.etag import expected_version
from roost.web.kit import Kit, context_of, created, found, tagged
from roost.web.query import invalid
from roost.web.reply import Reply, empty, item
from roost.web.shown import Shown

READ: Final = "executions:read"
_ALL: Final = f"{API}/executions"
_ITEM: Final = f"{_ALL}/{{id:str}}"
_TABLES: Final = frozenset({"executions", "steps"})
_HELD: Final = (
    errors.EXECUTION_NOT_CLAIMED,
    errors.EXECUTION_ENDED,
    errors.LEASE_EXPIRED,
    errors.NOT_THE_CLAIMANT,
)


class _Named(msgspec.Struct, rename="camel"):
    id: UUID
    workspace_id: UUID
    environment_id: UUID | None


class _Claimed(msgspec.Struct):
    data: _Named


class _NothingWaits(Exception):  # noqa: N818 -- no error: it undoes the transaction
    """A claim has found nothing."""


@dataclass(frozen=True, slots=True)
class ExecutionRoutes:
    """The routes of this room."""

    kit: Kit
    secrets: SecretBox
    known: Known = field(default_factory=Known)

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", _ALL, self.list, Contract(
                "List executions", READ, query=ExecutionQuery, returns=Execution, paged=True)),
            Endpoint("POST", _ALL, self.create, Contract(
                "Queue an execution of a task", WRITE, body=ExecutionCreate, returns=Execution,
                status=201, problems=(errors.TASK_NOT_FOUND,))),
            Endpoint("POST", f"{_ALL}/claim", self.claim, Contract(
                "Lease the next fitting task; 204 when nothing waits", WRITE, body=Claim,
                returns=Claimed, status=201, also=(204,),
                problems=(errors.TASK_NOT_FOUND, errors.ENVIRONMENT_NOT_FOUND,
                          errors.SECRETS_UNREADABLE))),
            Endpoint("GET", _ITEM, self.get, Contract(
                "Read an execution", READ, returns=Execution,
                problems=(errors.EXECUTION_NOT_FOUND,))),
            Endpoint("PATCH", _ITEM, self.patch, Contract(
                "Tell how an execution goes, and what came of it", WRITE, body=ExecutionPatch,
                returns=Execution, problems=(
                    errors.EXECUTION_NOT_FOUND, errors.PRECONDITION_FAILED,
                    errors.INVALID_STATE_TRANSITION, errors.TASK_NOT_CLAIMABLE, *_HELD))),
            Endpoint("POST", f"{_ITEM}/heartbeat", self.heartbeat, Contract(
                "Renew an execution's lease", WRITE, body=Heartbeat, body_is_optional=True,
                returns=Execution,
                problems=(errors.EXECUTION_NOT_FOUND, *_HELD))),
            *StepRoutes(self.kit, self.known).endpoints(),
            *TravelRoutes(self.kit, self.known).endpoints(),
            *ViewingRoutes(self.kit).endpoints(),
        ]  # fmt: skip

    async def list(self, call: Call) -> Reply:
        """Answer a page of executions."""
        query: ExecutionQuery = call.query
        given: dict[str, Any] = {
            name: getattr(query, name)
            for name in ("status", "task", "environment", "agent", "claimed_by", "forked_from")
        }
        for name in ("created_after", "created_before"):
            given[name] = in_range(name, getattr(query, name))
        statement, values, sort = lists.prepare(queries.EXECUTIONS, query, given)

        async def read() -> Shown:
            row = await self.kit.read(call, statement, **values)
            return Shown.of(lists.answer(query, sort, row))

        return await self.kit.kept(call, _TABLES, read, shared=True)

    async def get(self, call: Call) -> Reply:
        """Answer one execution."""
        execution_id = call.id()

        async def read() -> Shown:
            record = await self.kit.read(call, queries.EXECUTION, execution=execution_id)
            row = found(record, errors.EXECUTION_NOT_FOUND)
            return Shown.of(item(row["body"]), row["version"])

        return await self.kit.kept(call, _TABLES, read, shared=True)

    async def create(self, call: Call) -> Reply:
        """Queue an execution."""
        principal = call.principal

        async def work(transaction: Transaction) -> Reply:
            made = await create_execution(
                transaction, principal.workspace_id, principal.user_id, call.body
            )
            return created(made, _ALL)

        return await self.kit.change(call, work)

    async def patch(self, call: Call) -> Reply:
        """Change an execution, and its task with it."""
        expected = expected_version(call.header("if-match"))

        async def work(transaction: Transaction) -> Reply:
            written = await change_execution(Work.of(call, transaction), call.body, expected)
            return tagged(written.body, written.version)

        return await self.kit.change(call, work)

    async def heartbeat(self, call: Call) -> Reply:
        """Renew a lease."""

        async def work(transaction: Transaction) -> Reply:
            written = await heartbeat(Work.of(call, transaction), call.body)
            return tagged(written.body, written.version)

        return await self.kit.change(call, work)

    async def claim(self, call: Call) -> Reply:
        """Lease a task, and hand over the secrets of its environment."""
        if call.body.trace_id is None:
            call.body.trace_id = _trace_of(call)
        if call.header("idempotency-key") is not None:
            return await self._claim_once(call)
        claim: Claim = call.body
        context = context_of(call)
        database, places = self.kit.database, [call.principal.workspace_id]
        if claim.any_workspace:
            places = await workspaces_to_claim_in(database, context, call.principal)
            lease = await claim_anywhere(database, context, places, claim)
        else:
            lease = await claim_alone(database, context, claim)
        if lease is None:
            await require_what_is_named(database, context, places, claim)
            return empty()
        self.kit.ticks.announce()
        secrets = await self._secrets(call, lease) if lease.has_secrets else {}
        reply = _leased(lease, secrets)
        reply.header("roost-txid", lease.xid)
        return reply

    async def _claim_once(self, call: Call) -> Reply:
        """Claim once for each idempotency key; what is kept of the answer has no secrets.

        They are handed over each time, for as long as the lease is held: an answer may be lost.
        """
        claim: Claim = call.body
        if claim.any_workspace:
            raise invalid("anyWorkspace", "can't go with an Idempotency-Key", "conflict")

        async def work(transaction: Transaction) -> Reply:
            lease = await claim_within(transaction, call.principal, claim)
            if lease is None:
                raise _NothingWaits
            return _leased(lease, {})

        try:
            reply = await self.kit.change(call, work)
        except _NothingWaits:
            # Not kept for the key: agents that poll would leave a row behind each time.
            places = [call.principal.workspace_id]
            await require_what_is_named(self.kit.database, context_of(call), places, claim)
            return empty()
        named = msgspec.json.decode(reply.body, type=_Claimed).data
        lease = Lease(named.workspace_id, named.id, named.environment_id)
        try:
            secrets = await self._secrets(call, lease)
        except ProblemError as problem:
            if problem.entry is errors.SECRETS_UNREADABLE:
                raise
            return reply  # the lease is held no more: there is nothing to work on
        reply.body = _with_secrets(reply.body.decode(), secrets).encode()
        return reply

    async def _secrets(self, call: Call, lease: Lease) -> dict[str, str]:
        async def work(transaction: Transaction) -> dict[str, str]:
            user_id = call.principal.user_id
            held = Work(transaction, lease.workspace_id, user_id, lease.execution_id)
            require_lease(await lock_execution(held), user_id)
            return await hand_over_secrets(transaction, lease, self.secrets, trail_of(call))

        context = replace(context_of(call), workspace_id=lease.workspace_id)
        try:
            return await self.kit.database.write(context, work)
        except SecretKeyError as error:
            await self.kit.database.write(context, partial(_fail, call, lease))
            self.kit.ticks.announce()
            raise ProblemError(errors.SECRETS_UNREADABLE) from error


async def _fail(call: Call, lease: Lease, transaction: Transaction) -> None:
    """End a run that can't be begun, or every claim would get it again."""
    told = errors.SECRETS_UNREADABLE
    work = Work(transaction, lease.workspace_id, call.principal.user_id, lease.execution_id)
    error = msgspec.json.encode({"code": told.code, "message": told.title})
    await change_execution(work, ExecutionPatch(status="failed", error=msgspec.Raw(error)), None)


def _trace_of(call: Call) -> str | None:
    """Give the trace that the caller is in, if it says so."""
    header = call.header("traceparent")
    parent = read_traceparent(header.encode()) if header else None
    return parent.trace_id if parent else None


_NONE: Final = '"secrets":{}}}'


def _leased(lease: Lease, secrets: dict[str, str]) -> Reply:
    body = msgspec.json.encode({**lease.shown, "secrets": secrets}).decode()
    reply = tagged(body, lease.version, 201)
    reply.header("location", f"{_ALL}/{lease.execution_id}")
    reply.header("cache-control", "no-store")
    return reply


def _with_secrets(body: str, secrets: dict[str, str]) -> str:
    return f'{body.removesuffix(_NONE)}"secrets":{msgspec.json.encode(secrets).decode()}}}}}'
