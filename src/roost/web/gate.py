"""The way into every endpoint: log-in, permission, query, body, then the handler."""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from roost import errors
from roost.errors import ProblemError
from roost.web import body
from roost.web.endpoint import API, Call, Contract, Endpoint, Refused, header, session_cookie
from roost.web.origin import origin_of, written_alike
from roost.web.principal import NOT_FOR_AGENTS, PERMISSIONS, Authenticator, Principal
from roost.web.query import QueryReader, invalid
from roost.web.reply import Reply

Serve = Callable[[Any, Any, Any], Awaitable[None]]
"""An ASGI application."""
_TICK = re.compile(r"[0-9]{1,18}")
_NO_BODY = b"{}"
_WITH_BODY = {"POST", "PUT", "PATCH"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


class Newness(Protocol):
    """What those need who say how new an answer must be."""

    async def reach(self, tick: int) -> None:
        """Wait until nothing older than a tick is shown; ProblemError when there is no such."""

    async def seen(self, least: int, moment: float | None = None) -> int:
        """Give a tick, not before `least`, that sees what was committed before now, or a moment."""


@dataclass(slots=True)
class Gate:
    """What every endpoint is mounted behind."""

    authenticator: Authenticator
    body_limit: int
    public_origin: str | None = None
    refused: Refused | None = None
    newness: Newness | None = None

    def mount(self, endpoints: Sequence[Endpoint]) -> list[HTTPRouteHandler]:
        """Make Litestar's handlers; paths under `/api/v1` answer under `/api` too."""
        methods: dict[str, set[str]] = {}
        for endpoint in endpoints:
            methods.setdefault(endpoint.path, {"OPTIONS"}).update(_methods(endpoint))
        # First, or Litestar adds one of its own that knows one method only.
        return [
            *(_mounted(path, ["OPTIONS"], _options(names)) for path, names in methods.items()),
            *(
                _mounted(each.path, _methods(each), _Guarded(self, each).serve)
                for each in endpoints
            ),
        ]

    def require_same_origin(self, scope: Any) -> None:  # noqa: ANN401 -- ASGI's own type
        """Refuse a change that another site made the browser send (RFC 6454 origins).

        Roost's own is that of the public address; without one, the request's scheme and host.
        """
        origin = header(scope, b"origin")
        host = header(scope, b"host")
        address = self.public_origin or (f"{scope['scheme']}://{host}" if host else None)
        own = address and origin_of(address)
        if not origin or written_alike(origin) != own:
            raise ProblemError(
                errors.ORIGIN_REFUSED,
                f"the Origin header is {origin!r}" if origin else "there is no Origin header",
            )


class _NoQuery(msgspec.Struct, frozen=True):
    """A route that takes no parameters."""


@dataclass(slots=True)
class _Guarded:
    """One endpoint behind the gate: an ASGI application of the route that was resolved."""

    gate: Gate
    endpoint: Endpoint
    contract: Contract = field(init=False)
    query: QueryReader = field(init=False)
    decoder: msgspec.json.Decoder[Any] | None = None
    limit: int = field(init=False)

    def __post_init__(self) -> None:
        """Make the readers."""
        contract = self.contract = self.endpoint.contract
        if contract.permission is not None and contract.permission not in PERMISSIONS:
            message = f"{self.endpoint.method} {self.endpoint.path} asks for an unknown permission"
            raise ValueError(message)
        self.query = QueryReader(contract.query or _NoQuery)
        if contract.body is not None:
            self.decoder = msgspec.json.Decoder(contract.body)
        self.limit = contract.body_limit or self.gate.body_limit

    def mounted(self) -> HTTPRouteHandler:
        """Make Litestar's handler."""
        return _mounted(self.endpoint.path, _methods(self.endpoint), self.serve)

    async def serve(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        """Answer a request."""
        reply = await self._answer(Call(Request(scope, receive)))
        await reply(scope, receive, send)

    async def _answer(self, call: Call) -> Reply:
        scope = call.request.scope
        if self.contract.permission is not None:
            call.guard = self
            await call.still_admitted()
            call.after = _after_tick(scope)
        if not self.contract.foreign_query:
            call.query = self.query.read(scope["query_string"])
        if self.endpoint.method in _WITH_BODY:
            await self._read_body(call)
        if call.after is None or self.gate.newness is None:
            return await self.endpoint.handle(call)
        return await self._by_ticks(call, call.after, self.gate.newness)

    async def _read_body(self, call: Call) -> None:
        request = call.request
        if self.decoder is not None:
            call.raw = await body.read(request.scope, request.receive, self.limit)
            await call.still_admitted()
            given = call.raw
            if not given and self.contract.body_is_optional:
                given = _NO_BODY
            else:
                body.require_json(request.scope)
            call.body = body.decode(given, self.decoder)
        elif self.contract.described_body is None and await body.refuse(
            request.scope, request.receive
        ):
            await call.still_admitted()

    async def _by_ticks(self, call: Call, after: int, newness: Newness) -> Reply:
        """Answer who goes by ticks: nothing older than theirs, and a tick that sees it all.

        Who was admitted before a wait may not be any more after it.
        """
        await newness.reach(after)
        await call.still_admitted()
        try:
            reply = await self.endpoint.handle(call)
        except ProblemError as error:
            error.headers["roost-tick"] = await self._tick(call, after, newness)
            raise
        reply.header("roost-tick", await self._tick(call, after, newness))
        return reply

    @staticmethod
    async def _tick(call: Call, after: int, newness: Newness) -> str:
        tick = await newness.seen(after, call.read_at)
        if call.request.scope["method"] in _SAFE:
            # Whoever made a change is told of it: it was made, be it that of their own log-in.
            await call.still_admitted()
        return str(tick)

    async def admit(self, call: Call) -> Principal:
        """Say who asks; ProblemError when nobody does, or they may not."""
        scope, permission = call.request.scope, self.contract.permission
        bearer, cookie = _bearer(scope), None
        if bearer is None:
            cookie = session_cookie(scope)
            if cookie is not None and scope["method"] not in _SAFE:
                self.gate.require_same_origin(scope)
        if self.contract.workspace_in_path:
            workspace: str | None = str(call.id())
        else:
            workspace = header(scope, b"roost-workspace")
        principal = await self.gate.authenticator.authenticate(bearer, cookie, workspace)
        if principal is None:
            if bearer is not None and self.gate.refused is not None:
                self.gate.refused(call, bearer)
            raise ProblemError(errors.UNAUTHORIZED, headers={"www-authenticate": "Bearer"})
        if permission not in principal.permissions:
            raise ProblemError(errors.FORBIDDEN, _lack(principal, str(permission)))
        return principal


def _mounted(path: str, methods: Sequence[str], serve: Serve) -> HTTPRouteHandler:
    """Have Litestar find the route, and hand it over to `serve` from there.

    That stands where a middleware of the route would: what Litestar does behind it, for handlers
    that take parameters and give objects, would be a fifth of the cost of a cached answer.
    """

    def instead(app: object) -> Serve:
        del app
        return serve

    paths = [path, "/api" + path.removeprefix(API)] if path.startswith(API) else [path]
    return HTTPRouteHandler(
        paths,
        http_method=methods,  # type: ignore[arg-type]  # strings are what it takes
        middleware=[instead],
        status_code=200,  # the reply has its own
    )(_behind)


async def _behind() -> None:
    """Stand where Litestar wants a handler; `serve` stands before it and passes nothing on."""
    raise NotImplementedError


def _methods(endpoint: Endpoint) -> list[str]:
    return ["GET", "HEAD"] if endpoint.method == "GET" else [endpoint.method]


def _options(methods: set[str]) -> Serve:
    allow = ", ".join(sorted(methods)).encode()

    async def serve(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        await Reply(status=204, headers=[(b"allow", allow)])(scope, receive, send)

    return serve


def _after_tick(scope: Any) -> int | None:  # noqa: ANN401 -- ASGI's own type
    text = header(scope, b"roost-after-tick")
    if text is None:
        return None
    if not _TICK.fullmatch(text):
        raise invalid("Roost-After-Tick", "must be a Roost-Tick that was given out", "tick")
    return int(text)


def _lack(principal: Principal, permission: str) -> str:
    message = f"this needs the permission {permission!r}, which "
    if principal.is_agent and permission in NOT_FOR_AGENTS:
        return message + "no agent has"
    if principal.kind == "token" and principal.role in PERMISSIONS[permission]:
        return message + "the token's scopes do not include"
    return message + f"the role {principal.role!r} does not have"


def _bearer(scope: Any) -> str | None:  # noqa: ANN401 -- ASGI's own type
    value = header(scope, b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    # An Authorization header of another kind is a credential that is not live, not an absent one.
    return token.strip() if scheme.lower() == "bearer" else ""
