"""An endpoint: a method, a path, what goes in and out, and who may. Everything else denies.

Each carries its contract, from which the guard, the readers and the OpenAPI document are made.
"""

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import msgspec
from litestar import Request
from litestar.handlers import HTTPRouteHandler

from roost import errors
from roost.errors import Entry, ProblemError
from roost.web import body
from roost.web.origin import origin_of, written_alike
from roost.web.principal import NOT_FOR_AGENTS, PERMISSIONS, Authenticator, Principal
from roost.web.query import QueryReader, invalid
from roost.web.reply import Reply
from roost.web.structs import camel

API = "/api/v1"
COOKIE = "roost_session"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TICK = re.compile(r"[0-9]{1,18}")
_WITH_BODY = {"POST", "PUT", "PATCH"}
_SAFE = {"GET", "HEAD", "OPTIONS"}


@dataclass(frozen=True, slots=True)
class Contract:
    """What a route promises. `permission` None means that nobody need be logged in.

    `returns` is the type of `data`; `paged` says that it is a list of them with `pagination`, and
    `paged_within` that such a list is a member of it.
    `also` are further statuses of success, with the same body.
    `described_body` is the body of a route that reads the request's stream in its own way, and then
    asks `Call.still_admitted`.
    `workspace_in_path` says that the path's `id` is the workspace, whatever `Roost-Workspace` says:
    the permission is that of the caller's role there.
    `streamed` says that it can be had as server-sent events too.
    `foreign_query` says that others write the query string and may add to it: the handler reads it.
    """

    summary: str
    permission: str | None
    query: type[msgspec.Struct] | None = None
    body: type | None = None
    returns: Any = None
    status: int = 200
    also: tuple[int, ...] = ()
    paged: bool = False
    paged_within: bool = False
    listed: bool = False
    bare: bool = False
    problems: tuple[Entry, ...] = ()
    body_limit: int | None = None
    described_body: type | None = None
    media_type: str = "application/json"
    tag: str = ""
    workspace_in_path: bool = False
    foreign_query: bool = False
    streamed: bool = False


@dataclass(slots=True)
class Call:
    """One request, as a handler sees it: all read, all checked."""

    request: Request[Any, Any, Any]
    query: Any = None
    body: Any = None
    raw: bytes = b""
    after: int | None = None
    """The tick of `Roost-After-Tick`, which nothing that is shown may be older than."""
    read_at: float | None = None
    """When what is shown had been read, by `time.monotonic`, if that is not now."""
    _principal: Principal | None = None
    _admit: "Callable[[], Awaitable[Principal]] | None" = None

    @property
    def principal(self) -> Principal:
        """Who asks; only on routes with a permission."""
        assert self._principal is not None  # noqa: S101 -- the guard has run
        return self._principal

    async def still_admitted(self) -> None:
        """Ask again who asks, and whether they may; for after a body was read.

        A body can be held back for as long as its sender likes, and rights be gone meanwhile.
        """
        if self._admit is not None:
            self._principal = await self._admit()

    @property
    def request_id(self) -> str:
        """The id of the request, as in `Roost-Request-Id`."""
        return request_id(self.request.scope)

    def header(self, name: str) -> str | None:
        """Give a request header, by its lower-case name."""
        return header(self.request.scope, name.encode())

    def id(self, name: str = "id") -> UUID:
        """Read a path's UUID; VALIDATION_ERROR when it is none."""
        text = self.request.path_params[name]
        if not _UUID.fullmatch(text):
            raise invalid(camel(name), "must be a UUID", "uuid")
        return UUID(text)


def request_id(scope: Any) -> str:  # noqa: ANN401 -- ASGI's own type
    """Give the id that the outermost layer gave this request."""
    return str(scope.get("state", {}).get("request_id", ""))


def header(scope: Any, name: bytes) -> str | None:  # noqa: ANN401 -- ASGI's own type
    """Give the first header of that lower-case name."""
    for key, value in scope["headers"]:
        if key == name:
            return str(value.decode("latin-1"))
    return None


Handle = Callable[[Call], Awaitable[Reply]]
Refused = Callable[[Call, str], None]
"""Told of each request whose bearer token is not live, and of the token."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A handler and its contract, before it is mounted."""

    method: str
    path: str
    handle: Handle
    contract: Contract


class Newness(Protocol):
    """What those need who say how new an answer must be."""

    async def reach(self, tick: int) -> None:
        """Wait until nothing older than a tick is shown; ProblemError when there is no such."""

    async def seen(self, least: int, moment: float | None = None) -> int:
        """Give a tick, not before `least`, that sees what was committed before now, or a moment."""


@dataclass(slots=True)
class Gate:
    """The way into every endpoint: log-in, permission, query, body, then the handler."""

    authenticator: Authenticator
    body_limit: int
    public_origin: str | None = None
    refused: Refused | None = None
    newness: Newness | None = None

    def mount(self, endpoints: Sequence[Endpoint]) -> list[HTTPRouteHandler]:
        """Make Litestar's handlers; paths under `/api/v1` answer under `/api` too."""
        methods: dict[str, set[str]] = {}
        for endpoint in endpoints:
            found = methods.setdefault(endpoint.path, {"OPTIONS"})
            found |= {"GET", "HEAD"} if endpoint.method == "GET" else {endpoint.method}
        # First, or Litestar adds one of its own that knows one method only.
        return [
            *(_options(path, sorted(names)) for path, names in methods.items()),
            *(self._handler(endpoint) for endpoint in endpoints),
        ]

    def _handler(self, endpoint: Endpoint) -> HTTPRouteHandler:
        contract = endpoint.contract
        if contract.permission is not None and contract.permission not in PERMISSIONS:
            message = f"{endpoint.method} {endpoint.path} asks for an unknown permission"
            raise ValueError(message)
        query = QueryReader(contract.query) if contract.query else QueryReader(_NoQuery)
        decoder: msgspec.json.Decoder[Any] | None = None
        if contract.body is not None:
            decoder = msgspec.json.Decoder(contract.body)
        limit = contract.body_limit or self.body_limit

        async def serve(request: Request[Any, Any, Any]) -> Reply:
            scope = request.scope
            call = Call(request)
            if contract.permission is not None:
                call._admit = partial(self._admit, call, contract, contract.permission)  # noqa: SLF001 -- the gate fills it in
                await call.still_admitted()
                call.after = _after_tick(scope)
            if not contract.foreign_query:
                call.query = query.read(scope["query_string"])
            if decoder is not None:
                call.raw = await body.read(scope, request.receive, limit)
                await call.still_admitted()
                body.require_json(scope)
                call.body = body.decode(call.raw, decoder)
            elif (
                endpoint.method in _WITH_BODY
                and contract.described_body is None
                and await body.refuse(scope, request.receive)
            ):
                await call.still_admitted()
            if call.after is None or self.newness is None:
                return await endpoint.handle(call)
            return await self._by_ticks(call, endpoint.handle, self.newness)

        serve.__name__ = re.sub(r"\W+", "_", f"{endpoint.method} {endpoint.path}").strip("_")
        methods = ["GET", "HEAD"] if endpoint.method == "GET" else [endpoint.method]
        return HTTPRouteHandler(
            _paths(endpoint.path),
            http_method=methods,  # type: ignore[arg-type]  # strings are what it takes
            status_code=200,  # the reply has its own
            media_type=contract.media_type,
        )(serve)

    async def _by_ticks(self, call: Call, handle: Handle, newness: Newness) -> Reply:
        """Answer who goes by ticks: nothing older than theirs, and a tick that sees it all."""
        assert call.after is not None  # noqa: S101 -- the caller has looked
        await newness.reach(call.after)
        try:
            reply = await handle(call)
        except ProblemError as error:
            error.headers["roost-tick"] = str(await newness.seen(call.after))
            raise
        reply.header("roost-tick", str(await newness.seen(call.after, call.read_at)))
        return reply

    async def _admit(self, call: Call, contract: Contract, permission: str) -> Principal:
        scope = call.request.scope
        bearer, cookie = _bearer(scope), None
        if bearer is None:
            cookie = session_cookie(scope)
            if cookie is not None and scope["method"] not in _SAFE:
                self.require_same_origin(scope)
        if contract.workspace_in_path:
            workspace: str | None = str(call.id())
        else:
            workspace = header(scope, b"roost-workspace")
        principal = await self.authenticator.authenticate(bearer, cookie, workspace)
        if principal is None:
            if bearer is not None and self.refused is not None:
                self.refused(call, bearer)
            raise ProblemError(errors.UNAUTHORIZED, headers={"www-authenticate": "Bearer"})
        if permission not in principal.permissions:
            raise ProblemError(errors.FORBIDDEN, _lack(principal, permission))
        return principal

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


class _NoQuery(msgspec.Struct, frozen=True):
    """A route that takes no parameters."""


def _options(path: str, methods: list[str]) -> HTTPRouteHandler:
    allow = ", ".join(methods)

    async def serve() -> Reply:
        reply = Reply(status=204)
        reply.header("allow", allow)
        return reply

    serve.__name__ = re.sub(r"\W+", "_", f"OPTIONS {path}").strip("_")
    return HTTPRouteHandler(_paths(path), http_method=["OPTIONS"], status_code=200)(serve)


def _paths(path: str) -> list[str]:
    return [path, "/api" + path.removeprefix(API)] if path.startswith(API) else [path]


def _bearer(scope: Any) -> str | None:  # noqa: ANN401 -- ASGI's own type
    value = header(scope, b"authorization")
    if value is None:
        return None
    scheme, _, token = value.partition(" ")
    # An Authorization header of another kind is a credential that is not live, not an absent one.
    return token.strip() if scheme.lower() == "bearer" else ""


def session_cookie(scope: Any) -> str | None:  # noqa: ANN401 -- ASGI's own type
    """Give the session's secret that the browser sent, the first if it sent several."""
    return cookie_of(scope, COOKIE)


def cookie_of(scope: Any, wanted: str) -> str | None:  # noqa: ANN401 -- ASGI's own type
    """Give the value of a cookie, the first if the browser sent several."""
    # By hand: a parser that knows more rejects the whole header for a neighbour's odd cookie.
    for key, value in scope["headers"]:
        if key != b"cookie":
            continue
        for pair in value.decode("latin-1").split(";"):
            name, sign, secret = pair.partition("=")
            if sign and name.strip(" \t") == wanted:
                return str(secret.strip(" \t"))
    return None
