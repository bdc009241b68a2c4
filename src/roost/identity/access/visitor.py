"""Who looks at a page that everybody may see."""

from dataclasses import dataclass
from typing import Any

import msgspec

from roost import errors
from roost.db.pool import Database
from roost.db.tenancy import Context
from roost.errors import ProblemError
from roost.identity import queries
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.workspaces.queries import WORKSPACE_ITEM
from roost.web.endpoint import Call, session_cookie
from roost.web.principal import Principal


async def visitor(authenticator: DatabaseAuthenticator, call: Call) -> Principal | None:
    """Give the one whose session the browser has, if there is one."""
    cookie = session_cookie(call.request.scope)
    if cookie is None:
        return None
    try:
        return await authenticator.authenticate(None, cookie, None)
    except ProblemError:  # somebody without a workspace
        return None


@dataclass(frozen=True, slots=True)
class Names:
    """How people know a user and the workspace they are in."""

    email: str
    workspace: str


async def names_of(database: Database, principal: Principal, call: Call) -> Names:
    """Say who that is, and where; UNAUTHORIZED when one of them is gone by now."""
    context = Context(principal.workspace_id, principal.user_id, cause=call.request_id)
    user: Any = await database.read(queries.USER_ITEM, context, user=principal.user_id)
    workspace: Any = await database.read(WORKSPACE_ITEM, context)
    if user is None or workspace is None:
        raise ProblemError(errors.UNAUTHORIZED)
    email = msgspec.json.decode(user["body"])["email"]
    return Names(email, msgspec.json.decode(workspace["body"])["name"])
