"""Which pages of other origins may read answers, and of which routes (CORS, the Fetch standard).

Only with a token that the page holds: `Access-Control-Allow-Credentials` is never sent, so what a
browser adds by itself, the session's cookie, opens nothing to another origin.
"""

import re
from collections.abc import Iterable
from typing import Any

from roost.web.endpoint import header
from roost.web.origin import is_loopback, page_host, written_alike
from roost.web.reply import Reply

EVERY = "*"
_OPEN = re.compile(
    r"/api(?:/v1)?/(?:(?:migration|tasks|environments|history)(?:/.*)?|users/me/?)|/v1/shape/?"
    r"|/mcp/?",
    re.DOTALL,
)
_METHODS = b"GET, POST, PUT, PATCH, DELETE"
_TAKEN = (
    b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, "
    b"Mcp-Method, Mcp-Name, Mcp-Protocol-Version, Prefer, Roost-After-Tick, Roost-Workspace, "
    b"traceparent"
)
_SHOWN = (
    b"ETag, Location, Roost-Tick, Roost-Txid, Roost-Request-Id, Roost-Sha256, Retry-After, "
    b"Preference-Applied, Content-Disposition, RateLimit, RateLimit-Policy, Electric-Cursor, "
    b"Electric-Handle, Electric-Has-Data, Electric-Offset, Electric-Schema, Electric-Up-To-Date, "
    b"Electric-Internal-Known-Error"
)
_PREFLIGHT = (
    (b"access-control-allow-methods", _METHODS),
    (b"access-control-allow-headers", _TAKEN),
    (b"access-control-max-age", b"600"),
)


class Origins:
    """The origins whose pages may ask: the ones named, or with `*` every one.

    With none named, they are the pages on this machine.
    """

    __slots__ = ("_named",)

    def __init__(self, named: Iterable[str] = ()) -> None:
        self._named = frozenset(map(written_alike, named))

    @property
    def are_all(self) -> bool:
        """Whether every page may ask."""
        return EVERY in self._named

    def allow(self, origin: str) -> bool:
        """Whether the pages of an origin may ask."""
        if self._named:
            return self.are_all or written_alike(origin) in self._named
        host = page_host(origin)
        return host is not None and is_loopback(host)


def with_cors(app: Any, origins: Origins) -> Any:  # noqa: ANN401 -- ASGI applications
    """Let the pages of these origins ask the routes that they need, and read every answer there.

    Their preflights are answered here. A body passes through as it is sent.
    """

    async def opening(scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 -- ASGI
        told = _told(origins, scope)
        if not told:
            await app(scope, receive, send)
            return

        async def opened(message: Any) -> None:  # noqa: ANN401 -- ASGI
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *told]
            await send(message)

        if _is_preflight(scope):
            await Reply(status=204, headers=_permission(scope))(scope, receive, opened)
        else:
            await app(scope, receive, opened)

    return opening


def _told(origins: Origins, scope: Any) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 -- ASGI's own type
    origin = header(scope, b"origin") if scope["type"] == "http" else None
    if origin is None or not _OPEN.fullmatch(scope["path"]) or not origins.allow(origin):
        return []
    allowed = EVERY if origins.are_all else origin
    return [
        (b"access-control-allow-origin", allowed.encode("latin-1")),
        (b"access-control-expose-headers", _SHOWN),
    ]


def _is_preflight(scope: Any) -> bool:  # noqa: ANN401 -- ASGI's own type
    asked = header(scope, b"access-control-request-method")
    return scope["method"] == "OPTIONS" and asked is not None


def _permission(scope: Any) -> list[tuple[bytes, bytes]]:  # noqa: ANN401 -- ASGI's own type
    # A page from the internet may not reach this machine or its network before it is told so.
    if header(scope, b"access-control-request-private-network") == "true":
        return [*_PREFLIGHT, (b"access-control-allow-private-network", b"true")]
    return list(_PREFLIGHT)
