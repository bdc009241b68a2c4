"""The statements that read the audit trail."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSON

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.tenancy import TENANT_ID
from roost.identity.tables import audit_events, memberships, users
from roost.web.lists import Listing

_e, _m, _u = audit_events.c, memberships.c, users.c


def _object(known: ColumnElement[bool], **fields: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((known, cast(object_text(fields), JSON)))


# Who is a member no longer is an id and nothing else: their name is theirs.
_events = audit_events.outerjoin(
    memberships, and_(_m.workspace_id == _e.workspace_id, _m.user_id == _e.actor_id)
).outerjoin(users, _u.id == _m.user_id)
EVENTS = Listing(
    "audit_events.page",
    select().select_from(_events).where(_e.workspace_id == TENANT_ID),
    {
        "id": _e.id,
        "at": _e.at,
        "action": _e.action,
        "outcome": _e.outcome,
        "actorId": _e.actor_id,
        "actor": _object(_u.id.is_not(None), name=_u.name, email=_u.email, kind=_u.kind),
        "target": _object(_e.target_type.is_not(None), type=_e.target_type, id=_e.target_id),
        "credentialId": _e.credential_id,
        "address": _e.address,
        "userAgent": _e.user_agent,
        "requestId": _e.request_id,
        "details": _e.details,
    },
    _e.id,
    {"at": Ordering(_e.at)},
    "-at",
    {
        "action": _e.action == any_(bindparam("action", type_=ARRAY(Text))),
        "actor": _e.actor_id == bindparam("actor", type_=Uuid),
        "target_type": _e.target_type == bindparam("target_type", type_=Text),
        "target_id": _e.target_id == bindparam("target_id", type_=Text),
        "outcome": _e.outcome == bindparam("outcome", type_=Text),
        "after": _e.at > bindparam("after", type_=DateTime(timezone=True)),
        "before": _e.at < bindparam("before", type_=DateTime(timezone=True)),
    },
)
