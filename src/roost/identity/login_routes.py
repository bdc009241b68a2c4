"""Logging in and out over HTTP."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from roost import errors
from roost.db.pool import Transaction
from roost.errors import ProblemError
from roost.identity.administration import LINK_PATH
from roost.identity.authenticator import DatabaseAuthenticator
from roost.identity.login import Client, end_session, log_in
from roost.identity.model import LinkQuery, Provider
from roost.web.endpoint import API, COOKIE, Call, Contract, Endpoint, session_cookie
from roost.web.kit import Kit
from roost.web.rate import Limiter, network_of
from roost.web.reply import Reply, empty, item

AFTER_LOGIN = "/docs"
MAX_AGE = 30 * 24 * 3600
_LOOPBACK = ("127.", "::1", "::ffff:127.")
_AHEAD = ("sec-purpose", "purpose", "x-purpose", "x-moz")


@dataclass(frozen=True, slots=True)
class LoginRoutes:
    """The routes of logging in and out. `production` makes cookies and links strict.

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
            Endpoint("GET", f"{API}/auth/providers", self.providers, Contract(
                "List the log-in providers that are set up", None, returns=Provider,
                listed=True)),
            Endpoint("GET", LINK_PATH, self.link, Contract(
                "Log in by a link that works once", None, query=LinkQuery, status=303,
                problems=(errors.LOGIN_LINK_INVALID, errors.LOGIN_LINK_PREFETCHED,
                          errors.FORBIDDEN, errors.RATE_LIMITED))),
            # Every role may read users, and every session may: whoever is logged in may log out.
            Endpoint("POST", f"{API}/auth/logout", self.logout, Contract(
                "Log out: end the session", "users:read", status=204)),
        ]  # fmt: skip

    async def providers(self, call: Call) -> Reply:
        """Answer which providers there are: none so far."""
        return self.kit.conditional(call, item("[]"))

    async def link(self, call: Call) -> Reply:
        """Use a link and set the cookie.

        A plain GET uses it up, so that one click, or curl, is enough: the link comes on a terminal,
        not through a mail or chat whose scanners would open it. What only looks ahead (HEAD, a
        browser's prefetch, a preview) leaves it unused.
        """
        scope = call.request.scope
        client = scope.get("client")
        address = str(client[0]) if client else ""
        if scope["method"] == "HEAD" or _looks_ahead(call):
            raise ProblemError(errors.LOGIN_LINK_PREFETCHED, headers={"cache-control": "no-store"})
        allowance = await self.limit.take(network_of(address))
        if self.production and not self._secure(scope) and not address.startswith(_LOOPBACK):
            raise ProblemError(
                errors.FORBIDDEN, "log-in links work over https only", hint="Use https."
            )
        caller = Client(
            call.header("user-agent"), address or None, session_cookie(scope), call.request_id
        )
        secret = await log_in(self.kit.database, call.query.token, caller)
        self.kit.ticks.announce()
        self.authenticator.cache.forget()
        reply = Reply(status=303)
        reply.header("location", AFTER_LOGIN)
        reply.header("cache-control", "no-store")
        reply.header("referrer-policy", "no-referrer")
        reply.header("set-cookie", self._cookie(scope, secret, MAX_AGE))
        return allowance.tell(reply)

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
            await end_session(transaction, principal.user_id, principal.credential_id)
            reply = empty()
            reply.header("set-cookie", self._cookie(call.request.scope, "", 0))
            return reply

        reply = await self.kit.change(call, work)
        self.authenticator.cache.forget()
        return reply

    def _cookie(self, scope: Any, secret: str, max_age: int) -> str:  # noqa: ANN401 -- ASGI's own
        strict = self.production and self.public_url is None
        secure = "; Secure" if strict or self._secure(scope) else ""
        return f"{COOKIE}={secret}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}"

    def _secure(self, scope: Any) -> bool:  # noqa: ANN401 -- ASGI's own
        if self.public_url is not None:
            return urlsplit(self.public_url).scheme == "https"
        return bool(scope["scheme"] == "https")


def _looks_ahead(call: Call) -> bool:
    return any((call.header(name) or "").strip() for name in _AHEAD)
