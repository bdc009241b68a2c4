"""Logging in and out over HTTP."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.administration import LINK_PATH
from roost.identity.audit.trail import address_of, trail_of
from roost.identity.login.pages import private
from roost.identity.login.return_to import AFTER_LOGIN
from roost.identity.login.sessions import Client, end_session, log_in
from roost.identity.model import LinkQuery
from roost.web.endpoint import API, COOKIE, Call, Contract, Endpoint, session_cookie
from roost.web.kit import Kit
from roost.web.rate import Limiter, network_of
from roost.web.reply import Reply, empty

MAX_AGE = 30 * 24 * 3600
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


@dataclass(frozen=True, slots=True)
class LoginRoutes:
    """The routes of logging in by a link, and out. `production` makes cookies and links strict.

    With a `public_url`, its scheme says whether people come by https, whatever the proxy does
    behind it. `limit` counts by the client's address.
    """

    kit: Kit
    authenticator: DatabaseAuthenticator
    limit: Limiter
    production: bool
    public_url: str | None = None

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", LINK_PATH, self.link, Contract(
                "Log in by a link that works once", None, query=LinkQuery, status=303,
                problems=(errors.LOGIN_LINK_INVALID, errors.LOGIN_LINK_PREFETCHED,
                          errors.FORBIDDEN, errors.RATE_LIMITED))),
            # Every role may read users, and every session may: whoever is logged in may log out.
            Endpoint("POST", f"{API}/auth/logout", self.logout, Contract(
                "Log out: end the session", "users:read", status=204)),
        ]  # fmt: skip

    async def link(self, call: Call) -> Reply:
        """Use a link and set the cookie.

        A plain GET uses it up, so that one click, or curl, is enough: the link comes on a terminal,
        not through a mail or chat whose scanners would open it. What only looks ahead (HEAD, a
        browser's prefetch, a preview) leaves it unused.
        """
        self.refuse_ahead(call)
        allowance = await self.limit.take(network_of(address_of(call) or ""))
        self.require_secure(call)
        secret = await log_in(self.kit.database, call.query.token, client_of(call))
        return allowance.tell(self.logged_in(call, secret, AFTER_LOGIN))

    def logged_in(self, call: Call, secret: str, way: str) -> Reply:
        """Answer with a new session's cookie, and the way on."""
        self.kit.ticks.announce()
        self.authenticator.cache.forget()
        reply = Reply(status=303)
        reply.header("location", way)
        reply.header("set-cookie", self._cookie(call.request.scope, secret, MAX_AGE))
        return private(reply)

    def refuse_ahead(self, call: Call) -> None:
        """Refuse what only looks ahead (HEAD, a browser's prefetch, a preview)."""
        ahead = any((call.header(name) or "").strip() for name in _AHEAD)
        if call.request.scope["method"] == "HEAD" or ahead:
            raise ProblemError(errors.LOGIN_LINK_PREFETCHED, headers={"cache-control": "no-store"})

    def require_secure(self, call: Call) -> None:
        """In production, let nobody log in over plain HTTP from another machine."""
        near = (address_of(call) or "").startswith(_LOOPBACK)
        if self.production and not self.secure(call.request.scope) and not near:
            raise ProblemError(errors.FORBIDDEN, "log-in works over https only", hint="Use https.")

    async def logout(self, call: Call) -> Reply:
        """End the session that asks."""
        principal = call.principal
        if principal.kind != "session":
            raise ProblemError(
                errors.FORBIDDEN,
                "a token has no session to end",
                hint="DELETE /api/v1/tokens/{id} revokes a token.",
            )

        async def work(transaction: Transaction) -> Reply:
            session_id = principal.credential_id
            await end_session(transaction, principal.user_id, session_id)
            await trail_of(call).record(transaction, "logout", ("session", session_id))
            return self.logged_out(call, empty())

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply

    def logged_out(self, call: Call, reply: Reply) -> Reply:
        """Let the browser forget the session, and what it has kept of Roost."""
        reply.header("set-cookie", self._cookie(call.request.scope, "", 0))
        reply.header("clear-site-data", '"cache", "storage"')
        return reply

    def _cookie(self, scope: Any, secret: str, max_age: int) -> str:  # noqa: ANN401 -- ASGI's own
        return f"{COOKIE}={secret}; Path=/; Max-Age={max_age}; {self.attributes(scope)}"

    def attributes(self, scope: Any) -> str:  # noqa: ANN401 -- ASGI's own
        """Give what every cookie has: no script reads it, no other site sends it along."""
        strict = self.production and self.public_url is None
        return "HttpOnly; SameSite=Lax" + ("; Secure" if strict or self.secure(scope) else "")

    def secure(self, scope: Any) -> bool:  # noqa: ANN401 -- ASGI's own
        """Whether the browser came by https."""
        if self.public_url is not None:
            return urlsplit(self.public_url).scheme == "https"
        return bool(scope["scheme"] == "https")


def client_of(call: Call) -> Client:
    """Say where a log-in comes from."""
    session = session_cookie(call.request.scope)
    return Client(call.header("user-agent"), address_of(call), session, call.request_id)
