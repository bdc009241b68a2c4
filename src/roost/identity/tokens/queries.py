"""The statements on access tokens."""

from sqlalchemy import (
    Boolean,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    false,
    func,
    literal_column,
    or_,
    select,
    update,
)

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import compiled
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.identity.queries import USER, WORKSPACE, new_row
from roost.identity.tables import access_tokens, memberships, users
from roost.web.lists import Fields, Listing

_t, _m, _u = access_tokens.c, memberships.c, users.c
_TOKEN = bindparam("token", type_=Uuid)
_KIND = case(
    (_u.kind == "agent", literal_column("'service'", Text)),
    else_=literal_column("'personal'", Text),
)
_FIELDS: Fields = {
    "id": _t.id,
    "userId": _t.user_id,
    "kind": _KIND,
    "role": _m.role,
    "name": _t.name,
    "scopes": _t.scopes,
    "hint": _t.hint,
    "expiresAt": _t.expires_at,
    "lastUsedAt": _t.last_used_at,
    "createdAt": _t.created_at,
}
_unrevoked = (
    select()
    .select_from(
        access_tokens.join(
            memberships, and_(_m.workspace_id == _t.workspace_id, _m.user_id == _t.user_id)
        ).join(users, _u.id == _t.user_id)
    )
    .where(_t.revoked_at.is_(None))
)
TOKENS = Listing(
    "access_tokens.page",
    _unrevoked.where(_t.workspace_id == TENANT_ID),
    _FIELDS,
    _t.id,
    {
        "createdAt": Ordering(_t.created_at),
        "name": Ordering(_t.name),
        "expiresAt": Ordering(_t.expires_at),
        "lastUsedAt": Ordering(_t.last_used_at),
    },
    "-createdAt",
    {
        "mine": _t.user_id == USER_ID,
        "kind": bindparam("kind", type_=Text) == _KIND,
        "expired": bindparam("expired", type_=Boolean)
        == func.coalesce(_t.expires_at <= func.now(), false()),
    },
)
_any_user = bindparam("any_user", type_=Boolean)
_body = object_text(_FIELDS).label("body")
TOKEN = tenant_read(
    "select access_tokens.item",
    _unrevoked.add_columns(_body).where(
        _t.workspace_id == TENANT_ID, _t.id == _TOKEN, or_(_t.user_id == USER_ID, _any_user)
    ),
)
READ_TOKEN = compiled(
    "select access_tokens.item",
    _unrevoked.add_columns(_body).where(_t.workspace_id == WORKSPACE, _t.id == _TOKEN),
)
# Without RETURNING: a new user is visible to nobody until they are a member.
INSERT_AGENT = compiled("insert users.agent", new_row(users, "id", "email", "name", "kind"))
RETIRE_AGENT = compiled(
    "update users.retire",
    update(users)
    .where(_u.id == USER, _u.kind == "agent", _u.is_active)
    .values(is_active=false(), version=_u.version + 1, updated_at=func.now())
    .returning(_u.id),
)
"""Deactivates an agent, and leaves a person as they are."""
INSERT_TOKEN = compiled(
    "insert access_tokens",
    new_row(
        access_tokens,
        "workspace_id",
        "id",
        "user_id",
        "name",
        "token_hash",
        "hint",
        "scopes",
        "expires_at",
    ),
)
EXPIRY = compiled(
    "select access_tokens.expiry",
    select(_t.expires_at)
    .where(_t.workspace_id == WORKSPACE, _t.id == _TOKEN, _t.revoked_at.is_(None))
    .with_for_update(read=True),
)
"""When a token that is not revoked expires; nobody revokes it before the transaction's end."""
OF_WHOM = compiled(
    "select access_tokens.user",
    select(_t.user_id).where(
        _t.workspace_id == WORKSPACE,
        _t.id == _TOKEN,
        _t.revoked_at.is_(None),
        or_(_t.user_id == USER, _any_user),
    ),
)
_revoke = (
    update(access_tokens)
    .values(revoked_at=func.now())
    .where(_t.workspace_id == WORKSPACE, _t.revoked_at.is_(None))
    .returning(_t.id, _t.user_id, _t.name)
)
REVOKE = compiled("update access_tokens.one", _revoke.where(_t.id == _TOKEN, _t.user_id == USER))
REVOKE_ALL = compiled("update access_tokens.all", _revoke.where(_t.user_id == USER))
