"""The statements on users, identities and sessions, compiled once per shape."""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Text,
    Uuid,
    any_,
    bindparam,
    case,
    false,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.identity.access.principals import live_session
from roost.identity.tables import identities, memberships, sessions, users, workspaces
from roost.web.lists import Fields, Listing

_u, _m, _s, _w, _i = users.c, memberships.c, sessions.c, workspaces.c, identities.c
KEPT = text("interval '30 days'")
"""How long a deleted workspace can be restored; `purge_workspace` in the database knows it too."""
WORKSPACE = bindparam("workspace", type_=Uuid)
USER = bindparam("user", type_=Uuid)
_FIELDS: Fields = {
    "id": _u.id,
    "email": _u.email,
    "kind": _u.kind,
    "name": _u.name,
    "avatarUrl": _u.avatar_url,
    "profile": _u.profile,
    "preferences": _u.preferences,
    "isActive": _u.is_active,
    "role": _m.role,
    "lastLoginAt": _u.last_login_at,
    "version": _u.version,
    "createdAt": _u.created_at,
    "updatedAt": _u.updated_at,
}
_members = select().select_from(memberships.join(users, _u.id == _m.user_id))


def contains(column: ColumnElement[Any]) -> ColumnElement[bool]:
    """Say that a text has `search` in it, case aside; every character is an ordinary one."""
    return func.strpos(func.lower(column), func.lower(bindparam("search", type_=Text))) > 0


USERS = Listing(
    "users.page",
    _members.where(_m.workspace_id == TENANT_ID),
    _FIELDS,
    _u.id,
    {
        "name": Ordering(_u.name),
        "email": Ordering(_u.email),
        "lastLoginAt": Ordering(_u.last_login_at),
        "createdAt": Ordering(_u.created_at),
        "updatedAt": Ordering(_u.updated_at),
    },
    "-createdAt",
    {
        "search": or_(contains(_u.name), contains(_u.email)),
        "is_active": _u.is_active == bindparam("is_active", type_=Boolean),
        "role": _m.role == any_(bindparam("role", type_=ARRAY(Text))),
        "kind": _u.kind == bindparam("kind", type_=Text),
    },
)
_body = object_text(_FIELDS).label("body")
USER_ITEM = tenant_read(
    "select users.item",
    _members.add_columns(_body, _u.version).where(_m.workspace_id == TENANT_ID, _m.user_id == USER),
)
_here = _members.where(_m.workspace_id == WORKSPACE, _m.user_id == USER)
READ_USER = compiled("select users.item", _here.add_columns(_body, _u.version))
LOCK_USER = compiled(
    "select users.lock",
    _here.add_columns(
        _u.email, _u.name, _u.avatar_url, _u.profile, _u.preferences, _u.version, _m.role
    ).with_for_update(key_share=True, of=users),
)
FIND_IDENTITY = compiled(
    "select identities.user",
    select(_i.user_id)
    .join(memberships, _m.user_id == _i.user_id)
    .where(
        _m.workspace_id == WORKSPACE,
        _i.provider == bindparam("provider", type_=Text),
        _i.subject == bindparam("subject", type_=Text),
    ),
)
_homes = (
    select(func.count().label("count"))
    .select_from(memberships.join(workspaces, _w.id == _m.workspace_id))
    # One that can be restored is still somebody's.
    .where(or_(_w.deleted_at.is_(None), _w.deleted_at > func.now() - KEPT))
)
OTHER_HOMES = compiled(
    "select memberships.elsewhere",
    _homes.where(_m.user_id == USER, _m.workspace_id != WORKSPACE),
)
"""How many other workspaces a user belongs to; run with that user in the context."""
READ_OTHER_HOMES = tenant_read(
    "select memberships.elsewhere",
    _homes.where(_m.user_id == USER_ID, _m.workspace_id != TENANT_ID),
)
"""The same of the context's user, in a read of its own."""
OWNER_BESIDE = compiled(
    "select memberships.owner",
    _members.add_columns(_m.user_id)
    .where(_m.workspace_id == WORKSPACE, _m.role == "owner", _m.user_id != USER, _u.is_active)
    .limit(literal_column("1")),
)
HOMES = compiled(
    "select memberships.homes",
    select(_m.workspace_id, _m.role, _w.deleted_at)
    .join(workspaces, _w.id == _m.workspace_id)
    .where(_m.user_id == USER)
    .order_by(_m.workspace_id),
)
LOCK_WORKSPACE = compiled(
    "select workspaces.lock",
    select(_w.name, _w.slug, _w.version)
    .where(_w.id == WORKSPACE, _w.deleted_at.is_(None))
    .with_for_update(key_share=True),
)


def new_row(table: Any, *names: str) -> Any:  # noqa: ANN401 -- a table and its insert
    """Insert a row of these columns. Places: `new_<column>`."""
    values = {name: bindparam(f"new_{name}", type_=table.c[name].type) for name in names}
    return insert(table).values(values)


# Without RETURNING: a new user is visible to nobody until they are a member.
INSERT_USER = compiled("insert users", new_row(users, "id", "email", "name", "avatar_url"))
INSERT_IDENTITY = compiled(
    "insert identities", new_row(identities, "id", "user_id", "provider", "subject", "subject_hash")
)
INSERT_MEMBERSHIP = compiled(
    "insert memberships", new_row(memberships, "id", "workspace_id", "user_id", "role")
)


@lru_cache(maxsize=SHAPES)
def user_update(names: tuple[str, ...]) -> Statement:
    """Give the statement that sets these columns. Places: `new_<column>`, `user`."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=_u[name].type) for name in names}
    values |= {"version": _u.version + 1, "updated_at": func.now()}
    return compiled("update users", update(users).where(_u.id == USER).values(values))


_session = bindparam("session", type_=Uuid)
_with_places = bindparam("with_places", type_=Boolean)
SESSIONS = Listing(
    "sessions.page",
    select()
    .select_from(sessions.join(memberships, _m.user_id == _s.user_id))
    .where(_m.workspace_id == TENANT_ID, _s.user_id == USER, live_session()),
    {
        "id": _s.id,
        "userAgent": case((_with_places, _s.user_agent)),
        "address": case((_with_places, _s.address)),
        "lastSeenAt": _s.last_seen_at,
        "expiresAt": _s.expires_at,
        "createdAt": _s.created_at,
        "current": func.coalesce(_s.id == bindparam("current", type_=Uuid), false()),
    },
    _s.id,
    {
        "createdAt": Ordering(_s.created_at),
        "lastSeenAt": Ordering(_s.last_seen_at),
        "expiresAt": Ordering(_s.expires_at),
    },
    "-lastSeenAt",
)
_end = update(sessions).values(revoked_at=func.now()).returning(_s.id)
END_SESSIONS = compiled(
    "update sessions.all", _end.where(_s.user_id == USER, _s.revoked_at.is_(None))
)
END_SESSION = compiled(
    "update sessions.one", _end.where(_s.user_id == USER, _s.id == _session, live_session())
)
