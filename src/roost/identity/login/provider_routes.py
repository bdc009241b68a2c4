"""Logging in by a provider over HTTP."""

from dataclasses import dataclass
from urllib.parse import parse_qsl

import msgspec

from roost import errors
from roost.errors import ProblemError
from roost.identity.access import credentials
from roost.identity.audit.trail import address_of
from roost.identity.login.attempts import LIFE_SECONDS
from roost.identity.login.pages import LOGIN, login_page, login_path, private, privately
from roost.identity.login.provider_login import CallbackQuery, ProviderLogin
from roost.identity.login.return_to import way_back
from roost.identity.login.routes import LoginRoutes, client_of
from roost.identity.model import AddressToGo, Provider, ReturnQuery
from roost.web.endpoint import API, Call, Contract, Endpoint, cookie_of
from roost.web.rate import Limiter, network_of
from roost.web.reply import Reply, item

BROWSER = "roost_login"
_OF_PROVIDER = f"{API}/auth/{{provider:str}}"
_MOST_FIELDS = 50
_AT_PROVIDER = (
    errors.PROVIDER_NOT_FOUND,
    errors.PROVIDER_ANSWER_INVALID,
    errors.PROVIDER_REFUSED,
    errors.PROVIDER_UNAVAILABLE,
    errors.PROVIDER_TIMEOUT,
)
_BEGINNING = (errors.RETURN_REFUSED, errors.PUBLIC_URL_NEEDED, errors.FORBIDDEN,
              errors.LOGIN_LINK_PREFETCHED, errors.RATE_LIMITED)  # fmt: skip
_ENDING = (
    errors.LOGIN_ATTEMPT_INVALID,
    errors.LOGIN_NOT_PROVED,
    errors.LOGIN_REFUSED,
    errors.USER_DEACTIVATED,
    errors.PROVIDER_MOVED,
    errors.SIGN_UP_CLOSED,
    errors.EMAIL_IN_USE,
    errors.CONFLICT,
    errors.LOGIN_LINK_PREFETCHED,
    errors.RATE_LIMITED,
)


@dataclass(frozen=True, slots=True)
class ProviderRoutes:
    """The routes of log-in by providers; `login` has what they share with log-in links."""

    login: LoginRoutes
    service: ProviderLogin
    limit: Limiter

    def endpoints(self) -> list[Endpoint]:
        """Give every route with its contract."""
        return [
            Endpoint("GET", LOGIN, self.page, Contract(
                "The log-in page", None, query=ReturnQuery, media_type="text/html", tag="auth",
                problems=(errors.RETURN_REFUSED,))),
            Endpoint("GET", f"{API}/auth/providers", self.providers, Contract(
                "List the log-in providers that are set up", None, returns=Provider,
                listed=True)),
            Endpoint("GET", f"{_OF_PROVIDER}/login", self.begin, Contract(
                "Go to a provider to log in", None, query=ReturnQuery, status=303,
                media_type="text/html", problems=(*_AT_PROVIDER, *_BEGINNING))),
            Endpoint("GET", f"{_OF_PROVIDER}/callback", self.finish, Contract(
                "Come back from a provider, logged in", None, query=CallbackQuery, status=303,
                foreign_query=True, media_type="text/html", problems=(*_AT_PROVIDER, *_ENDING))),
            Endpoint("POST", f"{_OF_PROVIDER}/link", self.link, Contract(
                "Begin to add a provider's identity to the user who asks", "users:write",
                query=ReturnQuery, returns=AddressToGo,
                problems=(*_AT_PROVIDER, errors.RETURN_REFUSED, errors.PUBLIC_URL_NEEDED,
                          errors.RATE_LIMITED))),
        ]  # fmt: skip

    async def page(self, call: Call) -> Reply:
        """Show the ways in."""

        async def work() -> Reply:
            wanted = call.query.return_to
            way = way_back(wanted, self.service.redirects) if wanted else None
            return login_page(self.service.providers, way)

        return await privately(work)

    async def providers(self, call: Call) -> Reply:
        """Answer which providers there are."""
        found = [
            Provider(one.provider.id, one.provider.name, login_path(one.provider.id))
            for one in self.service.providers
        ]
        return self.login.kit.conditional(call, item(msgspec.json.encode(found).decode()))

    async def begin(self, call: Call) -> Reply:
        """Send the browser to the provider."""

        async def work() -> Reply:
            self.service.providers.find(_provider(call))
            self.login.refuse_ahead(call)
            allowance = await self.limit.take(network_of(address_of(call) or ""))
            self.login.require_secure(call)
            browser, scope = _browser(call), call.request.scope
            url = await self.service.begin(
                _provider(call), call.query.return_to, scope, browser, call.request_id
            )
            reply = Reply(status=303)
            reply.header("location", url)
            self._remember(call, reply, browser)
            return allowance.tell(private(reply))

        return await privately(work)

    async def finish(self, call: Call) -> Reply:
        """Take the browser back, and log its user in."""

        async def work() -> Reply:
            self.service.providers.find(_provider(call))
            self.login.refuse_ahead(call)
            allowance = await self.limit.take(network_of(address_of(call) or ""))
            self.login.require_secure(call)
            query, scope = _callback(call), call.request.scope
            browser = cookie_of(scope, BROWSER)
            done = await self.service.finish(_provider(call), query, browser, client_of(call))
            if done.session is not None:
                return allowance.tell(self.login.logged_in(call, done.session, done.return_to))
            self.login.kit.ticks.announce()
            reply = Reply(status=303)
            reply.header("location", done.return_to)
            return allowance.tell(private(reply))

        return await privately(work)

    async def link(self, call: Call) -> Reply:
        """Give the address at the provider; the browser goes there by itself."""
        principal = call.principal
        allowance = await self.limit.take(network_of(address_of(call) or ""))
        if principal.kind != "session":
            raise ProblemError(
                errors.FORBIDDEN,
                "identities are linked in a browser, by somebody who is logged in there",
            )
        self.login.require_secure(call)
        browser = _browser(call)
        url = await self.service.begin(
            _provider(call),
            call.query.return_to,
            call.request.scope,
            browser,
            call.request_id,
            (principal.user_id, principal.credential_id),
        )
        reply = item(msgspec.json.encode(AddressToGo(url)).decode())
        self._remember(call, reply, browser)
        return allowance.tell(private(reply))

    def _remember(self, call: Call, reply: Reply, browser: str) -> None:
        attributes = self.login.attributes(call.request.scope)
        cookie = f"{BROWSER}={browser}; Path=/api; Max-Age={LIFE_SECONDS}; {attributes}"
        reply.header("set-cookie", cookie)


def _provider(call: Call) -> str:
    return str(call.request.path_params["provider"])


def _browser(call: Call) -> str:
    """Give the browser's secret: the one it has, so that log-ins in several tabs all work."""
    given = cookie_of(call.request.scope, BROWSER)
    if given is not None and credentials.is_opaque_secret(given):
        return given
    return credentials.new_opaque_secret()


def _callback(call: Call) -> CallbackQuery:
    """Read what the provider sent; what else it sent is left alone."""
    raw = call.request.scope["query_string"]
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise ProblemError(errors.LOGIN_ATTEMPT_INVALID) from error
    known = [(name, value) for name, value in pairs if name in CallbackQuery.__struct_fields__]
    values = dict(known)
    if len(values) != len(known) or any("\x00" in value for value in values.values()):
        raise ProblemError(errors.LOGIN_ATTEMPT_INVALID, "a parameter was given more than once")
    return CallbackQuery(**values)
