"""Who looks at a page that everybody may see."""

from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
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
