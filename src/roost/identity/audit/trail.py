"""The audit trail: who did what, from where, written in the transaction of the deed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self
from uuid import UUID

import msgspec
from sqlalchemy import ARRAY, Text, Uuid, bindparam, cast, func, insert, select
from sqlalchemy.dialects.postgresql import JSONB
from uuid_utils.compat import uuid7

from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.identity.queries import new_row
from roost.identity.tables import audit_events
from roost.web.endpoint import Call

ACTIONS: Mapping[str, str] = {
    "login.succeeded": "Somebody logged in.",
    "login.failed": "A log-in of a known user was refused.",
    "login.link_created": "The operator made a link that logs a user in.",
    "logout": "A session was ended by its user.",
    "session.revoked": "One session, or all of a user's, was ended.",
    "identity.linked": "A provider's identity was added to a user.",
    "identity.unlinked": "A provider's identity was taken from a user.",
    "token.created": "An access token was made.",
    "token.revoked": "An access token was revoked.",
    "user.added": "A user was added to the workspace.",
    "user.updated": "Somebody's profile was changed by somebody else.",
    "user.deactivated": "A user was deactivated.",
    "workspace.created": "The workspace was made.",
    "workspace.updated": "The workspace's name or slug was changed.",
    "workspace.deleted": "The workspace was deleted.",
    "workspace.restored": "The deleted workspace was brought back.",
    "workspace.transferred": "The workspace was given to another owner.",
    "member.joined": "Somebody became a member.",
    "member.role_changed": "A member was given another role.",
    "member.removed": "A member was removed.",
    "member.left": "A member left.",
    "invitation.created": "An invitation was made.",
    "invitation.revoked": "An invitation was revoked.",
    "secret.set": "Secrets were set: an environment's, or a user's own by a migration.",
    "secret.deleted": "Secrets were removed, an environment's or a user's own.",
    "secret.revealed": "An environment's secrets were handed to whoever claimed a task.",
    "data.exported": "Data was exported.",
    "migration.undone": "A migration of a browser's data was undone, or its undo was.",
    "data.erased": "A user's data was erased.",
    "alert_rule.created": "A rule for alerts was made.",
    "alert_rule.updated": "A rule for alerts was changed, enabled or disabled.",
    "alert_rule.deleted": "A rule for alerts was deleted.",
    "alert_channel.created": "A channel for alerts was made.",
    "alert_channel.updated": "A channel for alerts was changed, enabled or disabled.",
    "alert_channel.deleted": "A channel for alerts was deleted.",
    "index_change.begun": "Advice on an index of the database began to be carried out.",
    "index_change.cancelled": "A change of an index was asked to stop.",
}
"""Every action there is, and what it means."""
MAX_ADDRESS = 100
MAX_USER_AGENT = 500
_INSERT = compiled(
    "insert audit_events",
    new_row(
        audit_events,
        "workspace_id",
        "id",
        "actor_id",
        "action",
        "outcome",
        "target_type",
        "target_id",
        "credential_id",
        "address",
        "user_agent",
        "request_id",
    ).values(details=bindparam("new_details", type_=JSONB)),
)
_several = (
    func.unnest(
        bindparam("ids", type_=ARRAY(Uuid)),
        bindparam("target_ids", type_=ARRAY(Text)),
        bindparam("details", type_=ARRAY(Text)),
    )
    .table_valued("id", "target_id", "details", name="new")
    .render_derived()
)
_ALIKE = ("workspace_id", "actor_id", "action", "target_type", "request_id")
_INSERT_SEVERAL = compiled(
    "insert audit_events.several",
    insert(audit_events).from_select(
        [*_ALIKE, "id", "target_id", "details"],
        select(
            *(bindparam(f"new_{name}", type_=audit_events.c[name].type) for name in _ALIKE),
            _several.c.id,
            _several.c.target_id,
            cast(_several.c.details, JSONB),
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Trail:
    """Who does it, where, and from where. The transaction must be in that workspace."""

    workspace_id: UUID | None
    actor_id: UUID | None
    credential_id: UUID | None = None
    address: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    @property
    def context(self) -> Context:
        """The context of a transaction that it can be written in."""
        return Context(self.workspace_id, self.actor_id, cause=self.request_id)

    def within(self, workspace_id: UUID) -> Self:
        """Give the same for another workspace."""
        return replace(self, workspace_id=workspace_id)

    def placeless(self) -> Self:
        """Give the same without where it came from."""
        return replace(self, address=None, user_agent=None)

    async def record(
        self,
        transaction: Transaction,
        action: str,
        target: tuple[str, object] | None = None,
        *,
        outcome: Literal["success", "failure"] = "success",
        **details: object,
    ) -> None:
        """Write an event. `target` is a kind of thing and its id; `details` never hold secrets."""
        _require_known(action)
        await transaction.row(
            _INSERT,
            new_workspace_id=self.workspace_id,
            new_id=uuid7(),
            new_actor_id=self.actor_id,
            new_action=action,
            new_outcome=outcome,
            new_target_type=target[0] if target else None,
            new_target_id=str(target[1]) if target else None,
            new_credential_id=self.credential_id,
            new_address=stored(self.address, MAX_ADDRESS),
            new_user_agent=stored(self.user_agent, MAX_USER_AGENT),
            new_request_id=self.request_id,
            new_details=msgspec.json.encode(details).decode(),
        )

    async def record_several(
        self,
        transaction: Transaction,
        action: str,
        kind: str,
        events: Sequence[tuple[object, Mapping[str, Any]]],
    ) -> None:
        """Write many events in one statement: a target's id and the details for each.

        For what is done in the background: they have no address, user agent or credential.
        """
        _require_known(action)
        if events:
            await transaction.row(
                _INSERT_SEVERAL,
                new_workspace_id=self.workspace_id,
                new_actor_id=self.actor_id,
                new_action=action,
                new_target_type=kind,
                new_request_id=self.request_id,
                ids=[uuid7() for _ in events],
                target_ids=[str(target) for target, _ in events],
                details=[msgspec.json.encode(details).decode() for _, details in events],
            )


def _require_known(action: str) -> None:
    if action not in ACTIONS:
        message = f"{action!r} is not among the actions of the audit trail"
        raise ValueError(message)


def trail_of(call: Call) -> Trail:
    """Say who does it, from a request with a log-in."""
    principal = call.principal
    return Trail(
        principal.workspace_id,
        principal.user_id,
        principal.credential_id,
        address_of(call),
        call.header("user-agent"),
        call.request_id,
    )


def address_of(call: Call) -> str | None:
    """Give the caller's address, as the server sees it."""
    client = call.request.scope.get("client")
    return str(client[0]) if client else None


def stored(text: str | None, longest: int) -> str | None:
    """Make a text from outside fit for the database."""
    return None if text is None else text.replace("\x00", "")[:longest]
