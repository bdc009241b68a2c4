"""Whose data it becomes, at the command line: a user and a workspace of theirs."""

from typing import Any
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select

from roost.db.statements import compiled
from roost.identity import administration
from roost.identity.administration import OperatorError
from roost.identity.tables import memberships, workspaces

_m, _w = memberships.c, workspaces.c
_HOME = compiled(
    "select workspaces.home",
    select(_w.id)
    .join(memberships, _m.workspace_id == _w.id)
    .where(_m.user_id == bindparam("user", type_=Uuid), _w.deleted_at.is_(None))
    .order_by((_m.role == "owner").desc(), _m.created_at, _w.id),
)


async def find_owner(connection: Any, email: str | None) -> tuple[UUID, UUID]:  # noqa: ANN401 -- asyncpg's
    """Find a user, the first one by default, and their own workspace; OperatorError when none.

    `connection` is the owner's of the tables.
    """
    user_id = await administration.find_user(connection, email)
    row = await connection.fetchrow(_HOME.sql, *_HOME.arguments({"user": user_id}))
    if row is None:
        message = "the user is a member of no workspace"
        raise OperatorError(message)
    return user_id, row["id"]
