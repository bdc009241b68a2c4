"""The identities of a user: listed, and taken away."""

from uuid import UUID

from sqlalchemy import Uuid, bindparam, delete, exists, select

from roost import errors
from roost.db.keyset import Ordering
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.db.tenancy import TENANT_ID, Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import Trail
from roost.identity.login.sessions import record_everywhere
from roost.identity.queries import USER
from roost.identity.tables import identities, memberships
from roost.web.lists import Listing
from roost.web.principal import Principal

_i, _m = identities.c, memberships.c
_one = bindparam("identity", type_=Uuid)
_other = identities.alias("other")
IDENTITIES = Listing(
    "identities.page",
    select()
    .select_from(identities.join(memberships, _m.user_id == _i.user_id))
    .where(_m.workspace_id == TENANT_ID, _i.user_id == USER),
    {
        "id": _i.id,
        "provider": _i.provider,
        "email": _i.email,
        "emailVerified": _i.email_verified,
        "name": _i.name,
        "lastLoginAt": _i.last_login_at,
        "createdAt": _i.created_at,
    },
    _i.id,
    {
        "provider": Ordering(_i.provider),
        "lastLoginAt": Ordering(_i.last_login_at),
        "createdAt": Ordering(_i.created_at),
    },
    "createdAt",
)
_FIND = compiled(
    "select identities.one",
    select(
        _i.provider,
        exists().where(_other.c.user_id == USER, _other.c.id != _i.id).label("has_others"),
    ).where(_i.id == _one, _i.user_id == USER),
)
_DELETE = compiled(
    "delete identities",
    delete(identities).where(_i.id == _one, _i.user_id == USER).returning(_i.provider),
)


async def unlink(
    transaction: Transaction,
    principal: Principal,
    identity_id: UUID,
    context: Context,
    trail: Trail,
) -> None:
    """Take an identity from its user, and the provider's tokens with it.

    IDENTITY_NOT_FOUND when it is not the user's. CONFLICT when it is the last: log-in links come
    from the operator alone, so the user could not get in again by themselves.
    """
    user_id = principal.user_id
    place = {"identity": identity_id, "user": user_id}
    # Two identities, taken away at once, would each see the other.
    await transaction.row(queries.LOCK_USER, workspace=principal.workspace_id, user=user_id)
    found = await transaction.row(_FIND, **place)
    if found is None:
        raise ProblemError(errors.IDENTITY_NOT_FOUND)
    if not found["has_others"]:
        raise ProblemError(errors.CONFLICT, "this is the user's last identity: link another first")
    await transaction.row(_DELETE, **place)
    mine = Context(user_id=user_id, cause=context.cause)
    target = ("identity", identity_id)
    await record_everywhere(
        transaction, trail, mine, "identity.unlinked", target, provider=found["provider"]
    )
    await transaction.enter(context)
