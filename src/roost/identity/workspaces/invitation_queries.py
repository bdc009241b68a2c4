"""The statements on invitations: found in the workspace, or by whoever presents the secret."""

from sqlalchemy import Text, Uuid, and_, bindparam, func, literal_column, or_, select, update

from roost.db.jsontext import object_text
from roost.db.keyset import Ordering
from roost.db.statements import compiled
from roost.db.tenancy import (
    CREDENTIAL_HASH,
    TENANT_ID,
    credential_read,
    set_local,
)
from roost.db.tenancy import (
    WORKSPACE as TENANT_SETTING,
)
from roost.identity.queries import USER, WORKSPACE, new_row
from roost.identity.tables import invitations, memberships, users, workspaces
from roost.web.lists import Fields, Listing

_i, _m, _u, _w = invitations.c, memberships.c, users.c, workspaces.c
_FIELDS: Fields = {
    "id": _i.id,
    "role": _i.role,
    "email": _i.email,
    "createdBy": _i.created_by,
    "expiresAt": _i.expires_at,
    "createdAt": _i.created_at,
}
_INVITATION = bindparam("invitation", type_=Uuid)
_unused = and_(_i.accepted_at.is_(None), _i.revoked_at.is_(None), _i.expires_at > func.now())
# An invitation is worth what its maker may still do.
_open = (
    select()
    .select_from(
        invitations.join(
            memberships,
            and_(_m.workspace_id == _i.workspace_id, _m.user_id == _i.created_by),
        ).join(users, _u.id == _m.user_id)
    )
    .where(_unused, or_(_m.role == "owner", _m.role == "admin"), _u.is_active)
)
INVITATIONS = Listing(
    "invitations.page",
    _open.where(_i.workspace_id == TENANT_ID),
    _FIELDS,
    _i.id,
    {"createdAt": Ordering(_i.created_at), "expiresAt": Ordering(_i.expires_at)},
    "-createdAt",
)
INSERT_INVITATION = compiled(
    "insert invitations",
    new_row(
        invitations,
        "workspace_id",
        "id",
        "token_hash",
        "role",
        "email",
        "created_by",
        "expires_at",
    ).returning(object_text(_FIELDS).label("body")),
)
REVOKE_INVITATION = compiled(
    "update invitations.revoke",
    update(invitations)
    .where(_i.workspace_id == WORKSPACE, _i.id == _INVITATION, _unused)
    .values(revoked_at=func.now())
    .returning(_i.id),
)
FIND_INVITATION = compiled(
    "select invitations.presented",
    select(_i.workspace_id, _i.id).where(
        _i.token_hash == bindparam("token_hash", type_=_i.token_hash.type)
    ),
)
"""Run with the secret's hash as the context's credential."""
OPEN_INVITATION = compiled(
    "select invitations.open",
    _open.add_columns(_i.role, func.lower(_i.email).label("email")).where(
        _i.workspace_id == WORKSPACE, _i.id == _INVITATION
    ),
)
ACCEPT_INVITATION = compiled(
    "update invitations.accept",
    update(invitations)
    .where(_i.workspace_id == WORKSPACE, _i.id == _INVITATION)
    .values(accepted_at=func.now(), accepted_by=USER),
)
_preview: Fields = {
    "workspaceName": _w.name,
    "role": _i.role,
    "invitedBy": _u.name,
    "isPersonal": _i.email.is_not(None),
    "expiresAt": _i.expires_at,
}
PREVIEW = credential_read(
    "select invitations.preview",
    select(_i.workspace_id, _i.id).where(_i.token_hash == CREDENTIAL_HASH, _unused),
    select(
        set_local(TENANT_SETTING, "workspace_id").label("workspace_id"),
        literal_column("found.id", Text).label("invitation_id"),
    ),
    _open.join_from(memberships, workspaces, _w.id == _m.workspace_id)
    .where(
        _i.workspace_id == TENANT_ID,
        _i.id == literal_column("tenant.invitation_id", Uuid),
        _w.deleted_at.is_(None),
    )
    .add_columns(object_text(_preview).label("body")),
)
