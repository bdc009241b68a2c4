"""The statements on who belongs to a workspace."""

from typing import Any

from sqlalchemy import (
    Select,
    Text,
    and_,
    any_,
    bindparam,
    delete,
    exists,
    func,
    not_,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import compiled
from roost.db.tenancy import TENANT_ID
from roost.identity.queries import USER, WORKSPACE, contains
from roost.identity.tables import identities, memberships, users
from roost.web.lists import Fields, Listing

_i, _m, _u = identities.c, memberships.c, users.c
_FIELDS: Fields = {
    "userId": _u.id,
    "email": _u.email,
    "kind": _u.kind,
    "name": _u.name,
    "avatarUrl": _u.avatar_url,
    "isActive": _u.is_active,
    "role": _m.role,
    "createdAt": _m.created_at,
}
_joined = memberships.join(users, _u.id == _m.user_id)
MEMBERS = Listing(
    "memberships.page",
    select().select_from(_joined).where(_m.workspace_id == TENANT_ID),
    _FIELDS,
    _u.id,
    {
        "createdAt": Ordering(_m.created_at),
        "name": Ordering(_u.name),
        "email": Ordering(_u.email),
    },
    "createdAt",
    {
        "search": or_(contains(_u.name), contains(_u.email)),
        "role": _m.role == any_(bindparam("role", type_=ARRAY(Text))),
    },
)


def _one(*columns: Any) -> Select[*tuple[Any, ...]]:  # noqa: ANN401 -- columns of any type
    found = select(*columns).select_from(_joined)
    return found.where(_m.workspace_id == WORKSPACE, _m.user_id == USER)


READ_MEMBER = compiled("select memberships.item", _one(object_text(_FIELDS).label("body")))
STANDING = compiled("select memberships.standing", _one(_m.role, _u.is_active, _u.kind))
LOCK_MEMBER = compiled(
    "select users.member",
    _one(_u.id, _u.email, _u.name, _u.is_active, _u.kind).with_for_update(key_share=True, of=users),
)
SET_ROLE = compiled(
    "update memberships.role",
    update(memberships)
    .where(_m.workspace_id == WORKSPACE, _m.user_id == USER)
    .values(role=bindparam("new_role", type_=Text)),
)
REMOVE_MEMBER = compiled(
    "delete memberships",
    delete(memberships).where(_m.workspace_id == WORKSPACE, _m.user_id == USER),
)
_address = bindparam("email", type_=Text)
_mine = _i.user_id == USER
HAS_EMAIL = compiled(
    "select users.email",
    select(_u.id).where(
        _u.id == USER,
        or_(
            exists().where(_mine, _i.email_verified, func.lower(_i.email) == _address),
            and_(func.lower(_u.email) == _address, not_(exists().where(_mine))),
        ),
    ),
)
"""Whether a user has proved to have an address: to a provider, or to the operator who made them.

What a provider did not verify proves nothing. Run it with that user in the context.
"""
