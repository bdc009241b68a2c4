"""Claims: the next fitting task, leased to whoever asks, with the secrets to work on it."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final
from uuid import UUID

import msgspec
from sqlalchemy import Table, Uuid, bindparam, select
from uuid_utils.compat import uuid7

from roost import errors
from roost.db.jsontext import rows_text
from roost.db.pool import Database, Transaction
from roost.db.sealing import SecretBox
from roost.db.statements import Statement
from roost.db.tenancy import TENANT_ID, USER_ID, Context, tenant_read
from roost.environments.secret_values import reveal_secrets
from roost.environments.tables import environments
from roost.errors import ProblemError
from roost.executions import queries
from roost.executions.model import Claim
from roost.identity.audit.trail import Trail
from roost.identity.tables import memberships, workspaces
from roost.tasks.queries import task_of_row
from roost.tasks.tables import tasks
from roost.web.principal import Principal, permissions_of

WRITE: Final = "executions:write"
_HOMES: Final = tenant_read(
    "select workspaces.homes",
    select(
        rows_text(
            select(memberships.c.workspace_id.label("id"), memberships.c.role.label("role"))
            .join(workspaces, workspaces.c.id == memberships.c.workspace_id)
            .where(memberships.c.user_id == USER_ID, workspaces.c.deleted_at.is_(None))
        ).label("homes")
    ),
)


def _named(table: Table) -> Statement:
    here = table.c.workspace_id == TENANT_ID
    wanted = table.c.id == bindparam("wanted", type_=Uuid)
    return tenant_read(f"select {table.name}.named", select(table.c.id).where(here, wanted))


_NAMED: Final = {"task_id": _named(tasks), "environment_id": _named(environments)}


class _Home(msgspec.Struct):
    id: UUID
    role: str


class _Given(msgspec.Struct):
    """What `claim_next_task` gives."""

    run: dict[str, msgspec.Raw]
    task: dict[str, msgspec.Raw]
    steps: int
    environment: msgspec.Raw
    has_secrets: bool
    xid: str


_given: Final = msgspec.json.Decoder(_Given)
_id: Final = msgspec.json.Decoder(UUID | None)
_number: Final = msgspec.json.Decoder(int)


class Lease(msgspec.Struct, frozen=True):
    """A claim that was granted: the run as it is shown, with its task.

    `xid` is that of the claim's transaction.
    """

    workspace_id: UUID
    execution_id: UUID
    environment_id: UUID | None
    version: int = 0
    shown: Mapping[str, object] = MappingProxyType({})
    has_secrets: bool = True
    xid: str = ""


def _places(claim: Claim) -> dict[str, Any]:
    return {
        "new_id": uuid7(),
        "agent": claim.agent,
        "agent_version": claim.agent_version,
        "environment": claim.environment_id,
        "labels": claim.labels or None,
        "task": claim.task_id,
        "lease_seconds": claim.lease_seconds,
        "trace_id": claim.trace_id,
    }


def _lease(row: Any, workspace_id: UUID) -> Lease | None:  # noqa: ANN401 -- a record
    if row is None or row["claimed"] is None:
        return None
    claimed = _given.decode(row["claimed"])
    shown = {
        **queries.execution_of_row(claimed.run, claimed.steps),
        "task": task_of_row(claimed.task),
        "environment": claimed.environment,
    }
    return Lease(
        workspace_id,
        _id.decode(claimed.run["id"]),
        _id.decode(claimed.run["environment_id"]),
        _number.decode(claimed.run["version"]),
        shown,
        claimed.has_secrets,
        claimed.xid,
    )


async def claim_alone(database: Database, context: Context, claim: Claim) -> Lease | None:
    """Claim in a transaction of its own, in one round trip; None when nothing fits."""
    assert context.workspace_id is not None  # noqa: S101 -- every request has one
    row = await database.change(queries.CLAIM_ALONE, context, **_places(claim))
    return _lease(row, context.workspace_id)


async def claim_within(
    transaction: Transaction, principal: Principal, claim: Claim
) -> Lease | None:
    """Claim in a transaction that carries the context; None when nothing fits."""
    place = {"workspace": principal.workspace_id, "user": principal.user_id}
    row = await transaction.row(queries.CLAIM, **place, **_places(claim))
    return _lease(row, principal.workspace_id)


async def claim_anywhere(
    database: Database, context: Context, places: Sequence[UUID], claim: Claim
) -> Lease | None:
    """Claim in the first workspace that has something, in an order drawn by lot.

    So each that has work gets the same share, however long its queue is.
    """
    for place in random.sample(places, len(places)):
        lease = await claim_alone(database, replace(context, workspace_id=place), claim)
        if lease is not None:
            return lease
    return None


async def require_what_is_named(
    database: Database, context: Context, places: Sequence[UUID], claim: Claim
) -> None:
    """Say when a claim has found nothing because what it names is in none of the workspaces.

    TASK_NOT_FOUND or ENVIRONMENT_NOT_FOUND.
    """
    for name, missing in (
        ("task_id", errors.TASK_NOT_FOUND),
        ("environment_id", errors.ENVIRONMENT_NOT_FOUND),
    ):
        wanted = getattr(claim, name)
        if wanted is None:
            continue
        there = [replace(context, workspace_id=place) for place in places]
        rows = [await database.read(_NAMED[name], each, wanted=wanted) for each in there]
        if not any(rows):
            raise ProblemError(missing)


async def workspaces_to_claim_in(
    database: Database, context: Context, principal: Principal
) -> list[UUID]:
    """Give the workspaces where the caller may claim with this credential."""
    if principal.kind == "token" and "*" not in principal.scopes:
        return [principal.workspace_id]
    row = await database.read(_HOMES, context)
    homes = msgspec.json.decode(row["homes"], type=list[_Home]) if row else []
    return [
        home.id
        for home in homes
        if WRITE in permissions_of(home.role, principal.scopes, is_agent=principal.is_agent)
    ]


async def hand_over_secrets(
    transaction: Transaction, lease: Lease, box: SecretBox, trail: Trail
) -> dict[str, str]:
    """Open the secrets of the claimed run's environment, by name, and note that in the audit trail.

    The transaction must be in the lease's workspace.
    """
    if lease.environment_id is None:
        return {}
    secrets = await reveal_secrets(transaction, lease.workspace_id, lease.environment_id, box)
    await trail.within(lease.workspace_id).record(
        transaction,
        "secret.revealed",
        ("environment", lease.environment_id),
        executionId=str(lease.execution_id),
        names=sorted(secrets),
    )
    return secrets
