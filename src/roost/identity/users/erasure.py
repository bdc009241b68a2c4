"""Erasing a user: all that is theirs goes, and what they did for others stays without a name.

What goes is written in the database's function `erase_user`: it acts on the user in whose name the
transaction is and on nobody else, whatever it is told.
"""

from dataclasses import replace
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Text, func, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from roost import errors
from roost.db.pool import Transaction
from roost.db.statements import compiled
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.audit.trail import Trail
from roost.identity.queries import USER
from roost.identity.tables import users
from roost.web.query import invalid

TIME_LIMIT = 600
"""Seconds: the whole journal is looked through for the user's words."""
_LOCK_SELF = compiled(
    "select users.self",
    select(users.c.email, users.c.erased_at).where(users.c.id == USER).with_for_update(),
)
_ALLOW_TIME = compiled(
    "select setting",
    select(
        func.set_config(
            literal_column("'statement_timeout'", Text),
            literal_column(f"'{TIME_LIMIT}s'", Text),
            literal_column("true", Boolean),
        )
    ),
)
_ERASE = compiled(
    "select erase_user",
    select(type_coerce(func.erase_user(), ARRAY(Text)).label("stuck")),
)


async def erase_user(
    transaction: Transaction,
    user_id: UUID,
    context: Context,
    trail: Trail,
    *,
    confirm: str | None = None,
) -> None:
    """Erase the user, in this one transaction; to do it again changes nothing.

    With `confirm`, VALIDATION_ERROR unless that is their e-mail address. CONFLICT when they are
    the last owner of a workspace that has other members. Workspaces of theirs alone are purged.
    """
    alone = Context(None, user_id, cause=context.cause)
    await transaction.enter(alone)
    # Nothing of theirs is written from here on: who is about to is waited for.
    row = await transaction.row(_LOCK_SELF, user=user_id)
    if row is None:
        raise ProblemError(errors.USER_NOT_FOUND)
    if confirm is not None and confirm.lower() != row["email"].lower():
        raise invalid("confirm", "is not your e-mail address", "mismatch")
    for home in await transaction.rows(queries.HOMES, user=user_id):
        await transaction.enter(replace(alone, workspace_id=home["workspace_id"]))
        await trail.within(home["workspace_id"]).record(
            transaction, "data.erased", ("user", user_id)
        )
    await transaction.enter(alone)
    await transaction.row(_ALLOW_TIME)
    done: Any = await transaction.connection.fetchval(_ERASE.sql, timeout=TIME_LIMIT)
    if done:
        raise ProblemError(
            errors.CONFLICT,
            f"they are the last owner of {', '.join(done)}, which has other members",
            hint="Give the workspace to another owner, or delete it, and try again.",
        )
