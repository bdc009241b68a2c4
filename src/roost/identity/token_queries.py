"""The statements on access tokens."""

from sqlalchemy import Uuid, bindparam, func, or_, select, update
from sqlalchemy.sql.expression import true

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import compiled
from roost.db.tenancy import TENANT_ID, USER_ID
from roost.identity.queries import USER, WORKSPACE, new_row
from roost.identity.tables import access_tokens
from roost.web.lists import Fields, Listing

_t = access_tokens.c
_FIELDS: Fields = {
    "id": _t.id,
    "userId": _t.user_id,
    "name": _t.name,
    "scopes": _t.scopes,
    "hint": _t.hint,
    "expiresAt": _t.expires_at,
    "lastUsedAt": _t.last_used_at,
    "createdAt": _t.created_at,
}
TOKENS = Listing(
    "access_tokens.page",
    select()
    .select_from(access_tokens)
    .where(_t.workspace_id == TENANT_ID, _t.revoked_at.is_(None)),
    _FIELDS,
    _t.id,
    {
        "createdAt": Ordering(_t.created_at),
        "name": Ordering(_t.name),
        "expiresAt": Ordering(_t.expires_at),
        "lastUsedAt": Ordering(_t.last_used_at),
    },
    "-createdAt",
    {"mine": _t.user_id == USER_ID},
)
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
    ).returning(object_text(_FIELDS).label("body")),
)
EXPIRY = compiled(
    "select access_tokens.expiry",
    select(_t.expires_at).where(
        _t.workspace_id == WORKSPACE, _t.id == bindparam("token", type_=Uuid)
    ),
)
_revoke = (
    update(access_tokens)
    .values(revoked_at=func.now())
    .where(_t.workspace_id == WORKSPACE, _t.revoked_at.is_(None))
    .returning(_t.id)
)
REVOKE = compiled(
    "update access_tokens.one",
    _revoke.where(
        _t.id == bindparam("token", type_=Uuid),
        or_(_t.user_id == USER, bindparam("any_user", type_=true().type)),
    ),
)
REVOKE_ALL = compiled("update access_tokens.all", _revoke.where(_t.user_id == USER))
