"""The statements on workspaces and who belongs to them."""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    null,
    select,
    update,
)

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import SHAPES, Statement, compiled
from roost.db.tenancy import TENANT_ID, USER_ID, tenant_read
from roost.identity.queries import KEPT, USER, WORKSPACE, new_row
from roost.identity.tables import memberships, users, workspaces
from roost.web.lists import Fields, Listing

_w, _m, _u = workspaces.c, memberships.c, users.c
_FIELDS: Fields = {
    "id": _w.id,
    "slug": _w.slug,
    "name": _w.name,
    "role": _m.role,
    "createdBy": _w.created_by,
    "version": _w.version,
    "createdAt": _w.created_at,
    "updatedAt": _w.updated_at,
    "deletedAt": _w.deleted_at,
    "restorableUntil": _w.deleted_at + KEPT,
}
_all = select().select_from(workspaces.join(memberships, _m.workspace_id == _w.id))
_live = _all.where(_w.deleted_at.is_(None))
WORKSPACES = Listing(
    "workspaces.page",
    _all.where(_m.user_id == USER_ID),
    _FIELDS,
    _w.id,
    {
        "name": Ordering(_w.name),
        "createdAt": Ordering(_w.created_at),
        "updatedAt": Ordering(_w.updated_at),
    },
    "createdAt",
    {
        "only": _w.id == bindparam("only", type_=Uuid),
        "live": _w.deleted_at.is_(None),
        "restorable": and_(_w.deleted_at > func.now() - KEPT, _m.role == "owner"),
    },
)
_body = object_text(_FIELDS).label("body")
WORKSPACE_ITEM = tenant_read(
    "select workspaces.item",
    _live.add_columns(_body, _w.version).where(_w.id == TENANT_ID, _m.user_id == USER_ID),
)
READ_WORKSPACE = compiled(
    "select workspaces.item",
    _live.add_columns(_body, _w.version).where(_w.id == WORKSPACE, _m.user_id == USER),
)
ROLE = compiled(
    "select memberships.role",
    _live.add_columns(_m.role).where(_w.id == WORKSPACE, _m.user_id == USER),
)
OTHERS = compiled(
    "select memberships.others",
    _live.add_columns(_w.id)
    .where(_m.user_id == USER, _w.id != WORKSPACE)
    .limit(literal_column("1")),
)
_owner = memberships.alias("owner")
LOCK_MEMBERS = compiled(
    "select users.members",
    select(_u.id, _u.email, _u.name, _u.is_active, _u.kind)
    .join(memberships, _m.user_id == _u.id)
    .where(
        _m.workspace_id == WORKSPACE,
        _u.is_active,
        exists().where(
            _owner.c.workspace_id == WORKSPACE, _owner.c.user_id == USER, _owner.c.role == "owner"
        ),
    )
    .order_by(_u.id)
    .with_for_update(key_share=True, of=users),
)
"""Locks the active members of a workspace for an owner of it, and nobody for anybody else."""
INSERT_WORKSPACE = compiled(
    "insert workspaces", new_row(workspaces, "id", "slug", "name", "created_by")
)
DELETE_WORKSPACE = compiled(
    "update workspaces.delete",
    update(workspaces)
    .where(_w.id == WORKSPACE)
    .values(deleted_at=func.now(), version=_w.version + 1, updated_at=func.now()),
)
# The membership first: a workspace of others takes no more to look up than none.
_own = select(_m.workspace_id).where(_m.workspace_id == WORKSPACE, _m.user_id == USER)
LOCK_DELETED = compiled(
    "select workspaces.lock",
    select(_w.deleted_at, (_w.deleted_at > func.now() - KEPT).label("restorable"))
    .where(_w.id == _own.scalar_subquery())
    .with_for_update(key_share=True, of=workspaces),
)
"""Locks a workspace, deleted or not, for a member of it."""
OWNS = compiled(
    "select memberships.owns",
    select(_m.id).where(_m.workspace_id == WORKSPACE, _m.user_id == USER, _m.role == "owner"),
)
RESTORE_WORKSPACE = compiled(
    "update workspaces.restore",
    update(workspaces)
    .where(_w.id == WORKSPACE)
    .values(deleted_at=null(), version=_w.version + 1, updated_at=func.now()),
)


@lru_cache(maxsize=SHAPES)
def workspace_update(names: tuple[str, ...]) -> Statement:
    """Give the statement that sets these columns. Places: `new_<column>`, `workspace`."""
    values: dict[str, Any] = {name: bindparam(f"new_{name}", type_=_w[name].type) for name in names}
    values |= {"version": _w.version + 1, "updated_at": func.now()}
    statement = update(workspaces).where(_w.id == WORKSPACE).values(values)
    return compiled("update workspaces", statement)
