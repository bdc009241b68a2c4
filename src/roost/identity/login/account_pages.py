"""The page of one's own log-in: who one is, the identities one has, more of them, and out."""

import html
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from roost import errors
from roost.db.jsontext import rows_text
from roost.db.tenancy import USER_ID, Context, tenant_read
from roost.errors import ProblemError
from roost.identity.access.authenticator import DatabaseAuthenticator
from roost.identity.access.visitor import visitor
from roost.identity.login.pages import LOGIN, go, log_in_first, private
from roost.identity.login.provider_routes import ProviderRoutes
from roost.identity.model import ReturnQuery
from roost.identity.tables import identities, users
from roost.web.endpoint import Call, Contract, Endpoint
from roost.web.pages import html_page
from roost.web.reply import Reply

ACCOUNT = "/account"
_i, _u = identities.c, users.c
_ACCOUNT = tenant_read(
    "select users.account",
    select(
        _u.email,
        _u.name,
        rows_text(
            select(_i.provider, _i.email, _i.name)
            .where(_i.user_id == USER_ID)
            .order_by(_i.created_at, _i.id)
        ).label("identities"),
    ).where(_u.id == USER_ID),
)
_KEPT = {b"set-cookie", b"ratelimit", b"ratelimit-policy"}


@dataclass(frozen=True, slots=True)
class AccountPages:
    """What somebody who is logged in can do about their log-in in a browser; nothing in it runs."""

    routes: ProviderRoutes
    authenticator: DatabaseAuthenticator

    def endpoints(self) -> list[Endpoint]:
        """Give every page with its contract."""
        return [
            Endpoint("GET", ACCOUNT, self.show, Contract(
                "The page of one's own log-in", None, media_type="text/html", tag="auth",
                also=(303,))),
            Endpoint("POST", f"{ACCOUNT}/link/{{provider:str}}", self.link, Contract(
                "Begin to add an identity from the page", "users:write", media_type="text/html",
                tag="auth", problems=(errors.PROVIDER_NOT_FOUND, errors.RATE_LIMITED))),
            Endpoint("POST", f"{ACCOUNT}/logout", self.logout, Contract(
                "Log out from the page", "users:read", media_type="text/html", tag="auth",
                status=303)),
        ]  # fmt: skip

    async def show(self, call: Call) -> Reply:
        """Show who is logged in, or lead to the log-in page."""
        principal = await visitor(self.authenticator, call)
        if principal is None:
            return log_in_first(ACCOUNT)
        context = Context(principal.workspace_id, principal.user_id, cause=call.request_id)
        row: Any = await self.routes.login.kit.database.read(_ACCOUNT, context)
        if row is None:  # erased this very moment
            raise ProblemError(errors.UNAUTHORIZED)
        reply = html_page("Your log-in · Roost", self._body(row))
        reply.header("cache-control", "no-store")  # a referrer it keeps: forms need their origin
        return reply

    def _body(self, row: Any) -> str:  # noqa: ANN401 -- a record
        names = {one.provider.id: one.provider.name for one in self.routes.service.providers}
        found = msgspec.json.decode(row["identities"])
        listed = "".join(
            f"<li>{html.escape(names.get(one['provider'], one['provider']))}: "
            f"{html.escape(one['email'] or one['name'] or 'no address')}</li>"
            for one in found
        )
        buttons = "".join(
            f'<form method="post" action="{ACCOUNT}/link/{html.escape(provider)}">'
            f"<button>Add {html.escape(name)}</button></form>"
            for provider, name in names.items()
        )
        who = html.escape(row["name"] or row["email"])
        return (
            f"<h1>{who}</h1><p>You are logged in as <b>{html.escape(row['email'])}</b>.</p>"
            f"<h2>Your identities</h2><ul>{listed or '<li>none at a log-in provider</li>'}</ul>"
            f"{buttons}<h2>Your data</h2>"
            '<p><a href="/migrate">Move what an app keeps in the browser to Roost</a></p>'
            "<h2>Leave</h2>"
            f'<form method="post" action="{ACCOUNT}/logout"><button>Log out</button></form>'
        )

    async def link(self, call: Call) -> Reply:
        """Show the way to the provider: a form may not lead to another site by itself."""
        call.query = ReturnQuery(ACCOUNT)
        done = await self.routes.link(call)
        url = msgspec.json.decode(done.body)["data"]["url"]
        name = self.routes.service.providers.find(call.request.path_params["provider"])
        title = html.escape(name.provider.name)
        reply = html_page(
            "Add an identity · Roost",
            f"<h1>Add {title}</h1><p>Log in there within ten minutes, in this browser, and it is "
            f'added.</p><p><a class="button" href="{html.escape(url)}">Go on to {title}</a></p>',
        )
        reply.headers.extend(pair for pair in done.headers if pair[0] in _KEPT)
        return private(reply)

    async def logout(self, call: Call) -> Reply:
        """Log out, and go to the log-in page."""
        done = await self.routes.login.logout(call)
        reply = go(LOGIN)
        reply.headers.extend(pair for pair in done.headers if pair[0] != b"content-type")
        return reply
