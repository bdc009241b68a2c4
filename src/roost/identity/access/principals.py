"""The statements that find out who asks: one round trip each, closed unless all is well."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    extract,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY

from roost.db.tenancy import (
    CREDENTIAL_HASH,
    USER,
    USER_ID,
    WORKSPACE,
    credential_read,
    fenced,
    set_local,
)
from roost.identity.tables import access_tokens, memberships, sessions, users, workspaces

IDLE = text("interval '7 days'")
"""How long a session lives without being used."""
LIFETIME = text("interval '30 days'")
"""How long a session lives at most."""
_t, _s, _m, _u, _w = access_tokens.c, sessions.c, memberships.c, users.c, workspaces.c


def live_session() -> ColumnElement[bool]:
    """Say that a session has neither ended nor been left alone for too long."""
    return and_(
        _s.revoked_at.is_(None),
        _s.expires_at > func.now(),
        _s.last_seen_at > func.now() - IDLE,
    )


def _seconds_left(until: ColumnElement[Any]) -> ColumnElement[float]:
    return cast(extract("epoch", until - func.now()), Float)


_wanted: ColumnElement[str] = bindparam("wanted", type_=Text, required=True)
_found_scopes = cast(literal_column("found.scopes"), ARRAY(Text))
_at_home = _w.id == cast(literal_column("found.workspace_id"), Uuid)
_of_wanted = or_(cast(_w.id, Text) == func.lower(_wanted), _w.slug == _wanted)
_my_workspaces = (
    select(_w.id, _w.slug, _m.role)
    .select_from(memberships)
    .join(workspaces, _w.id == _m.workspace_id)
    .where(_m.user_id == USER_ID, _w.deleted_at.is_(None))
)
_of_token = fenced(
    _my_workspaces.where(
        case(
            (_wanted == "", _at_home),
            else_=and_(_of_wanted, or_(literal("*") == any_(_found_scopes), _at_home)),
        )
    ).limit(literal_column("1")),
    "home",
)
TOKEN_PRINCIPAL = credential_read(
    "select principal of token",
    select(
        _t.id,
        _t.workspace_id,
        _t.user_id,
        _t.scopes,
        _seconds_left(_t.expires_at).label("seconds_left"),
    ).where(
        _t.token_hash == CREDENTIAL_HASH,
        _t.revoked_at.is_(None),
        or_(_t.expires_at.is_(None), _t.expires_at > func.now()),
    ),
    select(
        set_local(WORKSPACE, "workspace_id").label("workspace_id"),
        set_local(USER, "user_id").label("user_id"),
    ),
    select(_of_token.c.id.label("workspace_id"), _of_token.c.slug, _of_token.c.role, _u.kind)
    .select_from(users.outerjoin(_of_token, true()))
    .where(_u.id == USER_ID, _u.is_active),
)
"""Finds a live token, the workspace asked for, and its user's role there; null when there is none.

A token is bound to its workspace, unless its scope is `*`: then it reaches all of its user's.
"""

_homes = fenced(
    _my_workspaces.where(or_(_wanted == "", _of_wanted))
    # A user's own workspace is the oldest of those they own.
    .order_by((_m.role == "owner").desc(), _m.created_at, _w.id)
    .limit(literal_column("1")),
    "home",
)
SESSION_PRINCIPAL = credential_read(
    "select principal of session",
    select(
        _s.id,
        _s.user_id,
        _seconds_left(func.least(_s.expires_at, _s.last_seen_at + IDLE)).label("seconds_left"),
    ).where(_s.token_hash == CREDENTIAL_HASH, live_session()),
    select(
        literal_column("''", Text).label("workspace_id"),
        set_local(USER, "user_id").label("user_id"),
    ),
    select(_homes.c.id.label("workspace_id"), _homes.c.slug, _homes.c.role, _u.kind)
    .select_from(users.outerjoin(_homes, true()))
    .where(_u.id == cast(literal_column("tenant.user_id"), Uuid), _u.is_active),
)
"""Finds a live session and the workspace asked for; its id is null when the user has none such."""
