"""An endpoint: a method, a path, what goes in and out, and who may. Everything else denies.

Each carries its contract, from which the guard, the readers and the OpenAPI document are made.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

import msgspec

from roost.errors import Entry
from roost.web.principal import Principal
from roost.web.query import invalid
from roost.web.reply import Reply
from roost.web.structs import camel

if TYPE_CHECKING:
    from litestar import Request

API = "/api/v1"
COOKIE = "roost_session"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Contract:
    """What a route promises. `permission` None means that nobody need be logged in.

    `returns` is the type of `data`; `paged` says that it is a list of them with `pagination`, and
    `paged_within` that such a list is a member of it.
    `also` are further statuses of success, with the same body.
    `described_body` is the body of a route that reads the request's stream in its own way, and then
    asks `Call.still_admitted`.
    `body_is_optional` says that no body is the same as an empty object.
    `workspace_in_path` says that the path's `id` is the workspace, whatever `Roost-Workspace` says:
    the permission is that of the caller's role there.
    `streamed` says that it can be had as server-sent events too.
    `json_rpc` says that body and answers are messages of JSON-RPC, refusals among them; where none
    is asked for, the answer is 202.
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
    body_is_optional: bool = False
    described_body: type | None = None
    media_type: str = "application/json"
    tag: str = ""
    workspace_in_path: bool = False
    foreign_query: bool = False
    streamed: bool = False
    json_rpc: bool = False


class Guard(Protocol):
    """What says who asks on a route."""

    async def admit(self, call: "Call") -> Principal:
        """Give who asks; ProblemError when nobody does, or they may not."""


@dataclass(slots=True)
class Call:
    """One request, as a handler sees it: all read, all checked."""

    request: "Request[Any, Any, Any]"
    query: Any = None
    body: Any = None
    raw: bytes = b""
    after: int | None = None
    """The tick of `Roost-After-Tick`, which nothing that is shown may be older than."""
    read_at: float | None = None
    """When what is shown had been read, by `time.monotonic`, if that is not now."""
    guard: Guard | None = None
    """Of a route with a permission. No more than that: a cycle would leave each request to the
    garbage collector, with all that hangs on it."""
    _principal: Principal | None = None

    @property
    def principal(self) -> Principal:
        """Who asks; only on routes with a permission."""
        assert self._principal is not None  # noqa: S101 -- the guard has run
        return self._principal

    async def still_admitted(self) -> None:
        """Ask again who asks, and whether they may; for after a body was read.

        A body can be held back for as long as its sender likes, and rights be gone meanwhile.
        """
        if self.guard is not None:
            self._principal = await self.guard.admit(self)

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
